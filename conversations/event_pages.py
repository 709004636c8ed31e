"""The log of a conversation, read page by page over REST, with every outcome said out loud."""

from dataclasses import dataclass
from typing import Any, Literal

from conversations.core import cursors
from conversations.models import Conversation, ConversationEvent, Message
from conversations.sessions import InvalidCursor
from conversations.tool_outcomes import action_results

Outcome = Literal["replay", "replay_gap", "cursor_reset"]


@dataclass(frozen=True, slots=True)
class EventPage:
    """`next_cursor` is where to read on; None after a gap or a reset, where a snapshot has to be taken first."""

    outcome: Outcome
    events: list[dict[str, Any]]
    next_cursor: str | None
    head: str
    has_more: bool


def read_events(conversation: Conversation, *, after: str, limit: int) -> EventPage:
    """Events behind the cursor `after` (without one: from the first that is kept), oldest first."""
    start = _start(conversation, after)
    head = cursors.encode(conversation.epoch, conversation.head_seq)
    if isinstance(start, str):
        return EventPage(start, [], None, head, False)
    rows = list(
        ConversationEvent.objects.filter(conversation_id=conversation.id, seq__gt=start).order_by("seq")[
            : limit + 1
        ]
    )
    # Retention may have cut the log since the conversation's row was read.
    if after and rows and rows[0].seq != start + 1:
        return EventPage("replay_gap", [], None, head, False)
    page, has_more = rows[:limit], len(rows) > limit
    newest = page[-1].seq if page else start
    head_seq = max(newest, conversation.head_seq)
    return EventPage(
        "replay",
        _rendered(conversation, page),
        cursors.encode(conversation.epoch, newest),
        cursors.encode(conversation.epoch, head_seq),
        has_more,
    )


def newest_before(conversation: Conversation, *, before: int, limit: int) -> list[ConversationEvent]:
    """The events in front of the seq `before`, newest first, as they stand in the log."""
    rows = ConversationEvent.objects.filter(conversation_id=conversation.id, seq__lt=before)
    return list(rows.order_by("-seq")[:limit])


def _start(conversation: Conversation, after: str) -> int | Outcome:
    if not after:
        return conversation.kept_after_seq
    try:
        cursor = cursors.parse(after)
    except ValueError:
        raise InvalidCursor("after") from None
    if cursor.epoch != conversation.epoch or cursor.seq > conversation.head_seq:
        return "cursor_reset"
    return "replay_gap" if cursor.seq < conversation.kept_after_seq else cursor.seq


def _rendered(conversation: Conversation, rows: list[ConversationEvent]) -> list[dict[str, Any]]:
    """Rows with the texts they refer to: an answer's text stands in its message, not a second time in the log."""
    ids = {row.payload["answer_id"] for row in rows if _refers_to_message(row)}
    results = action_results({row.run_id for row in rows if row.type == "run.ended" and row.run_id})
    answers = {str(message.id): message for message in Message.objects.filter(id__in=ids)} if ids else {}
    return [
        {
            "cursor": cursors.encode(conversation.epoch, row.seq),
            "type": row.type,
            "run_id": row.run_id,
            "attempt": row.attempt,
            "created_at": row.created_at,
            "payload": _payload(row, answers, results.get(row.run_id, [])),
        }
        for row in rows
    ]


def _refers_to_message(row: ConversationEvent) -> bool:
    if row.type == "run.ended":
        return "answer_id" in row.payload
    return row.type == "part.completed" and row.payload.get("text") is None and "answer_id" in row.payload


def _payload(
    row: ConversationEvent, answers: dict[str, Message], results: list[dict[str, Any]]
) -> dict[str, Any]:
    if not _refers_to_message(row):
        return row.payload
    answer = answers.get(row.payload["answer_id"])
    if row.type == "run.ended":
        return {**row.payload, "response": answer.content if answer else "", "action_results": results}
    parts = answer.parts if answer else []
    text = next((part.get("text") for part in parts if part["id"] == row.payload["part_id"]), "")
    return {**row.payload, "text": text}
