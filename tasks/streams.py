"""What a client asks to watch, looked up: an execution, and where its story stands in the log of its conversation."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from conversations.core import cursors
from conversations.core.cursors import Cursor
from conversations.core.log_events import EventType
from conversations.models import Conversation, ConversationEvent
from tasks import execution_events, executions
from tasks.core.execution_states import TERMINAL, ExecutionStatus
from tasks.models import Execution

CONVERSATION_DELETED = "conversation_deleted"


@dataclass(frozen=True, slots=True)
class Watched:
    """An execution as it was when it was looked up; `told` is that as the log tells it.

    `conversation_id` is None where the conversation is gone: then there is nothing to follow.
    """

    execution_id: UUID
    told: dict[str, Any]
    ended: bool
    session_id: str = ""
    conversation_id: int | None = None
    epoch: str = ""
    after: int = 0
    reset_at: str | None = None  # the head, where the client's cursor is of another log

    @property
    def place(self) -> dict[str, Any]:
        """What a frame begins with that does not stand in the log."""
        return {"session_id": self.session_id, "run_id": None}


def watch(execution: Execution, *, after: Cursor | None = None) -> Watched:
    """From behind the cursor on, or from its beginning: what was before it in its conversation is not its story."""
    told = execution_events.execution_shape(execution, execution.task)
    ended = ExecutionStatus(execution.status) in TERMINAL
    conversation = execution.conversation
    if conversation is None:
        return Watched(execution.id, told, ended)
    is_foreign = after is not None and (
        after.epoch != conversation.epoch or after.seq > conversation.head_seq
    )
    first = _before_start(execution, conversation)
    return Watched(
        execution_id=execution.id,
        told=told,
        ended=ended,
        session_id=conversation.session_id,
        conversation_id=conversation.pk,
        epoch=conversation.epoch,
        after=first if after is None or is_foreign else max(after.seq, first),
        reset_at=cursors.encode(conversation.epoch, conversation.head_seq) if is_foreign else None,
    )


def find(execution_id: UUID, *, owner_id: int, after: Cursor | None) -> Watched:
    """Raises ExecutionNotFound for one that is not the owner's."""
    return watch(executions.find_execution(execution_id, owner_id=owner_id), after=after)


def _before_start(execution: Execution, conversation: Conversation) -> int:
    """Behind this its story begins; in a log that is not kept so far back: at what is kept."""
    events = ConversationEvent.objects.filter(conversation=conversation, type=EventType.EXECUTION_STARTED)
    started = events.filter(payload__execution__id=str(execution.id)).values_list("seq", flat=True).first()
    return started - 1 if started is not None else 0
