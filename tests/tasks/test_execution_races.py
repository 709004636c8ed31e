"""Several who advance one execution at once: its steps are taken once, whoever comes first."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import close_old_connections, connections, transaction
from django.utils import timezone

from conversations import runs
from conversations.models import ConversationEvent, Run
from tasks import advance, executions, project_runs
from tasks.executions import SessionAtWork, StartOptions
from tasks.models import Execution, ExecutionRun, Task
from tasks.runner import due
from tasks.task_moves import TaskAtWork, WrongMove
from tests.tasks.factories import ProjectFactory, ProjectRunFactory, TaskFactory
from tests.tasks.test_execution_runs import ended

MANY = 8

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[], object]) -> list[object]:
    """What each of several threads made of it, errors included."""

    def run(_: int) -> object:
        close_old_connections()
        try:
            return work()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


def start(task: Task, **options) -> Execution:
    return executions.start(
        task=task,
        user_id=task.owner_id,
        is_local_owner=False,
        now=timezone.now(),
        options=StartOptions(**options),
    )


def go_on(execution: Execution) -> list[object]:
    return at_once(lambda: advance.advance(execution.id, now=timezone.now()))


@contextmanager
def held_elsewhere(task: Task) -> Iterator[None]:
    """Its row is locked on another connection."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Task.objects.select_for_update().get(id=task.id)
                held.set()
                done.wait()
        finally:
            held.set()
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        held.wait()
        try:
            yield
        finally:
            done.set()
            holder.result()


def test_one_of_many_starts_wins():
    task = TaskFactory()
    made = at_once(lambda: start(task))
    assert [isinstance(one, Execution) for one in made].count(True) == 1
    assert all(isinstance(one, Execution | TaskAtWork | WrongMove) for one in made)
    assert Execution.objects.count() == 1


def test_a_session_has_one_execution_at_a_time():
    first, second = TaskFactory(), TaskFactory()
    Task.objects.update(owner=first.owner)
    second.refresh_from_db()
    start(first, session_id="shared")
    with pytest.raises(SessionAtWork):
        start(second, session_id="shared")
    assert Task.objects.get(id=second.id).status == "active"


def test_many_who_begin_make_one_run():
    execution = start(TaskFactory())
    assert [one.execution_id for one in due.find_due()] == [execution.id]
    results = go_on(execution)
    assert set(results) <= {True, False}
    assert True in results
    assert (Run.objects.count(), ExecutionRun.objects.count()) == (1, 1)
    assert due.find_due() == []


def test_many_who_see_the_end_end_it_once():
    execution = start(TaskFactory())
    advance.advance(execution.id, now=timezone.now())
    runs.cancel_run(run=Run.objects.get(), now=timezone.now())
    assert [one.execution_id for one in due.find_due()] == [execution.id]
    go_on(execution)
    execution.refresh_from_db()
    assert (execution.status, execution.stop_reason) == ("cancelled", "run_cancelled")
    assert [one["task_status"] for one in execution.result["tasks"]] == ["cancelled"]
    assert due.find_due() == []


def test_a_mistake_of_ours_ends_an_execution_with_its_run():
    execution = start(TaskFactory())
    advance.advance(execution.id, now=timezone.now())
    advance.fail(execution.id, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.status, execution.error["kind"]) == ("failed", "internal_error")
    assert (Run.objects.get().status, Task.objects.get().status) == ("cancelled", "failed")
    assert due.find_due() == []


def test_a_continuous_execution_does_not_pass_over_a_task_that_somebody_holds():
    first = TaskFactory(project=ProjectFactory())
    second = TaskFactory(project=first.project, owner=first.owner)
    execution = start(first, continuous=True)
    advance.advance(execution.id, now=timezone.now())
    ended(Run.objects.get(), "completed")
    told = ConversationEvent.objects.count()
    with held_elsewhere(second):
        assert advance.advance(execution.id, now=timezone.now()) is False
    # Nothing of the look is left: the next one settles the first task and begins the second.
    execution.refresh_from_db()
    assert (execution.task_id, execution.status, execution.result) == (first.id, "queued", None)
    assert Task.objects.get(id=first.id).status == "running"
    assert ConversationEvent.objects.count() == told
    assert [one.execution_id for one in due.find_due()] == [execution.id]
    assert advance.advance(execution.id, now=timezone.now())
    execution.refresh_from_db()
    assert (execution.task_id, execution.stop_reason, Run.objects.count()) == (second.id, "", 2)
    assert [one["task_id"] for one in execution.result["tasks"]] == [str(first.id)]


def test_a_project_run_does_not_end_beside_a_task_that_somebody_holds():
    task = TaskFactory(project=ProjectFactory())
    project_run = ProjectRunFactory(
        project=task.project, continuous=True, options={"of_runs": {"is_local_owner": False}}
    )
    with held_elsewhere(task):
        project_runs.advance(project_run.id, now=timezone.now())
        project_run.refresh_from_db()
        assert (project_run.status, Execution.objects.count()) == ("running", 0)
    assert project_runs.find_due() == [project_run.id]
    project_runs.advance(project_run.id, now=timezone.now())
    assert Execution.objects.get().task_id == task.id
