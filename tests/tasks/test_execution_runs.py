"""The runs that executions make: what they are told, and what becomes of limits from one to the next."""

import pytest
from django.utils import timezone

from conversations import pauses
from conversations.models import Message, Run
from tasks import advance, executions
from tasks.executions import BudgetUsedUp, StartOptions
from tasks.models import Execution, Task
from tasks.runner import due
from tests.tasks.factories import ProjectFactory, TaskFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _with_tools(settings) -> None:
    """The local model has none unless they are offered as text; who has none is not reminded of finish_task."""
    settings.PENGUIN_TOOL_CALLS = "xml"


def begun(task: Task, **options) -> tuple[Execution, Run]:
    execution = executions.start(
        task=task,
        user_id=task.owner_id,
        is_local_owner=False,
        now=timezone.now(),
        options=StartOptions(**options),
    )
    assert advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    return execution, Run.objects.get(id=execution.current_run_id)


def ended(run: Run, status: str, **columns) -> None:
    """As the worker leaves it."""
    conversation = run.conversation
    conversation.open_runs, conversation.queued_runs = 0, 0
    conversation.save(update_fields=["open_runs", "queued_runs"])
    Run.objects.filter(id=run.id).update(status=status, finished_at=timezone.now(), **columns)


def test_a_run_is_told_the_limits_and_the_project_s_rules():
    project = ProjectFactory(on_unknown="tell")
    task = TaskFactory(project=project, budget_tokens=500, time_limit_seconds=90)
    _, run = begun(task, agent_mode="plan", budget_cost_micros=7)
    assert run.options["kit"] == "task"
    assert run.options["on_unknown"] == "tell"
    assert run.options["agent_mode"] == "plan"
    assert run.options["budget"] == {"tokens": 500, "cost_micros": 7}
    assert run.options["time_limit_seconds"] == 90


def test_the_next_run_has_what_the_first_has_left():
    execution, run = begun(TaskFactory(budget_tokens=500, time_limit_seconds=90))
    ended(run, "completed", active_seconds=30.5, usage={"total_tokens": 100, "cost_usd": 0.25})
    advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    reminder = Run.objects.get(id=execution.current_run_id)
    assert reminder.options["budget"] == {"tokens": 400}
    assert reminder.options["time_limit_seconds"] == 59.5
    assert (execution.used_tokens, execution.used_cost_micros) == (100, 250_000)
    text = Message.objects.get(id=reminder.input_message_id).content
    assert "finish_task" in text


def test_a_budget_used_up_between_runs_pauses_until_it_is_raised():
    task = TaskFactory(budget_tokens=100)
    execution, run = begun(task)
    ended(run, "completed", usage={"total_tokens": 100, "cost_usd": 0})
    advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.status, execution.wait_reason) == ("paused", "budget")
    assert due.find_due() == []
    with pytest.raises(BudgetUsedUp):
        executions.resume(execution, now=timezone.now())
    Task.objects.filter(id=task.id).update(budget_tokens=300)
    assert [one.execution_id for one in due.find_due()] == [execution.id]
    advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.status, execution.budget_tokens, execution.runs.count()) == ("queued", 300, 2)


def test_money_pauses_too():
    execution, run = begun(TaskFactory(budget_cost_micros=1_000_000))
    conversation = run.conversation
    conversation.queued_runs = 0
    conversation.save(update_fields=["queued_runs"])
    usage = {"total_tokens": 10, "cost_usd": 1.0}
    Run.objects.filter(id=run.id).update(status="paused", pause_reason="budget_cost", usage=usage, attempt=1)
    assert [one.execution_id for one in due.find_due()] == [execution.id]
    advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.status, execution.wait_reason) == ("paused", "budget")
    assert due.find_due() == []
    resumed = executions.resume(execution, now=timezone.now(), budget_cost_micros=1_500_000)
    run.refresh_from_db()
    assert (resumed.status, run.status, run.pause_reason) == ("queued", "queued", "")
    assert run.options["budget"] == {"cost_micros": 1_500_000}


def test_time_that_is_over_between_runs_ends_it():
    execution, run = begun(TaskFactory(time_limit_seconds=60))
    ended(run, "completed", active_seconds=60.0)
    advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.status, execution.stop_reason) == ("timed_out", "time_limit")
    assert Task.objects.get().status == "failed"


def test_a_pause_between_runs_holds_and_goes_on():
    execution, run = begun(TaskFactory())
    ended(run, "completed")
    executions.pause(execution, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.status, execution.wait_reason) == ("paused", "paused")
    assert due.find_due() == []
    assert executions.resume(execution, now=timezone.now()).status == "queued"
    assert [one.execution_id for one in due.find_due()] == [execution.id]
    advance.advance(execution.id, now=timezone.now())
    assert execution.runs.count() == 2


def test_a_wish_to_pause_that_is_taken_back_reaches_the_run():
    execution, run = begun(TaskFactory())
    conversation = run.conversation
    conversation.queued_runs = 0
    conversation.save(update_fields=["queued_runs"])
    Run.objects.filter(id=run.id).update(status="running", attempt=1, claimed_at=timezone.now())
    assert executions.pause(execution, now=timezone.now()).status == "running"
    run.refresh_from_db()
    assert run.pause_reason == pauses.ASKED
    assert executions.resume(execution, now=timezone.now()).status == "running"
    run.refresh_from_db()
    assert run.pause_reason == ""
    assert due.find_due() == []
