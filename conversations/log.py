"""The conversation log, written from sync code: an event and its seq, in the transaction of what it tells."""

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from conversations.core.log_events import EventType
from conversations.live import hints, wire
from conversations.models import ConversationEvent
from penguin_site.errors import NotFound


class ConversationGone(NotFound):
    """There is no such conversation."""


def append(
    conversation_id: int,
    event_type: EventType,
    payload: dict[str, Any],
    *,
    run_id: UUID | None = None,
    attempt: int = 0,
    wake: str | None = None,
    inline: bool = True,
) -> int:
    """Adds an event and returns its seq; call it inside `atomic`, before the run's row is touched.

    Raising `head_seq` locks the conversation's row until the commit, so events become visible in order. After the
    commit readers get a hint, and workers too when `wake` says what for. `inline=False` is for events that refer to a
    text elsewhere: readers then read the tables.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE conversation SET head_seq = head_seq + 1 WHERE id = %s RETURNING head_seq, statement_timestamp()",
            [conversation_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise ConversationGone
    seq, created_at = row
    ConversationEvent.objects.create(
        conversation_id=conversation_id,
        seq=seq,
        run_id=run_id,
        attempt=attempt,
        type=event_type,
        payload=payload,
        created_at=created_at,
    )
    live_payload = payload if inline else None
    run = str(run_id) if run_id else None
    item = wire.event_item(conversation_id, seq, run, event_type, live_payload, created_at=created_at)

    def send_hint() -> None:  # Django cannot log the failure of a robust partial
        hints.announce(item, wake=wake)

    transaction.on_commit(send_hint, robust=True)
    return seq
