"""Work that goes on by itself: from task to task in one execution, and through a project with several at once."""

from uuid import uuid4

from tests.e2e.task_runs import (
    execute,
    finish,
    get,
    new_task,
    post,
    project,
    task,
    until_end,
)
from tests.e2e.tool_runs import call
from tests.processes import eventually
from tests.stack import Stack


def test_a_continuous_execution_works_through_its_project(stack: Stack) -> None:
    home = project(stack, review_required=False)
    first = new_task(stack, "First", finish(0, "One."), project_id=home)
    last = new_task(stack, "Last", finish(0, "Three."), project_id=home, depends_on=[first])
    second = new_task(stack, "Second", finish(0, "Two."), project_id=home, priority=5)
    started = post(stack, f"tasks/{first}/execute", continuous=True)
    found = until_end(stack, started["execution_id"])
    assert (found["status"], found["stop_reason"]) == ("completed", "no_ready_tasks")
    assert [one["summary"] for one in found["result"]["tasks"]] == ["One.", "Two.", "Three."]
    assert [run["task_id"] for run in found["runs"]] == [first, second, last]
    assert (found["task_id"], found["progress"]["tasks_done"]) == (first, 3)
    assert {task(stack, one)["status"] for one in (first, second, last)} == {"completed"}
    told = stack.sql(
        "SELECT content FROM message WHERE run_id = %s AND role = 'user'", found["runs"][2]["id"]
    )
    assert "## First\nOne." in told[0][0]


def test_without_a_project_it_goes_on_with_what_its_agent_adds(stack: Stack) -> None:
    mark = uuid4().hex
    other = new_task(stack, f"Other {mark}", finish(0))
    script = call("add_task", 0, title=f"Added {mark}", description="Talk.") + finish(1, "Planned.")
    found = until_end(stack, execute(stack, script, continuous=True))
    assert found["stop_reason"] == "no_ready_tasks"
    assert [(one["title"].split()[0], one["status"]) for one in found["result"]["tasks"][1:]] == [
        ("Added", "unstated")
    ]
    assert task(stack, other)["status"] == "active"


def test_what_waits_for_a_review_is_said(stack: Stack) -> None:
    home = project(stack)
    first = new_task(stack, "First", finish(0), project_id=home)
    new_task(stack, "Last", finish(0), project_id=home, depends_on=[first])
    found = until_end(stack, post(stack, f"tasks/{first}/execute", continuous=True)["execution_id"])
    assert found["stop_reason"] == "no_ready_tasks"
    assert "1 wait for a review" in found["result"]["detail"]


def test_a_budget_that_is_used_up_ends_continuous_work_between_tasks(stack: Stack) -> None:
    home = project(stack, review_required=False)
    script = "[[usage input=900 output=100]]" + finish(0)
    first, second = (new_task(stack, name, script, project_id=home) for name in ("First", "Second"))
    started = post(stack, f"tasks/{first}/execute", continuous=True, budget_tokens=1000)
    found = until_end(stack, started["execution_id"])
    assert (found["status"], found["stop_reason"], found["used_tokens"]) == ("completed", "budget", 1000)
    assert task(stack, second)["status"] == "active"


def test_a_project_is_worked_through_by_several_at_once(stack: Stack) -> None:
    home = project(stack, review_required=False)
    base = new_task(stack, "Base", finish(0), project_id=home, priority=9)
    slow = [
        new_task(stack, f"Slow {n}", f"[[hold={home} step=0]]{finish(0)}", project_id=home) for n in (1, 2)
    ]
    after = new_task(stack, "After", finish(0), project_id=home, depends_on=[base, *slow])
    started = post(stack, f"projects/{home}/run", continuous=True, parallel=2)
    assert started["executions"][0]["task_id"] == base
    assert len(started["executions"]) == 2
    again = post(stack, f"projects/{home}/run", expect=409)
    assert again["code"] == "project_run_exists"
    most = 0

    def live() -> int:
        nonlocal most
        counted = "SELECT count(*) FROM execution WHERE project_run_id = %s AND ended_at IS NULL"
        ((found,),) = stack.sql(counted, started["project_run_id"])
        most = max(most, found)
        return int(found)

    def ended() -> bool:
        live()
        return bool(get(stack, f"projects/{home}/run")["status"] != "running")

    held = "SELECT count(*) FROM execution WHERE project_run_id = %s AND ended_at IS NULL AND task_id = ANY(%s::uuid[])"
    eventually(lambda: stack.sql(held, started["project_run_id"], slow) == [(2,)], seconds=40)
    stack.release(home)
    eventually(ended, seconds=40)
    found = get(stack, f"projects/{home}/run")
    assert (found["status"], found["stop_reason"], most) == ("completed", "no_ready_tasks", 2)
    assert {one["task_status"] for one in found["result"]["tasks"]} == {"completed"}
    order = [one["task_id"] for one in found["result"]["tasks"]]
    assert (len(order), order[0], order[-1]) == (4, base, after)


def test_without_continuous_only_what_was_ready_is_done(stack: Stack) -> None:
    home = project(stack, review_required=False)
    refused = post(stack, f"projects/{home}/run", expect=409)
    assert refused["code"] == "no_ready_tasks"
    first = new_task(stack, "First", finish(0), project_id=home)
    last = new_task(stack, "Last", finish(0), project_id=home, depends_on=[first])
    post(stack, f"projects/{home}/run")
    eventually(lambda: get(stack, f"projects/{home}/run")["status"] == "completed", seconds=40)
    assert (task(stack, first)["status"], task(stack, last)["status"]) == ("completed", "active")


def test_the_time_of_a_project_run_ends_what_is_under_way(stack: Stack) -> None:
    home = project(stack)
    for name in ("Hung", "Never"):
        new_task(stack, name, "[[hang]]", project_id=home)
    post(stack, f"projects/{home}/run", continuous=True, time_limit=2 / 60)
    eventually(lambda: get(stack, f"projects/{home}/run")["status"] != "running", seconds=40)
    found = get(stack, f"projects/{home}/run")
    assert (found["status"], found["stop_reason"]) == ("timed_out", "time_limit")
    assert [one["status"] for one in found["executions"]] == ["timed_out"]


def test_a_cancelled_project_run_begins_nothing_more(stack: Stack) -> None:
    home = project(stack)
    hung, never = (new_task(stack, name, "[[hang]]", project_id=home) for name in ("Hung", "Never"))
    post(stack, f"projects/{home}/run", continuous=True)
    eventually(lambda: get(stack, f"projects/{home}/run")["executions"][0]["status"] == "running", seconds=30)
    post(stack, f"projects/{home}/run/cancel")
    eventually(lambda: get(stack, f"projects/{home}/run")["status"] == "cancelled", seconds=40)
    assert (task(stack, hung)["status"], task(stack, never)["status"]) == ("cancelled", "active")
