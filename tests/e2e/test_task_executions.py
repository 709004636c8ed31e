"""Executions of tasks on real processes: to their end, with people in between, and stopped in every way."""

from pathlib import Path
from uuid import uuid4

from tests.e2e.task_runs import (
    execute,
    execution,
    finish,
    get,
    new_task,
    post,
    project,
    task,
    until,
    until_end,
)
from tests.e2e.tool_runs import assert_every_call_has_one_outcome, call, pending
from tests.processes import eventually
from tests.stack import Stack


def test_the_guide_s_task_runs_to_its_end(stack: Stack) -> None:
    started = post(
        stack,
        "tasks/execute",
        name="Generate API documentation",
        description="Create OpenAPI documentation for all endpoints " + finish(0, "Documented."),
        continuous=False,
        time_limit=30,
    )
    assert started.keys() == {"status", "task_id", "execution_id", "session_id", "links"}
    found = until_end(stack, started["execution_id"])
    assert (found["status"], found["stop_reason"]) == ("completed", "finished")
    assert (found["result"]["summary"], found["result"]["status"]) == ("Documented.", "done")
    assert [run["status"] for run in found["runs"]] == ["completed"]
    assert found["usage"]["total_tokens"] == found["used_tokens"] > 0
    reviewed = task(stack, started["task_id"])
    assert (reviewed["status"], reviewed["result"]) == ("pending_review", "Documented.")
    links = [stack.request("GET", link)[0] for name, link in started["links"].items() if name != "stream"]
    assert links == [200, 200, 200]


def test_a_request_can_wait_for_the_end(stack: Stack) -> None:
    found = post(stack, "tasks/execute-sync", name="Wait for it", description=finish(0, "Here."))
    assert (found["status"], found["result"]["summary"]) == ("completed", "Here.")
    stored = new_task(stack, "Stored", finish(0, "There."))
    found = post(stack, f"tasks/{stored}/execute?wait=true")
    assert (found["status"], found["result"]["summary"], found["task_id"]) == ("completed", "There.", stored)


def test_an_approval_inside_and_what_it_waits_for(stack: Stack, tmp_path: Path) -> None:
    script = call("execute_command", 0, command="echo hello > made.txt") + finish(1, "Made.")
    started = execute(stack, script, directory=str(tmp_path))
    found = until(stack, started, "waiting")
    assert (found["wait_reason"], task(stack, found["task_id"])["status"]) == ("approval", "waiting")
    (approval,) = pending(stack, found["runs"][0]["id"])
    assert found["approvals"] == [approval["id"]]
    post(stack, f"approvals/{approval['id']}/approve")
    found = until_end(stack, started)
    assert (found["status"], (tmp_path / "made.txt").read_text()) == ("completed", "hello\n")
    assert_every_call_has_one_outcome(stack, found["runs"][0]["id"])


def test_a_clarification_is_answered_once(stack: Stack) -> None:
    started = execute(stack, call("ask_user", 0, question="Which database?") + finish(1, "Asked."))
    found = until(stack, started, "waiting")
    assert found["wait_reason"] == "clarification"
    assert [question["text"] for question in found["questions"]] == ["Which database?"]
    resume = f"tasks/{found['task_id']}/clarification/resume"
    post(stack, resume, expect=400)
    answered = post(stack, resume, answer="PostgreSQL")
    assert answered["wait_reason"] == ""
    refused = post(stack, resume, expect=409, answer="MySQL")
    assert refused["code"] == "no_clarification"
    assert until_end(stack, started)["status"] == "completed"
    results = stack.sql(
        "SELECT content FROM message WHERE run_id = %s AND role = 'tool' ORDER BY step",
        found["runs"][0]["id"],
    )
    assert results[0] == ("PostgreSQL",)


def test_who_sends_a_task_back_is_heard(stack: Stack) -> None:
    stored = new_task(stack, "Write it", finish(0, "First version."), acceptance_criteria=["It rhymes."])
    first = post(stack, f"tasks/{stored}/execute")
    until_end(stack, first["execution_id"])
    refused = post(stack, f"tasks/{stored}/execute", expect=409)
    assert (refused["code"], "pending_review" in refused["detail"]) == ("wrong_task_state", True)
    feedback = f"Less of it, {uuid4().hex}"
    assert post(stack, f"tasks/{stored}/reopen", feedback=feedback)["status"] == "active"
    second = post(stack, f"tasks/{stored}/execute")
    until_end(stack, second["execution_id"])
    assert post(stack, f"tasks/{stored}/complete")["status"] == "completed"
    (asked,) = stack.model_requests(contains=feedback)
    told = str(asked["body"]["messages"][-1]["content"])
    assert "First version." in told
    assert "- It rhymes." in told


def test_without_review_done_is_completed_but_partial_is_looked_at(stack: Stack) -> None:
    unreviewed = project(stack, review_required=False)
    ends = {}
    for status in ("done", "partial", "blocked"):
        stored = new_task(stack, status, finish(0, status, status), project_id=unreviewed)
        found = post(stack, f"tasks/{stored}/execute?wait=true")
        assert (found["status"], found["result"]["status"]) == ("completed", status)
        ends[status] = task(stack, stored)["status"]
    assert ends == {"done": "completed", "partial": "pending_review", "blocked": "pending_review"}


def test_who_never_says_that_it_is_done_is_reminded_and_then_believed(stack: Stack) -> None:
    found = until_end(stack, execute(stack, "Only talk."))
    assert (found["status"], found["stop_reason"]) == ("completed", "no_finish")
    assert [run["reason"] for run in found["runs"]] == ["start", "no_finish", "no_finish"]
    assert (found["result"]["status"], "finish_task" in found["result"]["summary"]) == ("unstated", True)
    assert task(stack, found["task_id"])["status"] == "pending_review"


