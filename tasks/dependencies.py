"""What tasks hang together with: their project, the task they are part of, the tasks they depend on."""

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.db import connection
from django.db.models import Q

from penguin_site.errors import InvalidRequest, NotFound
from tasks.core.dependencies import find_cycle
from tasks.models import Task, TaskDependency

MOST_DEPENDENCIES = 100
# Of a long cycle the sentence names so many; `cycle` has all of them.
_MOST_TITLES = 10


class DependencyCycle(InvalidRequest):
    """These dependencies would form a cycle."""

    code = "dependency_cycle"


class InvalidLink(InvalidRequest):
    """This task cannot be linked with that one."""

    code = "validation_error"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", errors=[{"loc": ["body", field], "msg": message}])


class LinkedTaskNotFound(NotFound):
    """There is no such task."""


def lock_links(owner_id: int) -> None:
    """Until the transaction ends, nobody else changes how this person's tasks hang together.

    Two requests that each add one half of a cycle would not see each other otherwise. Taken before any lock on rows.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('task links', %s))", [owner_id])


def set_dependencies(task: Task, needed: Collection[UUID]) -> None:
    """Makes `task` depend on exactly these tasks of its owner; under `lock_links`.

    DependencyCycle with the cycle in `cycle` when one of them depends on it, by whatever way.
    """
    _refuse_foreign(task, set(needed), "depends_on")
    if cycle := find_cycle({**_all_dependencies(task.owner_id), task.id: list(needed)}, task.id):
        raise _cycle(cycle, "depends_on")
    # All of them anew: they stay in the order in which they were named.
    task.dependencies.all().delete()
    TaskDependency.objects.bulk_create(
        TaskDependency(task=task, depends_on_id=task_id) for task_id in dict.fromkeys(needed)
    )


def check_parent(task: Task, parent_id: UUID) -> None:
    """Whether `task` may be part of that task; under `lock_links`."""
    _refuse_foreign(task, {parent_id}, "parent_task_id")
    parents = Task.objects.filter(owner_id=task.owner_id, parent__isnull=False)
    above = {task_id: [parent] for task_id, parent in parents.values_list("id", "parent_id")}
    if cycle := find_cycle({**above, task.id: [parent_id]}, task.id):
        raise _cycle(cycle, "parent_task_id")


def check_one_project(task: Task) -> None:
    """All that `task` is linked with belongs to its project (or, like it, to none); under `lock_links`."""
    linked = (
        Q(id=task.parent_id) | Q(parent=task) | Q(dependents__task=task) | Q(dependencies__depends_on=task)
    )
    others = Task.objects.filter(linked)
    if task.project_id is None:
        others = others.filter(project__isnull=False)
    else:
        others = others.exclude(project_id=task.project_id)
    if (other := others.first()) is not None:
        raise InvalidLink(
            "project_id",
            f'the task "{other.title}" ({other.id}), with which it is linked, is in another project.',
        )


def _refuse_foreign(task: Task, ids: set[UUID], field: str) -> None:
    """LinkedTaskNotFound unless all of these tasks are there and of the same owner."""
    own = Task.objects.filter(owner_id=task.owner_id, id__in=ids).values_list("id", flat=True)
    if missing := sorted(ids.difference(own)):
        raise LinkedTaskNotFound(
            f"{field}: there is no task {missing[0]}.",
            errors=[{"loc": ["body", field], "msg": f"There is no task {missing[0]}."}],
        )


def _all_dependencies(owner_id: int) -> dict[UUID, list[UUID]]:
    graph: dict[UUID, list[UUID]] = defaultdict(list)
    rows = TaskDependency.objects.filter(task__owner_id=owner_id).values_list("task_id", "depends_on_id")
    for task_id, needed in rows:
        graph[task_id].append(needed)
    return graph


def _cycle(cycle: list[UUID], field: str) -> DependencyCycle:
    shown = cycle if len(cycle) <= _MOST_TITLES else [*cycle[: _MOST_TITLES - 1], cycle[-1]]
    titles = dict(Task.objects.filter(id__in=shown).values_list("id", "title"))
    names = [f'"{titles.get(task_id, task_id)}"' for task_id in shown]
    if len(shown) < len(cycle):
        names.insert(-1, f"{len(cycle) - len(shown)} more")
    way = " -> ".join(names)
    message = f"These tasks would form a cycle: {way}."
    return DependencyCycle(
        message, errors=[{"loc": ["body", field], "msg": message}], cycle=[str(task_id) for task_id in cycle]
    )
