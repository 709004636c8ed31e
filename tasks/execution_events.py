"""What happens to executions and their tasks, told in the log of the execution's conversation.

So live events, the socket of tasks and whoever reads the log over REST hear of it, with cursors and without a gap. Call
these inside the transaction that makes the change, after it: they lock the conversation's row, which comes behind task
and execution. A conversation that is gone has no log, and nothing is told.
"""

from typing import Any
from uuid import UUID

from conversations import log
from conversations.core.log_events import EventType
from conversations.core.usage import MICROS
from tasks.models import Execution, Task

# A longer summary stands in the execution's own page; the log is read by everybody who follows.
_MOST_TEXT = 8_000


def started(execution: Execution, task: Task) -> None:
    """It was made, for `task`. The stream of an execution begins here."""
    _tell(execution, task, EventType.EXECUTION_STARTED)


def updated(execution: Execution, task: Task) -> None:
    """Its status, what it waits for, its run or the task it works on is another one now."""
    _tell(execution, task, EventType.EXECUTION_UPDATED)


def ended(execution: Execution, task: Task) -> None:
    """It is over: status, stop reason, result and error are set. Once."""
    _tell(execution, task, EventType.EXECUTION_ENDED)


def task_updated(task: Task) -> None:
    """A task's status is another one: told where its newest execution worked, if it has one."""
    newest = Execution.objects.filter(task_id=task.id).order_by("-created_at", "-id")
    conversation_id = newest.values_list("conversation_id", flat=True).first()
    _append(conversation_id, EventType.TASK_UPDATED, {"task": task_shape(task)})


def execution_shape(execution: Execution, task: Task) -> dict[str, Any]:
    return {
        "id": str(execution.id),
        "status": execution.status,
        "wait_reason": execution.wait_reason,
        "task": task_shape(task),
        "run_id": _text(execution.current_run_id),
        "project_run_id": _text(execution.project_run_id),
        "continuous": execution.continuous,
        "progress": (execution.result or {}).get("progress"),
        "used_seconds": round(execution.used_seconds, 3),
        "used_tokens": execution.used_tokens,
        "used_cost_usd": execution.used_cost_micros / MICROS,
        "stop_reason": execution.stop_reason,
        "result": _bounded(execution.result),
        "error": _bounded(execution.error),
    }


def task_shape(task: Task) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "name": task.title,
        "project_id": _text(task.project_id),
        "status": task.status,
    }


def _tell(execution: Execution, task: Task, event_type: EventType) -> None:
    _append(execution.conversation_id, event_type, {"execution": execution_shape(execution, task)})


def _append(conversation_id: int | None, event_type: EventType, payload: dict[str, Any]) -> None:
    if conversation_id is None:
        return
    try:
        log.append(conversation_id, event_type, payload)
    except log.ConversationGone:
        pass  # deleted since it was read


def _bounded(told: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without the tasks that a long execution has been through, and with texts of a length that a log can hold."""
    if told is None:
        return None
    return {
        key: value[:_MOST_TEXT] if isinstance(value, str) else value
        for key, value in told.items()
        if key not in ("tasks", "progress")
    }


def _text(row_id: UUID | None) -> str | None:
    return str(row_id) if row_id else None
