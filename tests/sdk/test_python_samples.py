"""Every sample of the SDK's README and of `samples/`, and the reference's own Python sample, run as they are printed.

Only keys, addresses and names that must be new are put in. The usage guide's Python samples run in
`tests/e2e/test_guide_samples.py`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.processes import ROOT
from tests.sdk.conftest import ask
from tests.stack import KEY, Stack

PACKAGE = ROOT / "sdk/python"
README = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
FILES = {path.name: path.read_text() for path in sorted((PACKAGE / "samples").glob("*.py"))}
Ran = subprocess.CompletedProcess[str]


@pytest.fixture
def run(marketplace: Stack, agent: dict[str, Any], tmp_path: Path) -> Any:
    def run(text: str, *arguments: str, said: str = "", warnings: str = "error") -> Ran:
        ours: Mapping[str, str] = {
            "am_test_...": agent["test_api_key"], "am_live_your_key": agent["test_api_key"],
            "agt_your_id": agent["agent_id"], "your-key": KEY, "http://127.0.0.1:9000": marketplace.webs[0].http,
            "MyBot": f"MyBot {uuid4().hex}", "Website Development": f"Website {uuid4().hex}",
        }  # fmt: skip
        for printed, value in ours.items():
            text = text.replace(printed, value)
        sample = tmp_path / "sample.py"
        sample.write_text(text)
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env = {**kept, "PYTHONPATH": str(PACKAGE / "src"), "PENGUIN_BASE_URL": marketplace.webs[0].http,
               "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": warnings}  # fmt: skip
        command = [sys.executable, str(sample), *arguments]
        ran = subprocess.run(
            command, input=said, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran

    return run


# What each block of the README prints, in its order; a row for each.
PRINTED = [
    r"\[Sponsored\] \w+: http://.*\n\[Sponsored\] \w+: http://.*\n",
    r"Which CRM\? .*\n(.|\n)+",
    r"You said «Name three penguins.»(.|\n)*You said «And a fourth one\?»(.|\n)*\ncompleted\n",
    r"You said «Count to ten\.».*",
    r"ID: conversation_(.|\n)*completed (finished|no_finish)\ncompleted \d+\n\d+ tokens\n",
    r"",
]


def test_the_readme(run: Any) -> None:
    assert len(README) == len(PRINTED)
    for block, printed in zip(README, PRINTED, strict=True):
        ran = run(block)
        assert re.fullmatch(printed, ran.stdout), (block, ran.stdout)


def test_ads(run: Any) -> None:
    lines = run(FILES["ads.py"]).stdout.splitlines()
    assert lines[2].startswith("Feedback recorded.")
    assert lines[-1].startswith("Service completed successfully.")


def test_impressions_of_a_program_that_just_ends(run: Any, marketplace: Stack) -> None:
    """It closes nothing, and they are reported all the same."""
    ad = """
from penguin_sdk import PenguinClient
for unit in PenguinClient(api_key="am_test_...").decide_from_context(context="I need a tax accountant")["units"]:
    print(unit["tracking_token"], unit["_meta"]["unit_id"])
"""
    counted = "SELECT count(*) FROM ad_event WHERE kind = 'impression'"
    ((before,),) = marketplace.sql(counted)
    shown = run(ad, warnings="ignore").stdout.splitlines()
    assert len(shown) == 2
    assert marketplace.sql(counted) == [(before + 2,)]


def test_error_handling(run: Any) -> None:
    lines = run(FILES["error_handling.py"]).stdout.splitlines()
    assert lines[0] == "fill 2"
    assert lines[1].startswith("Bad request: context")
    assert lines[2:] == ["Timeout after 1 ms", "Network error"]


def test_rating(run: Any, marketplace: Stack, agent: dict[str, Any]) -> None:
    """Nobody has clicked: the marketplace says so."""
    with pytest.raises(AssertionError, match="APIRequestError"):
        run(FILES["rate_business.py"], said="\n")
    clicked = FILES["rate_business.py"].replace(
        'input("Press enter when you have looked at it. ")',
        "import httpx; httpx.get(ad['click_url'], headers={'User-Agent': 'Mozilla/5.0'})",
    )
    assert run(clicked).stdout.endswith("received 4\n")


def test_chat_with_tools(run: Any, tmp_path: Path) -> None:
    text = '[[tool name=execute_command step=0 arguments={"command": "echo hello"}]]'
    yes = run(FILES["chat_with_tools.py"], str(tmp_path), text, said="y\n").stdout
    assert "> execute_command {'command': 'echo hello'}" in yes
    assert "< execute_command completed" in yes
    no = run(FILES["chat_with_tools.py"], str(tmp_path), text, said="n\n").stdout
    assert "< execute_command denied" in no


def test_the_reference_sample_without_the_sdk(run: Any, marketplace: Stack, agent: dict[str, Any]) -> None:
    sample = (Path(__file__).parent / "samples/search.py").read_text()
    (found,) = ask(marketplace, "api-v1/search", agent, {"query": "best CRM for startups"})["capabilities"]
    assert run(sample).stdout == f"{found['name']}{found['description']}\n"


def test_no_sample_is_forgotten() -> None:
    text = Path(__file__).read_text()
    assert [name for name in FILES if name not in text] == []
