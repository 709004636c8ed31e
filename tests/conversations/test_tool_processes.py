"""Processes that a run keeps: read, written to, stopped, and gone with the run."""

import asyncio
import re
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from conversations.core.policy import Call, Mode, decide
from conversations.core.rules import Verdict
from conversations.core.tool_calls import Effect
from conversations.sandbox import Level
from conversations.tools import processes
from conversations.tools.base import Invocation, ToolError, ToolResult, Workplace

START, POLL = processes.ProcessStart(), processes.ProcessPoll()
WRITE, STOP = processes.ProcessWriteStdin(), processes.ProcessStop()


@pytest.fixture
async def place(root, level):
    run_id = f"run_{secrets.token_hex(4)}"
    yield Workplace(root, 1, 1, "session", run_id, True, level.value)
    await processes.stop_all(run_id, grace_seconds=0)
    assert not [entry for entry in processes._entries.values() if entry.run_id == run_id]


@pytest.fixture
def call(place):
    def run(tool, *, at: Workplace | None = None, network: bool = False, **arguments):
        tool.check(arguments)
        return tool.run(Invocation("call_1", arguments, at or place, network=network))

    return run


def id_of(result: ToolResult) -> str:
    return re.search(r"process_id: (\S+)", result.text)[1]


async def until(call, process_id: str, text: str) -> str:
    """Polls until the output has it; all of the output."""
    found = ""
    async with asyncio.timeout(40):
        while text not in found:
            found += (await call(POLL, process_id=process_id, wait_seconds=1)).text + "\n"
    return found


async def test_output_is_given_once_and_then_the_exit_code(call):
    started = await call(START, command="echo first; read line; echo second; exit 3")
    process_id = id_of(started)
    assert started.text == f"process_id: {process_id}\nstate: running\nfirst"
    assert (await call(POLL, process_id=process_id)).text == f"process_id: {process_id}\nstate: running"
    await call(WRITE, process_id=process_id, text="go\n")
    found = await until(call, process_id, "ended, exit code: 3")
    assert "second" in found
    assert "first" not in found
    assert (await call(POLL, process_id=process_id)).text.endswith("exit code: 3")


async def test_input_reaches_it_and_can_end(call):
    process_id = id_of(await call(START, command="cat; echo over"))
    await call(WRITE, process_id=process_id, text="one\n\u00fc\n")
    assert "one\n\u00fc" in await until(call, process_id, "\u00fc")
    await call(WRITE, process_id=process_id, text="", close=True)
    assert "over" in await until(call, process_id, "exit code: 0")
    with pytest.raises(ToolError, match="reads no input"):
        await call(WRITE, process_id=process_id, text="more")


async def test_one_that_never_reads_does_not_hold_up_its_writer_for_ever(call, monkeypatch):
    monkeypatch.setattr("conversations.sandbox.confined._STDIN_SECONDS", 0.2)
    process_id = id_of(await call(START, command="sleep 60"))
    with pytest.raises(ToolError, match="does not read"):
        for _ in range(4):
            await call(WRITE, process_id=process_id, text="x" * 60_000)


async def test_a_poll_waits_for_output_no_longer_than_it_was_told_to(call):
    process_id = id_of(await call(START, command="sleep 1; echo late; sleep 60"))
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert "late" in (await call(POLL, process_id=process_id, wait_seconds=10)).text
    assert loop.time() - before < 5
    before = loop.time()
    await call(POLL, process_id=process_id, wait_seconds=0.2)
    assert 0.1 < loop.time() - before < 2


async def test_a_stopped_one_may_clean_up_and_is_gone(call, root):
    line = "trap 'echo cleaning; touch cleaned; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    process_id = id_of(await call(START, command=line))
    stopped = await call(STOP, process_id=process_id)
    assert "cleaning" in stopped.text
    assert (root / "cleaned").exists()
    for tool, arguments in ((POLL, {}), (STOP, {}), (WRITE, {"text": "x"})):
        with pytest.raises(ToolError, match="no process"):
            await call(tool, process_id=process_id, **arguments)


