"""What becomes of runs with tools when their processes are lost, stopped or started again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_tool_runs import MEND, approve, processes_with
from tests.e2e.tool_runs import (
    assert_every_call_has_one_outcome,
    await_end,
    call,
    new_session,
    pending,
    repository,
    run_status,
    say,
    transcript,
)
from tests.processes import eventually
from tests.stack import Stack

HOLD = """
import sys, time
with open("begun", "a") as log:
    log.write("x")
time.sleep(float(sys.argv[1]))
print("held")
"""


@pytest.fixture(scope="module")
def free_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nobody is asked before a command runs, and a lost or stopping worker is noticed soon."""
    settings = {"PENGUIN_LEASE_SECONDS": 1, "PENGUIN_PERMISSION_MODE": "full", "PENGUIN_DRAIN_SECONDS": 1}
    with Stack(os.environ["DATABASE_URL"], tmp_path_factory.mktemp("free-stack"), **settings) as stack:
        yield stack.start(webs=1, workers=1)


def hold(stack: Stack, root: Path, seconds: float) -> dict[str, Any]:
    """A run in the midst of a command that must not run twice."""
    (root / "hold.py").write_text(HOLD)
    text = call("execute_command", 0, command=f"python3 hold.py {seconds}")
    accepted = say(stack, text, wait=False, session_id=new_session(), directory=str(root))
    eventually(lambda: (root / "begun").exists())
    return accepted


def open_question(stack: Stack, run_id: str) -> dict[str, Any]:
    def asked() -> list[dict[str, Any]]:
        _, body = stack.request("GET", "/api/v1/questions")
        return [one for one in body["questions"] if one["run_id"] == run_id and one["status"] == "open"]

    found: Any = eventually(asked, seconds=20)
    return dict(found[0])


def answer(stack: Stack, question: dict[str, Any], said: str) -> int:
    return stack.request("POST", f"/api/v1/questions/{question['id']}/answer", {"answer": said})[0]


@pytest.mark.parametrize(
    "said, status, outcome, times",
    [
        ("applied", "completed", "resolved_applied", 1),
        ("not_applied", "completed", "resolved_not_applied", 1),
        ("retry", "completed", "succeeded", 2),
        ("stop", "cancelled", "abandoned", 1),
    ],
)
def test_a_command_whose_worker_was_killed_is_a_persons_to_judge(
    free_stack: Stack, tmp_path: Path, said: str, status: str, outcome: str, times: int
) -> None:
    stack = free_stack.mend(webs=1, workers=1)
    accepted = hold(stack, tmp_path, 0.5 if said == "retry" else 30)
    stack.kill(stack.workers[0])
    eventually(lambda: not processes_with(f"hold.py {30}"))  # the sandbox dies with its worker
    stack.start_worker()
    question = open_question(stack, accepted["run_id"])
    assert question["choices"] == ["applied", "not_applied", "retry", "stop"]
    assert run_status(stack, accepted["run_id"]) == "waiting_input"
    assert answer(stack, question, "perhaps") == 400
    assert answer(stack, question, said) == 200
    assert answer(stack, question, said) == 409
    assert await_end(stack, accepted["run_id"])["status"] == status
    rows = stack.sql("SELECT status FROM tool_call WHERE run_id = %s ORDER BY round", accepted["run_id"])
    assert rows[-1] == (outcome,)
    assert len((tmp_path / "begun").read_text()) == times
    assert_every_call_has_one_outcome(stack, accepted["run_id"])


def test_a_drain_stops_what_is_at_work_and_asks(free_stack: Stack, tmp_path: Path) -> None:
    stack = free_stack.mend(webs=1, workers=1)
    accepted = hold(stack, tmp_path, 31)
    worker = stack.workers[0]
    worker.send(signal.SIGTERM)
    assert worker.process.wait(timeout=20) == 0
    stack.forget(worker)
    assert not processes_with("hold.py 31")
    question = open_question(stack, accepted["run_id"])
    assert stack.sql("SELECT losses FROM run WHERE id = %s", accepted["run_id"]) == [(0,)]
    stack.start_worker()
    assert answer(stack, question, "applied") == 200
    assert await_end(stack, accepted["run_id"])["status"] == "completed"
    assert_every_call_has_one_outcome(stack, accepted["run_id"])


def test_the_same_transcript_with_and_without_a_restart_of_everything(stack: Stack, tmp_path: Path) -> None:
    def mend(name: str, *, restart: bool) -> tuple[list[tuple[str, str]], list[Any]]:
        root = repository(tmp_path / name)
        session = new_session()
        accepted = say(stack, MEND, wait=False, session_id=session, directory=str(root))
        (approval,) = pending(stack, accepted["run_id"])
        if restart:
            for process in [*stack.webs, *stack.workers]:
                process.kill()
            stack.mend(webs=2, workers=2)
            assert pending(stack, accepted["run_id"]) == [approval]
        assert approve(stack, approval)[0] == 200
        assert await_end(stack, accepted["run_id"])["status"] == "completed"
        assert (root / "sums.py").read_text() == "def add(a, b):\n    return a + b\n"
        assert_every_call_has_one_outcome(stack, accepted["run_id"])
        _, page = stack.request("GET", f"/api/v1/conversations/{session}/events?limit=500")
        results = [
            [
                (result["action"], result["status"], result["result"])
                for result in event["payload"]["action_results"]
            ]
            for event in page["events"]
            if event["type"] == "run.ended"
        ]
        return transcript(stack, session), results

    assert mend("calm", restart=False) == mend("shaken", restart=True)


def test_calls_written_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text('What <write_file>{"path": "b.txt", "content": "no"}</write_file> means')
    said = 'Look: <read_file>{"path": "a.txt"}</read_file> so [[echo step=0]]'
    database, data = os.environ["DATABASE_URL"], tmp_path / "stack"
    data.mkdir()
    with Stack(database, data, PENGUIN_TOOL_CALLS="xml", PENGUIN_PERMISSION_MODE="full") as stack:
        stack.start(webs=1, workers=1)
        body = say(stack, said, session_id=(session := new_session()), directory=str(tmp_path))
        asked = stack.model_requests()[0]["body"]
        messages = stack.request("GET", f"/api/v1/conversations/{session}")[1]["messages"]
    assert [(r["action"], r["status"]) for r in body["action_results"]] == [("read_file", "completed")]
    assert "tools" not in asked and "read_file" in asked["messages"][0]["content"]
    texts = [part["text"] for part in messages[-1]["parts"] if part["type"] == "text"]
    assert texts[0].split() == ["Look:", "so"]  # the tag is not shown
    # The model repeats what stands in the file: a quote is not a call.
    assert "write_file" in body["response"] and not (tmp_path / "b.txt").exists()
