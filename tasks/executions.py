"""Executions as things one has: started, found, listed, cancelled, paused, resumed.

What follows from their runs is in `advance.py`; a wish of a person is stored first and then carried out by the same
function that every worker calls, so it also works while no worker lives.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from conversations.core.ids import new_session_id
from conversations.directories import BoundDirectory
from conversations.live import hints
from conversations.llm import registry
from conversations.models import Conversation
from conversations.sessions import Page
from conversations.turns import check_directory
from penguin_site.errors import Conflict, NotFound
from tasks import advance, allowances, execution_events, pages, task_moves, tasks
from tasks.core.execution_states import LIVE, ExecutionStatus, WaitReason
from tasks.core.task_states import TaskStatus, may_move
from tasks.models import Execution, Project, ProjectRun, Task

# An agent in the background may ask its model so often in one run, unless it was told otherwise.
MAX_ITERATIONS = 200


class ExecutionNotFound(NotFound):
    """There is no such execution."""


class WrongExecutionState(Conflict):
    """This execution is in a state in which that is not possible."""

    code = "wrong_execution_state"


class SessionAtWork(Conflict):
    """Another execution works in this session."""

    code = "session_at_work"


class BudgetUsedUp(Conflict):
    """The budget is used up: raise it to go on."""

    code = "budget_used_up"


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How an execution is to work; None: as its task says, or without limit."""

    session_id: str | None = None
    directory: BoundDirectory | None = None
    model: str | None = None
    agent_mode: str | None = None
    max_iterations: int | None = None
    continuous: bool = False
    time_limit_seconds: int | None = None
    budget_tokens: int | None = None
    budget_cost_micros: int | None = None

    def of_runs(self, *, is_local_owner: bool) -> dict[str, Any]:
        """What its runs are told."""
        options: dict[str, Any] = {
            "model": registry.resolve(self.model),
            "max_iterations": self.max_iterations or MAX_ITERATIONS,
        }
        if self.agent_mode:
            options["agent_mode"] = self.agent_mode
        return options | ({"is_local_owner": True} if is_local_owner else {})


AS_ITS_TASK_SAYS = StartOptions()


def start(
    *,
    task: Task,
    user_id: int,
    is_local_owner: bool,
    now: datetime,
    options: StartOptions = AS_ITS_TASK_SAYS,
    project_run: ProjectRun | None = None,
) -> Execution:
    """Puts an agent to work on a task that can begin. A worker makes its first run.

    Raises WrongMove (it is not active), TaskBlocked, TaskAtWork, and what is wrong with session, directory or model.
    """
    of_runs = options.of_runs(is_local_owner=is_local_owner)
    with transaction.atomic():
        locked = tasks.lock_task(task.id, owner_id=user_id)
        task_moves.refuse_at_work(locked)
        if may_move(TaskStatus(locked.status), TaskStatus.RUNNING):
            task_moves.refuse_not_ready(locked)
        locked = task_moves.move_task(task_id=locked.id, target=TaskStatus.RUNNING, now=now)
        execution = Execution.objects.create(
            task=locked,
            first_task=locked,
            owner_id=user_id,
            conversation=_conversation(locked, options, owner_id=user_id, now=now),
            project_run=project_run,
            continuous=options.continuous,
            options=of_runs,
            time_limit_seconds=options.time_limit_seconds or locked.time_limit_seconds,
            budget_tokens=options.budget_tokens or locked.budget_tokens,
            budget_cost_micros=options.budget_cost_micros or locked.budget_cost_micros,
            created_at=now,
        )
        execution_events.started(execution, locked)
        wake_workers()
    return execution


def wake_workers() -> None:
    """After the commit: there is something for the driver to look at."""
    transaction.on_commit(lambda: hints.announce(None), robust=True)


def _conversation(task: Task, options: StartOptions, *, owner_id: int, now: datetime) -> Conversation:
    """The session it works in: a new one, or the caller's own in which nothing else of the kind is under way."""
    directory = options.directory or _directory_of(task.project)
    session_id = options.session_id or new_session_id(now)
    conversation, is_new = Conversation.objects.select_for_update().get_or_create(
        owner_id=owner_id,
        session_id=session_id,
        defaults={
            "title": task.title,
            "directory": directory.path if directory else None,
            "directory_device": directory.device if directory else None,
            "directory_inode": directory.inode if directory else None,
            "created_at": now,
            "last_active": now,
        },
    )
    if not is_new:
        check_directory(conversation, directory)
        if Execution.objects.filter(conversation=conversation, status__in=_LIVE).exists():
            raise SessionAtWork
    return conversation


def _directory_of(project: Project | None) -> BoundDirectory | None:
    if project is None or project.directory is None:
        return None
    assert project.directory_device is not None and project.directory_inode is not None
    return BoundDirectory(project.directory, project.directory_device, project.directory_inode)


