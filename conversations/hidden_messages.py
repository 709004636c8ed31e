"""Hiding a message and showing it again.

What was said moves into a row of its own, and the message holds a notice meanwhile: lists, snapshots, exports, the
search and the model's context read messages in many places, and none of them has to know.
"""

from datetime import datetime
from typing import Any

from django.db import connection

from conversations import log
from conversations.core.log_events import EventType
from conversations.core.run_states import TERMINAL
from conversations.models import Conversation, ConversationSummary, HiddenMessage, Message, Run
from conversations.turns import title_of
from penguin_site.errors import Conflict

NOTICE = "[This message was hidden by a moderator.]"
TITLE = "Hidden by a moderator"


class StillOpen(Conflict):
    """This answer is still being written: it can be hidden when its run has ended."""

    code = "message_open"


# Texts of parts stand in the log, too, where they are short. Without them readers look into the message. And an event
# that made the conversation holds its title.
_FORGET_TEXTS = """
UPDATE conversation_event SET payload = jsonb_set(payload, '{text}', 'null')
WHERE conversation_id = %s AND run_id = %s AND type = 'part.completed' AND payload ? 'answer_id'
"""
_FORGET_TITLE = """
UPDATE conversation_event SET payload = jsonb_set(payload, '{title}', 'null')
WHERE conversation_id = %s AND type = 'run.queued' AND payload->>'message_id' = %s AND payload ? 'title'
"""


def hide(message: Message, *, reason: str, by: Any, now: datetime) -> bool:
    """Puts a notice in the place of the message; False when it is hidden already.

    Called inside the transaction of the decision, with the conversation locked.
    """
    message = Message.objects.select_for_update().get(pk=message.pk)
    if HiddenMessage.objects.filter(pk=message.pk).exists():
        return False
    if message.role == Message.Role.ASSISTANT and _is_open(message):
        raise StillOpen
    HiddenMessage.objects.create(
        message=message,
        conversation_id=message.conversation_id,
        content=message.content,
        parts=message.parts,
        title=_hide_title(message),
        reason=reason,
        hidden_by=by,
        hidden_at=now,
    )
    message.content, message.parts = NOTICE, []
    message.metadata = {**message.metadata, "hidden": True, "hidden_reason": reason}
    message.save(update_fields=["content", "parts", "metadata"])
    with connection.cursor() as cursor:
        if message.role == Message.Role.ASSISTANT:
            cursor.execute(_FORGET_TEXTS, [message.conversation_id, message.run_id])
        else:
            cursor.execute(_FORGET_TITLE, [message.conversation_id, str(message.id)])
    # A summary may tell of it. Without one the turns themselves are read again.
    ConversationSummary.objects.filter(
        conversation_id=message.conversation_id, through_turn__gte=message.turn
    ).delete()
    _tell(message, hidden=True)
    return True


def show(message: Message) -> bool:
    """Gives a hidden message back what it said; False when it is not hidden. Called as `hide` is."""
    message = Message.objects.select_for_update().get(pk=message.pk)
    original = HiddenMessage.objects.filter(pk=message.pk).first()
    if original is None:
        return False
    message.content, message.parts = original.content, original.parts
    message.metadata = {
        name: value for name, value in message.metadata.items() if name not in ("hidden", "hidden_reason")
    }
    message.save(update_fields=["content", "parts", "metadata"])
    if original.title is not None:
        unnamed = Conversation.objects.filter(pk=message.conversation_id, title=TITLE)
        if unnamed.update(title=original.title):
            log.append(message.conversation_id, EventType.CONVERSATION_UPDATED, {"title": original.title})
    original.delete()
    _tell(message, hidden=False)
    return True


def _hide_title(message: Message) -> str | None:
    """A conversation's first title is the beginning of its first message. What it was, if so."""
    title = title_of(message.content)
    if message.role != Message.Role.USER or not title:
        return None
    named = Conversation.objects.filter(pk=message.conversation_id, title=title)
    if not named.update(title=TITLE):
        return None
    log.append(message.conversation_id, EventType.CONVERSATION_UPDATED, {"title": TITLE})
    return title


def _is_open(message: Message) -> bool:
    open_ones = Run.objects.filter(id=message.run_id).exclude(status__in=[s.value for s in TERMINAL])
    return open_ones.exists()


def _tell(message: Message, *, hidden: bool) -> None:
    payload = {"message_id": str(message.id), "role": message.role, "hidden": hidden}
    log.append(message.conversation_id, EventType.MESSAGE_MODERATED, payload, run_id=message.run_id)