async def test_all_processes_end_with_their_run_and_no_others(call, place, root):
    other = replace(place, run_id=place.run_id + "_other")
    line = "trap '' TERM; touch up-$$; (setsid sleep 600 &); sleep 600; :"
    mine = [id_of(await call(START, command=line)) for _ in range(2)]
    others = id_of(await call(START, at=other, command="cat"))
    async with asyncio.timeout(40):
        await processes.stop_all(place.run_id, grace_seconds=0.2)
    for process_id in mine:
        with pytest.raises(ToolError, match="no process"):
            await call(POLL, process_id=process_id)
    assert "running" in (await call(POLL, at=other, process_id=others)).text
    await processes.stop_all(other.run_id, grace_seconds=0)
    assert sandboxed(root) == []


async def test_ending_a_run_may_be_cancelled_and_still_leaves_nothing(call, place, root):
    await call(START, command="trap '' TERM; echo up; sleep 600; :")
    ending = asyncio.create_task(processes.stop_all(place.run_id))
    await asyncio.sleep(0.2)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert sandboxed(root) == []


async def test_ending_a_run_twice_or_without_processes_is_nothing(place):
    await processes.stop_all(place.run_id)
    await processes.stop_all(place.run_id)


async def test_another_run_cannot_reach_it(call, place):
    process_id = id_of(await call(START, command="cat"))
    other = replace(place, run_id="run_of_somebody_else")
    for tool, arguments in ((POLL, {}), (STOP, {}), (WRITE, {"text": "x"})):
        with pytest.raises(ToolError, match="no process"):
            await call(tool, at=other, process_id=process_id, **arguments)
    assert "running" in (await call(POLL, process_id=process_id)).text


async def test_a_run_has_so_many_and_no_more(call):
    first = id_of(await call(START, command="cat"))
    rest = [call(START, command="cat") for _ in range(processes.MOST_OF_A_RUN)]
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert sum(isinstance(result, ToolError) for result in results) == 1
    await call(STOP, process_id=first)
    await call(START, command="cat")


async def test_output_that_nobody_asks_for_is_bounded(call):
    process_id = id_of(
        await call(START, command="head -c 3M /dev/zero | tr '\\0' x; echo; echo all; sleep 60")
    )
    async with asyncio.timeout(40):
        while not (text := (await call(POLL, process_id=process_id, wait_seconds=5)).text).endswith("all"):
            assert len(text) < 400_000


async def test_network_is_only_what_was_granted(call, place):
    with pytest.raises(ToolError, match="not granted"):
        await START.run(Invocation("call_1", {"command": "true", "network": True}, place))
    assert (await call(START, command="grep -c : /proc/net/dev")).text.splitlines()[-1] == "1"


def test_input_is_decided_with_the_start_and_only_where_writing_is_allowed(root):
    """To ask about input would end the process; so the approval of the start says that input comes with it."""
    place = Workplace(root, 1, 1, "session", "run_1", True, Level.NONE.value)
    assert any("input" in note for note in START.targets({"command": "cat"}, place).notes)
    targets = WRITE.targets({"process_id": "proc_x", "text": "rm -rf ."}, place)
    call = Call("process_write_stdin", "h", WRITE.changes_nothing, {}, targets, str(root), place.sandbox)
    verdicts = {mode: decide(call, mode=mode, rules=()).verdict for mode in Mode}
    assert verdicts == {Mode.READ_ONLY: Verdict.DENY, Mode.WORKSPACE: Verdict.ALLOW, Mode.FULL: Verdict.ALLOW}
    assert decide(replace(call, plan_mode=True), mode=Mode.FULL, rules=()).verdict == Verdict.DENY


def test_the_classes_of_effect():
    assert [tool.effect for tool in (START, POLL, WRITE, STOP)] == [
        Effect.AT_MOST_ONCE, Effect.READ_ONLY, Effect.AT_MOST_ONCE, Effect.IDEMPOTENT,
    ]  # fmt: skip
    assert START.targets({"command": "npm start"}, Workplace(Path("/"), 1, 1, "s", "r", True, "x")).argvs == (
        ("npm", "start"),
    )


def sandboxed(root: Path) -> list[str]:
    """Processes whose command line names the root."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(root).encode() in words and b"--block-fd" in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found
