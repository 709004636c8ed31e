"""Two at once: each pair of requests ends as if one had come after the other."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connections, transaction

from penguin_site.errors import DomainError
from penguin_site.models import User
from tasks import executions, projects, task_changes, task_moves, tasks
from tasks.core.dependencies import find_cycle
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Project, Task, TaskDependency
from tests.factories import UserFactory
from tests.tasks.factories import ExecutionFactory, ProjectFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)


def now() -> datetime:
    return datetime.now(UTC)


def at_once(*work: Callable[[], object]) -> list[str]:
    """What became of each: `done`, or the code of its error. All begin at the same moment."""
    together = threading.Barrier(len(work))
    outcomes = [""] * len(work)

    def do(place: int) -> None:
        try:
            together.wait(30)
            work[place]()
            outcomes[place] = "done"
        except DomainError as error:
            outcomes[place] = error.code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=(place,)) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


@pytest.fixture
def person(transactional_db) -> User:
    return UserFactory()


def test_one_of_two_who_take_a_task_gets_it(person):
    for _ in range(5):
        task = TaskFactory(owner=person)
        outcomes = at_once(
            *[lambda task=task: task_moves.start_task(task_id=task.id, owner_id=person.id, now=now())] * 4
        )
        assert outcomes == ["done", *["wrong_task_state"] * 3]


def test_of_two_moves_that_exclude_each_other_one_is_made(person):
    for _ in range(5):
        task = TaskFactory(owner=person, status="pending_review")
        outcomes = at_once(
            lambda task=task: task_moves.complete_task(task_id=task.id, owner_id=person.id, now=now()),
            lambda task=task: task_moves.set_status(
                task_id=task.id, owner_id=person.id, target=TaskStatus.CANCELLED, now=now()
            ),
        )
        assert outcomes == ["done", "wrong_task_state"]


def test_two_halves_of_a_cycle_do_not_meet(person):
    for _ in range(5):
        one, two, three = TaskFactory.create_batch(3, owner=person)
        halves = [(one, two), (two, three), (three, one)]
        outcomes = at_once(
            *[
                lambda task=task, needed=needed: task_changes.update_task(
                    task_id=task.id, owner_id=person.id, changes={"depends_on": [needed.id]}, now=now()
                )
                for task, needed in halves
            ]
        )
        assert outcomes == ["dependency_cycle", "done", "done"]
    graph: dict = {}
    for task_id, needed in TaskDependency.objects.values_list("task_id", "depends_on_id"):
        graph.setdefault(task_id, []).append(needed)
    assert not any(find_cycle(graph, task_id) for task_id in graph)


def test_a_dependency_on_a_task_that_is_being_deleted_fails_cleanly_or_goes_with_it(person):
    for _ in range(5):
        task, needed = TaskFactory.create_batch(2, owner=person)
        outcomes = at_once(
            lambda task=task, needed=needed: task_changes.update_task(
                task_id=task.id, owner_id=person.id, changes={"depends_on": [needed.id]}, now=now()
            ),
            lambda needed=needed: task_changes.delete_task(task_id=needed.id, owner_id=person.id),
        )
        assert outcomes in (["done", "done"], ["done", "not_found"])
        assert not Task.objects.filter(id=needed.id).exists()
        assert tasks.is_ready(tasks.find_task(task.id, owner_id=person.id))


def begin_an_execution(task: Task) -> None:
    """In the order in which whoever begins one has to do it: first the move, which takes the lock."""
    with transaction.atomic():
        task_moves.move_task(task_id=task.id, target=TaskStatus.RUNNING, now=now())
        ExecutionFactory(task=task, status="queued")


def test_a_task_is_deleted_or_executed_but_not_both(person):
    for _ in range(5):
        task = TaskFactory(owner=person)
        outcomes = at_once(
            lambda task=task: begin_an_execution(task),
            lambda task=task: task_changes.delete_task(task_id=task.id, owner_id=person.id),
        )
        assert outcomes in (["done", "not_found"], ["done", "task_at_work"])
        assert Execution.objects.filter(task_id=task.id).count() == Task.objects.filter(id=task.id).count()


def test_a_project_is_deleted_or_worked_in_but_not_both(person):
    for _ in range(5):
        project = ProjectFactory(owner=person)
        task = TaskFactory(project=project)
        outcomes = at_once(
            lambda task=task: begin_an_execution(task),
            lambda project=project: projects.delete_project(project_id=project.id, owner_id=person.id),
        )
        assert outcomes in (["done", "not_found"], ["done", "project_at_work"])
        assert Execution.objects.filter(task_id=task.id).count() == Task.objects.filter(id=task.id).count()


def test_a_project_is_put_away_or_worked_in_but_not_both(person):
    for _ in range(5):
        project = ProjectFactory(owner=person)
        task = TaskFactory(project=project)
        outcomes = at_once(
            lambda task=task: executions.start(task=task, user_id=person.id, is_local_owner=False, now=now()),
            lambda project=project: projects.update_project(
                project_id=project.id, owner_id=person.id, changes={"status": "archived"}, now=now()
            ),
        )
        assert outcomes in (["done", "project_archived"], ["done", "project_at_work"])
        project.refresh_from_db()
        assert (project.status == "active") == Execution.objects.filter(task=task).exists()


def test_a_project_that_goes_takes_the_new_task_along_or_refuses_it(person):
    for _ in range(5):
        project = ProjectFactory(owner=person)
        outcomes = at_once(
            lambda project=project: task_changes.create_task(
                owner_id=person.id, project_id=project.id, title="late", now=now()
            ),
            lambda project=project: projects.delete_project(project_id=project.id, owner_id=person.id),
        )
        assert outcomes in (["done", "done"], ["done", "not_found"])
    assert not Task.objects.filter(title="late").exists()


def test_a_name_is_given_once(person):
    def make() -> Project:
        return projects.create_project(owner_id=person.id, name="Website", now=now())

    assert at_once(*[make] * 4) == ["done", *["project_exists"] * 3]
