"""Tasks as things one has: found, listed, and whether they can begin."""

from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

from conversations.sessions import Page
from penguin_site.errors import NotFound
from tasks import pages
from tasks.core.execution_states import LIVE
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Project, Task, TaskDependency

LIVE_STATUSES = [status.value for status in sorted(LIVE)]


class TaskNotFound(NotFound):
    """There is no such task."""


def with_links(rows: QuerySet[Task]) -> QuerySet[Task]:
    """Adds what `is_ready`, `unmet` and `live_execution_of` read: three statements, however many tasks there are."""
    links = TaskDependency.objects.select_related("depends_on").only(
        "task_id", "depends_on_id", "depends_on__completed_at"
    )
    live = Execution.objects.filter(status__in=LIVE_STATUSES)
    return rows.select_related("project").prefetch_related(
        Prefetch("dependencies", links.order_by("id"), to_attr="loaded_dependencies"),
        Prefetch("executions", live, to_attr="live_executions"),
    )


def needed(task: Any) -> list[UUID]:
    """The tasks it depends on. Of a task read `with_links`."""
    return [dependency.depends_on_id for dependency in task.loaded_dependencies]


def unmet(task: Any) -> list[UUID]:
    """The tasks that have to be completed before this one can begin. Of a task read `with_links`."""
    return [d.depends_on_id for d in task.loaded_dependencies if d.depends_on.completed_at is None]


def is_ready(task: Any) -> bool:
    """Whether it can begin: active, in no archived project, all it depends on completed. Of a task `with_links`."""
    is_put_away = task.project is not None and task.project.status == Project.Status.ARCHIVED
    return task.status == TaskStatus.ACTIVE and not is_put_away and not unmet(task)


def live_execution_of(task: Any) -> Execution | None:
    """The execution that works on it. Of a task read `with_links`."""
    return task.live_executions[0] if task.live_executions else None


def find_task(task_id: UUID, *, owner_id: int) -> Task:
    """The caller's own task `with_links`; somebody else's does not exist for them."""
    task = with_links(Task.objects.filter(id=task_id, owner_id=owner_id)).first()
    if task is None:
        raise TaskNotFound
    return task


def find_anybodys(task_id: UUID) -> Task:
    """Whoever's it is: for staff, whose permission the caller has checked."""
    task = Task.objects.filter(id=task_id).first()
    if task is None:
        raise TaskNotFound
    return task


def lock_task(task_id: UUID, *, owner_id: int) -> Task:
    """Until the transaction ends nobody else moves, changes or executes this task of the caller's."""
    task = Task.objects.select_for_update().filter(id=task_id, owner_id=owner_id).first()
    if task is None:
        raise TaskNotFound
    return task


def only_ready(rows: QuerySet[Task]) -> QuerySet[Task]:
    """Those of `rows` that can begin."""
    open_ones = TaskDependency.objects.filter(task_id=OuterRef("id"), depends_on__completed_at__isnull=True)
    return rows.filter(
        ~Exists(open_ones),
        Q(project__isnull=True) | Q(project__status=Project.Status.ACTIVE),
        status=TaskStatus.ACTIVE.value,
    )


def ready_tasks(*, owner_id: int) -> QuerySet[Task]:
    """What a person's agents could begin now, in the order to do it: priority, due time, age. To be narrowed down."""
    return only_ready(Task.objects.filter(owner_id=owner_id)).order_by(
        "-priority", F("due_at").asc(nulls_last=True), "created_at", "id"
    )


def list_tasks(
    *,
    owner_id: int,
    limit: int,
    cursor: str = "",
    project_id: UUID | None = None,
    parent_id: UUID | None = None,
    status: str = "",
    q: str = "",
    ready: bool | None = None,
) -> Page:
    """A page of one's tasks, newest first, `with_links`."""
    rows = Task.objects.filter(owner_id=owner_id)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if parent_id is not None:
        rows = rows.filter(parent_id=parent_id)
    if status:
        rows = rows.filter(status=status)
    if q:
        rows = rows.filter(Q(title__icontains=q) | Q(description__icontains=q))
    if ready is not None:
        can_begin = only_ready(Task.objects.all())
        rows = rows.filter(id__in=can_begin) if ready else rows.exclude(id__in=can_begin)
    return pages.newest(with_links(rows), limit=limit, cursor=cursor)
