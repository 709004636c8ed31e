"""With which task a continuous execution goes on, and what is said when there is none."""

from django.db.models import Q

from tasks import tasks
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Task


class ReadyTaskHeld(Exception):
    """What could be next is locked by somebody just now: only a later look can tell whether it stays ready."""


def next_task(execution: Execution) -> Task | None:
    """The task with which a continuous execution goes on, locked: of its project, else of those its agent added.

    None only where none is ready; ReadyTaskHeld where all that are ready are locked by others.
    """
    ready = tasks.ready_tasks(owner_id=execution.owner_id).filter(_reach(execution))
    locked = ready.select_for_update(skip_locked=True, of=("self",)).select_related("project", "parent")
    if (task := locked.first()) is None and ready.exists():
        raise ReadyTaskHeld
    return task


def why_nothing_is_ready(execution: Execution) -> str:
    """A sentence on the tasks that are left."""
    rows = Task.objects.filter(_reach(execution), owner_id=execution.owner_id)
    review = rows.filter(status=TaskStatus.PENDING_REVIEW).count()
    blocked = rows.filter(status=TaskStatus.ACTIVE).count()
    others = [
        text
        for count, text in (
            (review, f"{review} wait for a review"),
            (blocked, f"{blocked} depend on tasks that are not completed"),
        )
        if count
    ]
    found = "No task is left that can begin."
    return f"{found} Of the others {', '.join(others)}." if others else found


def _reach(execution: Execution) -> Q:
    project_id = Task.objects.filter(id=execution.first_task_id).values_list("project_id", flat=True).first()
    return Q(project_id=project_id) if project_id else Q(added_by=execution)
