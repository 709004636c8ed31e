"""What a client of live events asks for, looked up: whose conversations, which of them, from where on."""

from dataclasses import dataclass

from conversations import sessions
from conversations.core import cursors
from conversations.core.live_events import Place


@dataclass(frozen=True, slots=True)
class Opening:
    """One conversation, or all of an owner's where `place` is None. Then there is no replay: `has_cursor` is a gap."""

    owner_id: int
    has_cursor: bool
    place: Place | None = None
    conversation_id: int = 0
    after: int = 0
    reset_at: str | None = None  # the head, where the client's cursor is of another log


def look_up(*, owner_id: int, session_id: str, last_event_id: str) -> Opening:
    """Raises `InvalidCursor`, and `ConversationNotFound` for a conversation that is not the owner's.

    A client without a cursor, or with one of another life of the log, begins just before the open run, else live.
    """
    try:
        cursor = cursors.parse(last_event_id) if last_event_id else None
    except ValueError:
        raise sessions.InvalidCursor("last_event_id") from None
    if not session_id:
        return Opening(owner_id, has_cursor=cursor is not None)
    conversation = sessions.get_conversation(owner_id=owner_id, session_id=session_id)
    is_foreign = cursor is not None and (
        cursor.epoch != conversation.epoch or cursor.seq > conversation.head_seq
    )
    known = cursor if not is_foreign else None
    return Opening(
        owner_id,
        has_cursor=cursor is not None,
        place=Place(conversation.session_id, conversation.epoch),
        conversation_id=conversation.pk,
        after=known.seq if known else sessions.resume_after(conversation),
        reset_at=cursors.encode(conversation.epoch, conversation.head_seq) if is_foreign else None,
    )
