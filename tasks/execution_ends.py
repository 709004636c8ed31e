"""Changes of one execution, with its task: what it is while a run is open, and how it ends.

All of it inside the transaction of `advance.py`, which holds the locks of task and execution.
"""

from datetime import datetime
from typing import Any

from conversations.models import Run
from tasks import execution_events, task_moves
from tasks.core.execution_states import ExecutionStatus, WaitReason, may_move
from tasks.core.following import Finish, StopReason, task_after, task_outcome, task_status_of
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Task

DETAILS = {
    StopReason.FINISHED: "The agent has ended its work.",
    StopReason.NO_FINISH: "The agent stopped without saying that it is done; its last answer is the summary.",
    StopReason.NO_READY_TASKS: "No task is left that can begin.",
    StopReason.BUDGET: "The budget is used up.",
    StopReason.TIME_LIMIT: "The time limit is reached.",
    StopReason.CANCELLED: "It was cancelled.",
    StopReason.RUN_CANCELLED: "Its run was cancelled.",
    StopReason.CONVERSATION_DELETED: "Its conversation was deleted.",
    StopReason.FAILED: "Its run failed.",
}
# What followers are told when it changes.
_SHOWN = ("status", "wait_reason", "current_run_id", "task_id")


def show(
    execution: Execution,
    task: Task,
    status: ExecutionStatus,
    reason: WaitReason | None,
    *,
    now: datetime,
    run: Run | None = None,
) -> None:
    """A live execution is this now; its task with it. Saves whatever was changed on it, and tells what shows."""
    before = Execution.objects.values_list(*_SHOWN).get(id=execution.id)
    assert status == execution.status or may_move(ExecutionStatus(execution.status), status)
    execution.status, execution.wait_reason = status.value, reason.value if reason else ""
    execution.running_since = None
    if status is ExecutionStatus.RUNNING:
        execution.running_since = (run.claimed_at if run else None) or now
        execution.started_at = execution.started_at or execution.running_since
    execution.save()
    target = task_status_of(status)
    if task.status != target:
        task.status = task_moves.move_task(task_id=task.id, target=target, now=now).status
    if before != tuple(getattr(execution, name) for name in _SHOWN):
        execution_events.updated(execution, task)


def settle_task(
    execution: Execution, task: Task, finish: Finish, summary: str, *, now: datetime
) -> TaskStatus:
    """The agent has ended its work on a task: what became of it, noted in the execution's result."""
    outcome = task_outcome(finish, review_required=_is_reviewed(task))
    _note(execution, task, finish, summary, outcome)
    task.status = task_moves.move_task(task_id=task.id, target=outcome, now=now, result=summary).status
    if execution.continuous:
        execution_events.task_updated(task)
    return outcome


def _is_reviewed(task: Task) -> bool:
    return task.project is None or task.project.review_required


def _note(execution: Execution, task: Task, finish: Finish, summary: str, outcome: TaskStatus) -> None:
    result = dict(execution.result or {})
    told = {
        "task_id": str(task.id),
        "title": task.title,
        "status": finish.value,
        "task_status": outcome.value,
        "summary": summary,
    }
    execution.result = {
        **result,
        "summary": summary,
        "status": finish.value,
        "tasks": [*result.get("tasks", ()), told],
    }


def end(
    execution: Execution,
    status: ExecutionStatus,
    reason: StopReason,
    *,
    now: datetime,
    detail: str = "",
    error: dict[str, Any] | None = None,
) -> None:
    """Its end, stated in its result."""
    assert may_move(ExecutionStatus(execution.status), status), (execution.status, status)
    execution.status, execution.wait_reason = status.value, ""
    execution.stop_reason, execution.error = reason.value, error
    execution.running_since, execution.ended_at = None, now
    told = execution.result or {"summary": "", "status": Finish.UNSTATED.value, "tasks": []}
    execution.result = {**told, "stop_reason": reason.value, "detail": detail or DETAILS[reason]}
    execution.save()
    execution_events.ended(execution, Task.objects.get(id=execution.task_id))


def end_early(
    execution: Execution,
    task: Task,
    status: ExecutionStatus,
    reason: StopReason,
    *,
    now: datetime,
    partial: str = "",
    error: dict[str, Any] | None = None,
) -> None:
    """It ends in the middle of a task; `partial` is what its agent has said so far, and is kept."""
    outcome = task_after(status)
    detail = error["message"] if error else ""
    _note(execution, task, Finish.UNSTATED, partial, outcome)
    task_moves.move_task(
        task_id=task.id, target=outcome, now=now, result=partial or detail or DETAILS[reason]
    )
    end(execution, status, reason, now=now, detail=detail, error=error)
