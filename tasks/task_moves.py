"""Moves of a task from state to state: the one place where its status changes.

`move_task` is what executions use. The others are what a person does, which an execution under way forbids: it is
cancelled first. They take the task's row lock before they look for one, and whoever makes an execution moves the task
in the same transaction, so the two cannot pass each other.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from penguin_site.errors import Conflict
from tasks import execution_events, tasks
from tasks.core.task_states import TaskStatus, may_move, sources_of
from tasks.models import Execution, Project, Task
from tasks.projects import ProjectArchived


class WrongMove(Conflict):
    """This task is in a state from which it cannot go there."""

    code = "wrong_task_state"

    def __init__(self, status: str, target: TaskStatus) -> None:
        super().__init__(f"This task is {status}: it cannot become {target}.", status=status)


class TaskBlocked(Conflict):
    """Tasks on which this one depends are not completed."""

    code = "task_blocked"


class TaskAtWork(Conflict):
    """An execution of this task is under way: cancel it first."""

    code = "task_at_work"


def move_task(
    *,
    task_id: UUID,
    target: TaskStatus,
    now: datetime,
    result: str | None = None,
    feedback: str | None = None,
) -> Task:
    """Gives the task its next state, if the table allows it from the one it has; WrongMove names that one.

    `result` and `feedback` are stored with it where given. The caller knows whose task it is.
    """
    columns: dict[str, Any] = {"status": target.value, "updated_at": now}
    if target == TaskStatus.COMPLETED:
        columns["completed_at"] = now
    elif target != TaskStatus.ARCHIVED:
        columns["completed_at"] = None
    if result is not None:
        columns["result"] = result
    if feedback is not None:
        columns["feedback"] = feedback
    sources = [status.value for status in sources_of(target)]
    changed = Task.objects.filter(id=task_id, status__in=sources).update(**columns)
    task = Task.objects.filter(id=task_id).first()
    if task is None:
        raise tasks.TaskNotFound
    if not changed:
        raise WrongMove(task.status, target)
    return task


def start_task(*, task_id: UUID, owner_id: int, now: datetime) -> Task:
    """A person takes it: running, without an execution. It has to be ready."""
    return _by_person(task_id, TaskStatus.RUNNING, owner_id=owner_id, now=now)


def complete_task(*, task_id: UUID, owner_id: int, now: datetime, result: str | None = None) -> Task:
    """A person agrees with what the agent has done, or has done it themselves."""
    return _by_person(task_id, TaskStatus.COMPLETED, owner_id=owner_id, now=now, result=result)


def reopen_task(*, task_id: UUID, owner_id: int, now: datetime, feedback: str = "") -> Task:
    """Sends it back to be done again; the next execution is told `feedback`."""
    return _by_person(task_id, TaskStatus.ACTIVE, owner_id=owner_id, now=now, feedback=feedback)


def set_status(*, task_id: UUID, owner_id: int, target: TaskStatus, now: datetime) -> Task:
    """The move by its target: of those that only an execution makes, none."""
    return _by_person(task_id, target, owner_id=owner_id, now=now)


# What a person can make of a task; the rest is what its executions make of it.
BY_PERSON = (
    TaskStatus.ACTIVE,
    TaskStatus.RUNNING,
    TaskStatus.COMPLETED,
    TaskStatus.CANCELLED,
    TaskStatus.ARCHIVED,
)


def refuse_at_work(task: Task) -> None:
    """TaskAtWork when an execution of it is under way; under the task's lock."""
    live = Execution.objects.filter(task=task, status__in=tasks.LIVE_STATUSES).first()
    if live is not None:
        raise TaskAtWork(
            f"This task is {task.status}: its execution is {live.status}. Cancel that first.",
            status=task.status,
            execution_id=str(live.id),
        )


def refuse_not_ready(task: Task) -> None:
    """TaskBlocked or ProjectArchived when it cannot begin, whatever its status."""
    task = tasks.find_task(task.id, owner_id=task.owner_id)
    if task.project is not None and task.project.status == Project.Status.ARCHIVED:
        raise ProjectArchived
    if open_ids := tasks.unmet(task):
        raise TaskBlocked(
            f"This task is {task.status}, but {len(open_ids)} of the tasks on which it depends are not completed.",
            status=task.status,
            blocked_by=[str(task_id) for task_id in open_ids],
        )


def _by_person(task_id: UUID, target: TaskStatus, *, owner_id: int, now: datetime, **stored: Any) -> Task:
    if target not in BY_PERSON:
        raise ValueError(f"only executions make a task {target}")
    with transaction.atomic():
        task = tasks.lock_task(task_id, owner_id=owner_id)
        refuse_at_work(task)
        if target == TaskStatus.RUNNING and may_move(TaskStatus(task.status), target):
            refuse_not_ready(task)
        execution_events.task_updated(move_task(task_id=task_id, target=target, now=now, **stored))
        return tasks.find_task(task_id, owner_id=owner_id)
