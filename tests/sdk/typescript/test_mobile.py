"""The requests that docs/mobile.md shows, sent as they stand there; and what its samples rely on in the answers."""

import json
import re
from typing import Any

from tests.processes import ROOT
from tests.sdk.typescript.conftest import QUESTION
from tests.sdk.typescript.package_build import need, run
from tests.sdk.typescript.sdk_driver import Client
from tests.stack import Stack

GUIDE = ROOT / "docs/mobile.md"


def test_requests_of_mobile_apps(stack: Stack, ads: Client, agent: dict[str, Any]) -> None:
    need("curl")
    text = GUIDE.read_text()
    unit = ads("decide", {"context": QUESTION, "max_results": 1})["units"][0]
    filled = {
        "http://127.0.0.1:9000": stack.webs[0].http,
        "am_test_...": agent["test_api_key"],
        '"agt_..."': json.dumps(agent["agent_id"]),
        '"unit_id": "..."': f'"unit_id": "{unit["_meta"]["unit_id"]}"',
        "trk_...": unit["tracking_token"],
    }
    signed_up, decision, event = (
        json.loads(run("sh", "-c", _with(filled, command), cwd=ROOT))
        for command in re.findall(r"^curl .*?(?=^curl |^```)", text, re.MULTILINE | re.DOTALL)
    )
    assert signed_up["test_api_key"].startswith("am_test_")
    assert event["accepted"] is True
    assert (decision["status"], len(decision["units"])) == ("fill", 1)

    # Each field that the samples send or read is one of the API.
    fields = {
        *decision,
        *unit,
        *unit["creative"],
        *unit["disclosure"],
        *unit["_meta"],
        "code",
        "message",
        "request_id",
    }
    for language in ("kotlin", "swift"):
        samples = "\n".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
        read = set(re.findall(r'get(?:String|JSONObject|JSONArray)\("(\w+)"\)|optString\("(\w+)"', samples))
        assert {name for pair in read for name in pair if name} <= fields
        for sent in ("event_id", "occurred_at", "agent_id", "unit_id", "tracking_token", "event_type"):
            assert f'"{sent}"' in samples, sent


def _with(filled: dict[str, str], command: str) -> str:
    for printed, ours in filled.items():
        command = command.replace(printed, ours)
    return f"{command.rstrip()} --silent --show-error"