_LIVE = [status.value for status in sorted(LIVE)]


def find_execution(execution_id: UUID, *, owner_id: int) -> Execution:
    """The caller's own; somebody else's does not exist for them."""
    rows = Execution.objects.select_related("task__project", "conversation", "project_run")
    execution = rows.filter(id=execution_id, owner_id=owner_id).first()
    if execution is None:
        raise ExecutionNotFound
    return execution


def find_anybodys(execution_id: UUID) -> Execution:
    """Whoever's it is: for staff, whose permission the caller has checked."""
    execution = Execution.objects.filter(id=execution_id).first()
    if execution is None:
        raise ExecutionNotFound
    return execution


def list_executions(
    *,
    owner_id: int,
    limit: int,
    cursor: str = "",
    task_id: UUID | None = None,
    project_id: UUID | None = None,
    status: str = "",
) -> Page:
    """A page of one's executions, newest first."""
    rows = Execution.objects.filter(owner_id=owner_id).select_related("task", "conversation", "project_run")
    if task_id is not None:
        rows = rows.filter(id__in=executions_of(task_id))
    if project_id is not None:
        rows = rows.filter(task__project_id=project_id)
    if status:
        rows = rows.filter(status=status)
    return pages.newest(rows, limit=limit, cursor=cursor)


def executions_of(task_id: UUID) -> Any:
    """Ids of those that work or worked on a task, also where they went on to others."""
    worked = Execution.objects.filter(runs__task_id=task_id).values("id")
    return Execution.objects.filter(task_id=task_id).values("id").union(worked)


def lock_of_conversation(conversation_id: int) -> None:
    """Executions are locked before their conversation, also by its deletion, which sets them free of it."""
    rows = Execution.objects.select_for_update().filter(conversation_id=conversation_id)
    list(rows.order_by("id").values_list("id"))


def live_execution(task: Task) -> Execution | None:
    return Execution.objects.filter(task=task, status__in=_LIVE).first()


def cancel(execution: Execution, *, now: datetime) -> Execution:
    """Asks for its end: at once when no worker holds its run, else through that worker. Idempotent."""
    Execution.objects.filter(id=execution.id, status__in=_LIVE, cancel_requested_at=None).update(
        cancel_requested_at=now
    )
    return refreshed(execution, now=now)


def pause(execution: Execution, *, now: datetime) -> Execution:
    """Lets it stand still: at once, or before its next step. Idempotent."""
    live = Execution.objects.filter(id=execution.id, status__in=_LIVE, cancel_requested_at=None)
    if not live.update(pause_requested_at=now):
        raise _refused(execution, "paused")
    return refreshed(execution, now=now)


def resume(
    execution: Execution,
    *,
    now: datetime,
    budget_tokens: int | None = None,
    budget_cost_micros: int | None = None,
    time_limit_seconds: int | None = None,
) -> Execution:
    """Lets a paused one go on; BudgetUsedUp when its budget is, and stays so with what is given here."""
    with transaction.atomic():
        locked = Execution.objects.select_for_update().get(id=execution.id)
        is_paused = locked.status == ExecutionStatus.PAUSED or locked.pause_requested_at is not None
        if locked.status not in _LIVE or locked.cancel_requested_at is not None or not is_paused:
            raise _refused(locked, "resumed")
        locked.budget_tokens = budget_tokens or locked.budget_tokens
        locked.budget_cost_micros = budget_cost_micros or locked.budget_cost_micros
        locked.time_limit_seconds = time_limit_seconds or locked.time_limit_seconds
        allowances.adopt_raised_budget(locked)
        is_out_of_budget = (
            locked.wait_reason == WaitReason.BUDGET and allowances.left(locked).budget_is_used_up
        )
        if is_out_of_budget:
            raise BudgetUsedUp(used_tokens=locked.used_tokens, budget_tokens=locked.budget_tokens)
        locked.pause_requested_at = None
        locked.save()
    return refreshed(execution, now=now)


def _refused(execution: Execution, what: str) -> WrongExecutionState:
    current = Execution.objects.filter(id=execution.id).values_list("status", "cancel_requested_at").first()
    if current is None:
        return WrongExecutionState("This execution is gone.")
    status, cancel_requested_at = current
    state = "being cancelled" if cancel_requested_at and status in _LIVE else status
    return WrongExecutionState(f"This execution is {state}: it cannot be {what}.", status=status)


def refreshed(execution: Execution, *, now: datetime) -> Execution:
    """As it is now that something about it or its run was changed."""
    advance.advance(execution.id, now=now, may_begin=False, wait=True)
    with transaction.atomic():
        wake_workers()
    return find_execution(execution.id, owner_id=execution.owner_id)