def test_a_failed_run_is_said_to_be_one(stack: Stack) -> None:
    found = until_end(stack, execute(stack, "[[error=400 message=No.]]"))
    assert (found["status"], found["stop_reason"], found["error"]["kind"]) == (
        "failed",
        "failed",
        "provider_error",
    )
    assert task(stack, found["task_id"])["status"] == "failed"


def test_a_cancel_ends_a_hung_model_call(stack: Stack) -> None:
    started = execute(stack, "[[echo]] words before it hangs [[hang]]")
    until(stack, started, "running")
    eventually(lambda: _text_of(stack, started))
    status, _ = stack.request("POST", f"/api/v1/executions/{started}/cancel", {})
    assert status in (200, 202)  # its worker may have stopped already
    found = until_end(stack, started)
    assert (found["status"], found["stop_reason"]) == ("cancelled", "cancelled")
    assert "words before" in found["result"]["summary"]
    assert task(stack, found["task_id"])["status"] == "cancelled"
    assert post(stack, f"executions/{started}/cancel")["status"] == "cancelled"


def _text_of(stack: Stack, execution_id: str) -> object:
    run = execution(stack, execution_id)["runs"][0]["id"]
    return stack.sql("SELECT 1 FROM fragment WHERE run_id = %s LIMIT 1", run)


def test_a_cancel_of_what_waits_needs_no_worker(stack: Stack) -> None:
    started = execute(stack, call("ask_user", 0, question="Really?"))
    until(stack, started, "waiting")
    assert post(stack, f"executions/{started}/cancel")["status"] == "cancelled"


def test_a_pause_holds_before_the_next_step(stack: Stack) -> None:
    mark = uuid4().hex
    script = f"{mark} [[hold={mark} step=0]]" + call("todo_write", 0, todos=[]) + finish(1)
    started = execute(stack, script)
    until(stack, started, "running")
    post(stack, f"executions/{started}/pause", expect=202)
    stack.release(mark)
    found = until(stack, started, "paused")
    assert (found["wait_reason"], found["ended_at"]) == ("paused", None)
    assert task(stack, found["task_id"])["status"] == "waiting"
    assert len(stack.model_requests(contains=mark)) == 1
    assert post(stack, f"executions/{started}/pause")["status"] == "paused"
    post(stack, f"executions/{started}/resume")
    found = until_end(stack, started)
    assert (found["status"], len(stack.model_requests(contains=mark))) == ("completed", 2)
    refused = post(stack, f"executions/{started}/resume", expect=409)
    assert (refused["code"], "completed" in refused["detail"]) == ("wrong_execution_state", True)


def test_what_waits_and_is_paused_still_waits_when_it_is_resumed(stack: Stack) -> None:
    started = execute(stack, call("ask_user", 0, question="And now?") + finish(1))
    until(stack, started, "waiting")
    assert post(stack, f"executions/{started}/pause")["status"] == "paused"
    assert post(stack, f"executions/{started}/resume")["status"] == "waiting"
    post(stack, f"executions/{started}/pause")
    found = execution(stack, started)
    answered = post(stack, f"tasks/{found['task_id']}/clarification/resume", answer="Go on.")
    assert answered["status"] == "paused"
    post(stack, f"executions/{started}/resume")
    assert until_end(stack, started)["status"] == "completed"


def test_a_budget_pauses_and_raising_it_goes_on(stack: Stack) -> None:
    usage = "[[usage input=900 output=100]]"
    script = usage + call("todo_write", 0, todos=[]) + call("todo_write", 1, todos=[]) + finish(2)
    started = execute(stack, script, budget_tokens=500)
    found = until(stack, started, "paused")
    assert (found["wait_reason"], found["used_tokens"]) == ("budget", 1000)
    refused = post(stack, f"executions/{started}/resume", expect=409)
    assert refused["code"] == "budget_used_up"
    refused = post(stack, f"executions/{started}/resume", expect=409, budget_tokens=1000)
    assert refused["code"] == "budget_used_up"
    post(stack, f"executions/{started}/resume", budget_tokens=1500)
    eventually(lambda: execution(stack, started)["used_tokens"] == 2000, seconds=30)
    until(stack, started, "paused")
    status, _ = stack.request("PATCH", f"/api/v1/tasks/{found['task_id']}", {"budget_tokens": 9000})
    assert status == 200
    found = until_end(stack, started)
    assert (found["status"], found["used_tokens"], found["budget_tokens"]) == ("completed", 3000, 9000)


def test_agents_and_chats_see_their_own_tools(stack: Stack) -> None:
    mark = uuid4().hex
    until_end(stack, execute(stack, mark + finish(0)))
    post(stack, "chat/message", text=f"chat {mark}")
    asked = stack.model_requests(contains=mark)
    offered = [{tool["function"]["name"] for tool in one["body"]["tools"]} for one in asked]
    assert {"add_task", "update_task", "finish_task"} <= offered[0]
    assert not {"add_task", "update_task"} & offered[1]


def test_progress_and_follow_ups(stack: Stack) -> None:
    script = (
        call("update_task", 0, progress=40, note="Half of it.")
        + call("add_task", 1, title="Follow-up", description="Later.")
        + finish(2)
    )
    found = until_end(stack, execute(stack, script))
    assert (found["progress"]["percent"], found["progress"]["note"]) == (40, "Half of it.")
    listed = get(stack, "tasks?q=Follow-up")["tasks"]
    added = [(one["title"], one["status"]) for one in listed if one["origin"] == "agent"]
    assert added == [("Follow-up", "active")]
