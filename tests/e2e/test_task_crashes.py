"""Executions whose workers are killed: each ends or waits for somebody, and none does anything twice."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.e2e.task_runs import ENDED, execute, execution, finish, post, task, until, until_end
from tests.e2e.tool_runs import call
from tests.processes import eventually
from tests.stack import Stack

MANY = 50


def test_fifty_executions_survive_a_killed_worker(stack: Stack) -> None:
    mark = uuid4().hex[:8]
    slow = f"{mark} [[tokens=30 delay=20 step=0]] [[hold={mark} step=0]]"
    scripts = [
        slow + call("add_task", 0, title=f"{mark} {number}") + finish(1)
        if number % 5
        else slow + call("ask_user", 0, question="Go on?") + finish(1)
        for number in range(MANY)
    ]
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda script: execute(stack, script), scripts))
    under_way = (
        "SELECT count(*) FROM run JOIN execution_run x ON x.run_id = run.id WHERE run.status = 'running'"
    )
    eventually(lambda: stack.sql(under_way)[0][0] >= MANY // 5, seconds=40)
    stack.kill(stack.busiest_worker())
    stack.release(mark)
    stack.start_worker(wait=False)

    rows = "SELECT id::text, status, wait_reason FROM execution WHERE id = ANY(%s::uuid[])"

    def settled() -> bool:
        found = stack.sql(rows, started)
        return all(status in ENDED or wait == "clarification" for _, status, wait in found)

    eventually(settled, seconds=90)
    states = {row[0]: row[1:] for row in stack.sql(rows, started)}
    expected = [("completed", "") if number % 5 else ("waiting", "clarification") for number in range(MANY)]
    assert [states[one] for one in started] == expected
    made = "SELECT execution_id, count(*) FROM execution_run WHERE execution_id = ANY(%s::uuid[]) GROUP BY 1"
    assert {count for _, count in stack.sql(made, started)} == {1}
    added = "SELECT title, count(*) FROM task WHERE title LIKE %s GROUP BY 1"
    assert sorted(stack.sql(added, f"{mark} %")) == sorted(
        (f"{mark} {number}", 1) for number in range(MANY) if number % 5
    )


def test_a_restart_of_everything_in_every_state(stack: Stack) -> None:
    mark = uuid4().hex
    asks = execute(stack, call("ask_user", 0, question="Go on?") + finish(1))
    needs = execute(stack, call("execute_command", 0, command="true; true") + finish(1))
    paused = execute(stack, call("ask_user", 0, question="Paused?") + finish(1))
    broke = execute(
        stack,
        "[[usage input=900 output=100]]" + call("todo_write", 0, todos=[]) + finish(1),
        budget_tokens=10,
    )
    for waiting in (asks, needs, paused):
        until(stack, waiting, "waiting")
    post(stack, f"executions/{paused}/pause")
    until(stack, broke, "paused")
    slow = execute(stack, f"{mark} [[hold={mark} step=0]]" + finish(0))
    until(stack, slow, "running")
    for worker in list(stack.workers):
        stack.kill(worker)
    queued = execute(stack, finish(0, "After the restart."))
    leaving = execute(stack, finish(0))
    assert post(stack, f"executions/{leaving}/cancel")["status"] == "cancelled"
    for web in list(stack.webs):
        stack.kill(web)
    stack.mend(webs=2, workers=2)
    stack.release(mark)

    assert until_end(stack, queued)["result"]["summary"] == "After the restart."
    found = until_end(stack, slow)
    assert (found["status"], len(found["runs"])) == ("completed", 1)
    assert execution(stack, leaving)["status"] == "cancelled"
    assert execution(stack, paused)["status"] == "paused"
    post(stack, f"executions/{paused}/resume")
    for waiting in (asks, paused):
        found = execution(stack, waiting)
        post(stack, f"tasks/{found['task_id']}/clarification/resume", answer="Yes.")
    (approval,) = execution(stack, needs)["approvals"]
    post(stack, f"approvals/{approval}/approve")
    post(stack, f"executions/{broke}/resume", budget_tokens=5000)
    for one in (asks, needs, paused, broke):
        assert until_end(stack, one)["status"] == "completed"


def test_a_deleted_conversation_ends_its_execution(stack: Stack) -> None:
    started = execute(stack, call("ask_user", 0, question="Still there?"))
    found = until(stack, started, "waiting")
    status, _ = stack.request("DELETE", f"/api/v1/conversations/{found['session_id']}")
    assert status == 200
    found = until_end(stack, started)
    assert found["status"] == "cancelled"
    assert found["stop_reason"] in ("conversation_deleted", "run_cancelled")
    assert task(stack, found["task_id"])["status"] == "cancelled"
