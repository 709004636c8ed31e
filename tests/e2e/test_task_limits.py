"""Deadlines of executions on real processes: enforced while the model is silent and while a command sleeps."""

from pathlib import Path

from tests.e2e.task_runs import execute, execution, finish, post, task, until, until_end
from tests.e2e.tool_runs import call, pending
from tests.processes import eventually
from tests.stack import Stack

# As short as a deadline can be that a busy machine does not miss before it has begun.
LIMIT_SECONDS = 3
LIMIT = LIMIT_SECONDS / 60
# What the specification gives a deadline, and it is the execution's own clock that is asked.
LATE_SECONDS = 2


def test_a_deadline_during_a_hung_model_call(stack: Stack) -> None:
    found = until_end(stack, execute(stack, "[[echo]] some words first [[hang]]", time_limit=LIMIT))
    assert (found["status"], found["stop_reason"]) == ("timed_out", "time_limit")
    assert LIMIT_SECONDS <= found["used_seconds"] <= LIMIT_SECONDS + LATE_SECONDS
    assert "some words first" in found["result"]["summary"]
    failed = task(stack, found["task_id"])
    assert (failed["status"], "some words first" in failed["result"]) == ("failed", True)


def test_a_deadline_during_a_command_that_will_not_stop(stack: Stack, tmp_path: Path) -> None:
    command = "trap '' TERM; echo begun > begun.txt; sleep 60 & wait; sleep 60"
    script = call("execute_command", 0, command=command) + finish(1)
    started = execute(stack, script, directory=str(tmp_path), time_limit=LIMIT)
    found = until(stack, started, "waiting")
    (approval,) = pending(stack, found["runs"][0]["id"])
    post(stack, f"approvals/{approval['id']}/approve")
    found = until_end(stack, started)
    assert (tmp_path / "begun.txt").exists()
    assert (found["status"], found["stop_reason"]) == ("timed_out", "time_limit")
    assert LIMIT_SECONDS <= found["used_seconds"] <= LIMIT_SECONDS + LATE_SECONDS


def test_waiting_does_not_count(stack: Stack) -> None:
    started = execute(stack, call("ask_user", 0, question="Wait?") + finish(1), time_limit=LIMIT)
    found = until(stack, started, "waiting")
    since = stack.sql("SELECT now()")[0][0]
    eventually(
        lambda: stack.sql(f"SELECT now() > %s + interval '{LIMIT_SECONDS + 1} seconds'", since)[0][0],
        seconds=20,
    )
    assert execution(stack, started)["used_seconds"] < LIMIT_SECONDS
    post(stack, f"tasks/{found['task_id']}/clarification/resume", answer="No.")
    found = until_end(stack, started)
    assert (found["status"], found["used_seconds"] < LIMIT_SECONDS) == ("completed", True)
