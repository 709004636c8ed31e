"""Conversations as things one has: found, listed, made, renamed, put away, deleted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from conversations import log
from conversations.core.ids import is_session_id, new_session_id
from conversations.core.log_events import EventType
from conversations.core.page_cursors import PageCursor, parse_page_cursor
from conversations.core.run_states import OPEN, WAITING, RunStatus
from conversations.directories import BoundDirectory
from conversations.live import hints, wire
from conversations.models import Conversation, Run
from penguin_site.errors import Conflict, InvalidField, NotFound

# Rows that refer to a conversation, in the order in which they can go.
_TABLES_OF_A_CONVERSATION = (
    "fragment",
    "conversation_event",
    "conversation_summary",
    "model_call",
    "tool_grant",
    "question",
    "approval",
    "tool_call",
    "sponsored_suggestion",
    "moderation_flag",
    "hidden_message",
    "message",
    "artifact",
    "run",
)
_WAITING = [status.value for status in sorted(WAITING | {RunStatus.PAUSED})]


class ConversationNotFound(NotFound):
    """There is no such conversation."""


class SessionTaken(Conflict):
    """You already have a conversation with this session_id."""

    code = "session_exists"


class InvalidCursor(InvalidField):
    """This cursor is not one of ours."""

    code = "invalid_cursor"

    def __init__(self, field: str = "cursor") -> None:
        super().__init__(field, "this is not a cursor that was given out here.")
        self.errors = [{"loc": ["query", field], "msg": self.message}]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and where the next page begins (None at the end)."""

    rows: list[Any]
    next_cursor: str | None


def with_status(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Adds `is_waiting`, from which `status_of` tells busy from waiting, without a statement per row."""
    waiting = Run.objects.filter(conversation_id=OuterRef("id"), status__in=_WAITING)
    return conversations.annotate(is_waiting=Exists(waiting))


def status_of(conversation: Any) -> str:
    """`idle`, `busy` (queued or running) or `waiting` (for a person)."""
    if not conversation.open_runs:
        return "idle"
    return "waiting" if conversation.is_waiting else "busy"


def get_conversation(*, owner_id: int, session_id: str) -> Conversation:
    """One's own conversation, with its status; another person's does not exist."""
    try:
        return with_status(Conversation.objects.filter(owner_id=owner_id)).get(session_id=session_id)
    except Conversation.DoesNotExist:
        raise ConversationNotFound from None


def resume_after(conversation: Conversation) -> int:
    """Where a reader without a cursor begins: just before the first open run, else at the end of the log."""
    open_runs = conversation.runs.filter(status__in=[s.value for s in OPEN]).order_by("turn")
    first_open = open_runs.values_list("turn", flat=True).first()
    return conversation.head_seq if first_open is None else first_open - 1


def list_conversations(*, owner_id: int, limit: int, cursor: str, search: str, archived: bool) -> Page:
    """A page of one's conversations, the last active first; one statement, whatever their number or length."""
    rows = with_status(Conversation.objects.filter(owner_id=owner_id, archived=archived))
    if search:
        rows = rows.filter(Q(title__icontains=search) | Q(session_id__icontains=search))
    if cursor:
        rows = _after(rows, cursor)
    found = list(rows.order_by("-last_active", "-id")[: limit + 1])
    if len(found) <= limit:
        return Page(found, None)
    last = found[limit - 1]
    return Page(found[:limit], str(PageCursor(last.last_active, str(last.id))))


def _after(rows: QuerySet[Conversation], cursor: str) -> QuerySet[Conversation]:
    try:
        place = parse_page_cursor(cursor)
        row_id = int(place.row_id)
    except ValueError:
        raise InvalidCursor from None
    if row_id >= 1 << 63:
        raise InvalidCursor
    # The first condition is what lets the index begin at the cursor; the second one settles ties.
    return rows.filter(last_active__lte=place.moment).filter(
        Q(last_active__lt=place.moment) | Q(id__lt=row_id)
    )


def create_conversation(
    *, owner_id: int, session_id: str | None, title: str, directory: BoundDirectory | None, now: datetime
) -> Conversation:
    """A new, empty conversation; SessionTaken when one's own of that name exists."""
    if session_id is not None and not is_session_id(session_id):
        raise InvalidField(
            "session_id",
            "use 1-128 letters, digits or ._:- and begin with a letter or digit (not create, search).",
        )
    with transaction.atomic():
        conversation, is_new = Conversation.objects.get_or_create(
            owner_id=owner_id,
            session_id=session_id or new_session_id(now),
            defaults={
                "title": title,
                "created_at": now,
                "last_active": now,
                "directory": directory.path if directory else None,
                "directory_device": directory.device if directory else None,
                "directory_inode": directory.inode if directory else None,
            },
        )
        if not is_new:
            raise SessionTaken
        log.append(conversation.id, EventType.CONVERSATION_CREATED, {"title": title})
    return conversation


def update_conversation(*, owner_id: int, session_id: str, changes: dict[str, Any]) -> Conversation:
    """Sets `title`, `archived` and `sponsored`, where named; what it was before is in the log's earlier events."""
    conversation = get_conversation(owner_id=owner_id, session_id=session_id)
    if changes:
        with transaction.atomic():
            log.append(conversation.id, EventType.CONVERSATION_UPDATED, changes)
            Conversation.objects.filter(id=conversation.id).update(**changes)
    return get_conversation(owner_id=owner_id, session_id=session_id)


_lock_before_deletion: list[Callable[[int], None]] = []


def lock_before_deletion(lock: Callable[[int], None]) -> None:
    """For an app whose rows refer to conversations and are locked before these: called first when one is deleted."""
    _lock_before_deletion.append(lock)


def delete_if_idle(*, conversation_id: int) -> bool:
    """Deletes a conversation with all its rows; False, and nothing is done, while a run of it is open.

    The row lock keeps a message from being accepted in between; one that waits for it starts a new conversation.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for lock in _lock_before_deletion:
            lock(conversation_id)
        cursor.execute(
            "SELECT open_runs, owner_id, session_id FROM conversation WHERE id = %s FOR UPDATE",
            [conversation_id],
        )
        row = cursor.fetchone()
        if row is None:  # somebody else was first
            return True
        open_runs, owner_id, session_id = row
        if open_runs:
            return False
        cursor.execute(
            "DELETE FROM message_feedback WHERE message_id IN (SELECT id FROM message WHERE conversation_id = %s)",
            [conversation_id],
        )
        for table in _TABLES_OF_A_CONVERSATION:
            cursor.execute(f"DELETE FROM {table} WHERE conversation_id = %s", [conversation_id])
        cursor.execute("DELETE FROM conversation WHERE id = %s", [conversation_id])
        transaction.on_commit(
            lambda: hints.announce(wire.deleted_item(conversation_id, owner_id, session_id), wake=None),
            robust=True,
        )
    return True


def open_run_count(conversation_ids: Iterable[int]) -> int:
    """How many runs of these conversations have not ended."""
    return sum(Conversation.objects.filter(id__in=conversation_ids).values_list("open_runs", flat=True))
