"""Runs with tools whose workers are killed at random moments, and a person who answers what the server asks then.

Every command writes a mark of its own into a file of the session's directory, so the directory says how often each
command really ran: a call that may run at most once leaves its mark at most once, whatever was killed when.
"""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.tool_runs import assert_every_call_has_one_outcome, call, new_session, say
from tests.stack import Stack

LOG = "marks.log"
# A program, because a line that a shell takes apart (redirections) asks in every mode.
MARK_PROGRAM = """
import sys, time
time.sleep(0.1)
with open("marks.log", "a") as log:
    log.write(sys.argv[1] + "\\n")
time.sleep(0.1)
print("done", sys.argv[1])
"""
ENDED = ("completed", "failed", "cancelled", "timed_out")


@dataclass(slots=True)
class CrashRun:
    """One scripted run: it reads, writes, edits, and runs three commands that must not run twice."""

    root: Path
    session: str = field(default_factory=new_session)
    run_id: str = ""
    answers: list[tuple[str, str]] = field(default_factory=list)  # (mark, what the person said)

    @property
    def marks(self) -> list[str]:
        return [f"{self.session}-{number}" for number in range(3)]

    def text(self) -> str:
        first, second, third = (f"python3 mark.py {mark}" for mark in self.marks)
        return (
            call("write_file", 0, path="a.txt", content="one\ntwo\n")
            + call("execute_command", 1, command=first)
            + call("edit_file", 2, path="a.txt", old_string="two", new_string="three")
            + call("read_file", 2, path="a.txt")
            + call("execute_command", 3, command=second)
            + call("execute_command", 3, command=third)
            + "[[tokens=10 delay=20 step=4]]"
        )

    def count(self, mark: str) -> int:
        log = self.root / LOG
        return log.read_text().split().count(mark) if log.exists() else 0


def begin(stack: Stack, directory: Path, count: int) -> list[CrashRun]:
    runs = []
    for number in range(count):
        root = directory / f"{time.monotonic_ns()}-{number}"
        root.mkdir(parents=True)
        (root / "mark.py").write_text(MARK_PROGRAM)
        runs.append(CrashRun(root))
        accepted = say(stack, runs[-1].text(), wait=False, session_id=runs[-1].session, directory=str(root))
        runs[-1].run_id = accepted["run_id"]
    return runs


def answer_questions(stack: Stack, runs: Sequence[CrashRun], rng: random.Random) -> None:
    """The person looks whether the command left its mark, and says so; sometimes they have it tried again."""
    _, body = stack.request("GET", "/api/v1/questions")
    by_id = {run.run_id: run for run in runs}
    for question in body["questions"]:
        run = by_id.get(question["run_id"])
        if question["status"] != "open" or run is None:
            continue
        ((arguments,),) = stack.sql("SELECT arguments FROM tool_call WHERE id = %s", question["tool_call_id"])
        mark = next(mark for mark in run.marks if mark in arguments["command"])
        said = "applied" if run.count(mark) else rng.choice(["retry", "not_applied"])
        path = f"/api/v1/questions/{question['id']}/answer"
        status, answered = stack.request("POST", path, {"answer": said})
        assert status == 200, answered
        run.answers.append((mark, said))


def play(stack: Stack, directory: Path, seed: int, *, count: int, workers: int = 2) -> dict[str, int]:
    """`count` runs at once and one worker killed in their midst; returns how many ended how. Asserts what must hold."""
    rng = random.Random(seed)
    runs = begin(stack, directory, count)
    time.sleep(rng.uniform(0, 2.5))
    stack.kill(rng.choice(stack.workers))
    with ThreadPoolExecutor(1) as pool:
        mending = pool.submit(stack.mend, webs=len(stack.webs), workers=workers)
        await_all(stack, runs, rng)
        mending.result()
    return {"runs": len(runs), "asked": sum(len(run.answers) for run in runs)}


def await_all(stack: Stack, runs: Sequence[CrashRun], rng: random.Random, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    open_ids = {run.run_id for run in runs}
    while open_ids:
        assert time.monotonic() < deadline, states(stack, open_ids)
        answer_questions(stack, runs, rng)
        rows = stack.sql("SELECT id::text, status FROM run WHERE id = ANY(%s::uuid[])", list(open_ids))
        open_ids -= {run_id for run_id, status in rows if status in ENDED}
        time.sleep(0.05)
    for run in runs:
        check(stack, run)


def states(stack: Stack, run_ids: set[str]) -> list[Any]:
    calls = "SELECT run_id::text, name, status FROM tool_call WHERE run_id = ANY(%s::uuid[]) ORDER BY id"
    runs = "SELECT id::text, status, attempt FROM run WHERE id = ANY(%s::uuid[])"
    return [stack.sql(runs, list(run_ids)), stack.sql(calls, list(run_ids))]


def check(stack: Stack, run: CrashRun) -> None:
    ((status, losses),) = stack.sql("SELECT status, losses FROM run WHERE id = %s", run.run_id)
    assert status == "completed", (status, losses)
    assert_every_call_has_one_outcome(stack, run.run_id)
    assert (run.root / "a.txt").read_text() == "one\nthree\n"
    for mark in run.marks:
        given_up = (mark, "not_applied") in run.answers
        assert run.count(mark) == (0 if given_up else 1), (mark, run.answers)
