"""The work on a task that goes on in a conversation, for the chat page."""

from typing import Any

from tasks.execution_events import execution_shape
from tasks.models import Execution


def work_in(*, owner_id: int, session_id: str) -> dict[str, Any] | None:
    """The newest execution of this conversation, as events tell of it; None where no task is worked on in it."""
    rows = Execution.objects.filter(
        owner_id=owner_id, conversation__owner_id=owner_id, conversation__session_id=session_id
    )
    newest = rows.select_related("task").order_by("-created_at", "-id").first()
    return execution_shape(newest, newest.task) if newest else None
