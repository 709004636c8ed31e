"""The packaged model: real text from one process that all workers share and that outlives none of them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conversations.llm import local_model, registry
from conversations.llm.local_address import Address, RunFiles, start_time
from conversations.llm.wire import ChatMessage, Finished, ModelFailure, ModelRequest, TextDelta, Usage

ROOT = Path(__file__).resolve().parents[2]
ANOTHER_WORKER = """
import pathlib, sys
from conversations.llm import local_address, local_model
print(local_model.start(local_address.RunFiles(pathlib.Path(sys.argv[1]))).pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def files(settings, tmp_path) -> Iterator[RunFiles]:
    settings.PENGUIN_DATA_DIR = tmp_path / "data"
    files = RunFiles(settings.PENGUIN_DATA_DIR)
    yield files
    address = files.address()
    local_model.release()
    if address:
        assert until(lambda: start_time(address.pid) is None), "the model's process outlived its last user"
    for process in local_model._started:
        process.wait()


def until(done: Callable[[], bool], seconds: float = 40) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def ask(text: str, most: int = 12) -> list:
    request = ModelRequest("local", (ChatMessage("user", text),), max_output_tokens=most)
    return [event async for event in registry.client_for("local").stream(request)]


async def test_it_answers_and_is_started_again_when_killed(files: RunFiles) -> None:
    events = await ask("What is the capital of France?", 16)
    assert len("".join(event.text for event in events if isinstance(event, TextDelta))) > 10
    assert isinstance(events[-2], Usage)
    assert events[-2].input_tokens > 5
    assert 1 <= events[-2].output_tokens <= 16
    assert isinstance(events[-1], Finished)

    first = files.address()
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    answers = await asyncio.gather(*(ask(f"Count to {n}.") for n in range(2)))
    assert all(isinstance(events[-1], Finished) for events in answers)
    second = files.address()
    assert second is not None
    assert second.pid != first.pid

    with pytest.raises(ModelFailure) as caught:
        await ask("word " * 5000)
    assert (caught.value.kind, caught.value.retryable) == ("context_overflow", False)
    await registry.close_clients()


def test_many_starters_get_one_process_that_asks_for_its_key(files: RunFiles) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
    other = subprocess.Popen(
        [sys.executable, "-c", ANOTHER_WORKER, str(files.directory.parent)],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other, ThreadPoolExecutor(4) as pool:
        addresses = list(pool.map(lambda _: local_model.start(files), range(4)))
        assert other.stdout is not None
        assert {address.pid for address in addresses} == {int(other.stdout.readline())}

        modes = {path.name: path.stat().st_mode & 0o777 for path in files.directory.iterdir()}
        assert modes["local-model.json"] == modes["local-model.pid"] == 0o600
        pid, started = (files.directory / "local-model.pid").read_text().split()
        assert (int(pid), int(started)) == (addresses[0].pid, addresses[0].started)

        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{addresses[0].url}/v1/models")
        assert refused.value.code == 401
        refused.value.close()

        # It stays for as long as one of them lives, even one that is killed without a word.
        local_model.release()
        time.sleep(2)
        assert files.address() == addresses[0]
        other.kill()
    assert until(lambda: files.address() is None)
    assert not (files.directory / "local-model.pid").exists()


def test_a_process_that_cannot_start_says_why(files: RunFiles, tmp_path, monkeypatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such processor >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(local_model.sys, "executable", str(broken))
    with pytest.raises(ModelFailure, match=r"did not start.*no such processor") as caught:
        local_model.start(files)
    assert caught.value.kind == "provider_error"


def test_the_environment_is_not_handed_on(files: RunFiles, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    spy = tmp_path / "python"
    spy.write_text("#!/bin/sh\nenv >&2\necho end >&2\n")
    spy.chmod(0o755)
    monkeypatch.setattr(local_model.sys, "executable", str(spy))
    with pytest.raises(ModelFailure):
        local_model.start(files)
    assert "sk-very-secret" not in files.log.read_text()


@pytest.mark.parametrize(
    ("pid", "shift"),
    [
        (os.getpid(), 1),  # the pid belongs to another process by now
        (2**22 + 1, 0),  # there is none
    ],
    ids=["another process", "no process"],
)
def test_what_a_killed_process_left_is_not_believed(files: RunFiles, pid: int, shift: int) -> None:
    files.make()
    files.publish(Address("http://127.0.0.1:1", pid, (start_time(pid) or 0) + shift, "key"))
    assert files.address() is None


def test_users_that_have_died_do_not_keep_it(files: RunFiles) -> None:
    files.make()
    files.mark_used()
    assert files.last_used() == pytest.approx(time.time(), abs=2)
    (files.directory / "local-model-users" / f"{os.getpid()}-1").touch()
    local_model.release()
    assert files.last_used() is None
    assert list((files.directory / "local-model-users").iterdir()) == []
