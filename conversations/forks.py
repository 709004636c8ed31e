"""Forks: a new conversation that begins with the history of another one."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from conversations import log
from conversations.core.ids import new_session_id
from conversations.core.log_events import EventType
from conversations.core.run_states import TERMINAL
from conversations.models import Artifact, Conversation, Message, Run
from conversations.sessions import get_conversation
from conversations.transcripts import MessageNotFound
from penguin_site.errors import Conflict

# Copied turns are renumbered to 0 and less, below every event of the new log: what comes next sorts behind them.
# They belong to no run: runs stay with the conversation in which they ran. So an answer that a retry has replaced is
# left behind, for nothing would tell it from the one that counts. What moderation has found nothing in is not checked
# again; of the rest a copy is a message like any other.
_COPY = """
INSERT INTO message (id, conversation_id, owner_id, run_id, turn, step, role, content, parts, metadata, created_at,
                     checked_at)
SELECT gen_random_uuid(), %(target)s, m.owner_id, NULL, m.turn - %(head)s, m.step, m.role, m.content,
       m.parts, m.metadata - 'sponsored' - 'sponsored_dismissed' - 'warning', m.created_at,
       CASE WHEN NOT EXISTS (SELECT 1 FROM moderation_flag f WHERE f.message_id = m.id AND f.outcome <> 'dismissed')
            THEN m.checked_at END
FROM message m LEFT JOIN run r ON r.id = m.run_id
WHERE m.conversation_id = %(source)s
  AND (m.turn, m.step) <= (%(turn)s, %(step)s)
  AND (r.id IS NULL OR r.status = ANY(%(ended)s) OR (%(is_named)s AND m.role = 'user'))
  AND (m.role = 'user' OR NOT EXISTS (
       SELECT 1 FROM run later WHERE later.conversation_id = %(source)s AND later.retry_of_id = r.id
       AND later.status = 'completed' AND later.turn <= %(turn)s))
"""

_COPY_SUMMARIES = """
INSERT INTO conversation_summary (conversation_id, through_turn, text)
SELECT %(target)s, through_turn - %(head)s, text FROM conversation_summary
WHERE conversation_id = %(source)s AND through_turn < %(turn)s
"""


class StillWritten(Conflict):
    """This answer is still being written: fork when its run has ended, or from an earlier message."""

    code = "message_open"


def fork_conversation(
    *, owner_id: int, session_id: str, message_id: UUID | None, now: datetime
) -> Conversation:
    """A copy of the conversation up to and including the message; without one, of all turns that have ended.

    Turns that are queued or running are left out; with a message named, their questions up to it are copied.
    """
    source = get_conversation(owner_id=owner_id, session_id=session_id)
    turn, step = _place(source, message_id)
    with transaction.atomic():
        fork = Conversation.objects.create(
            owner_id=owner_id,
            session_id=new_session_id(now),
            title=f"{(source.title or source.session_id)[:190]} (fork)",
            directory=source.directory,
            directory_device=source.directory_device,
            directory_inode=source.directory_inode,
            created_at=now,
            last_active=now,
        )
        with connection.cursor() as cursor:
            place = {
                "target": fork.id,
                "source": source.id,
                "head": source.head_seq,
                "turn": turn,
                "step": step,
            }
            ended = [status.value for status in sorted(TERMINAL)]
            cursor.execute(_COPY, {**place, "ended": ended, "is_named": message_id is not None})
            fork.message_count = cursor.rowcount
            cursor.execute(_COPY_SUMMARIES, place)
        Conversation.objects.filter(id=fork.id).update(message_count=fork.message_count)
        # What both conversations show belongs to the person from now on, not to the one that is deleted first.
        Artifact.objects.filter(conversation_id=source.id).update(conversation=None)
        payload = {
            "title": fork.title,
            "forked_from": source.session_id,
            "message_id": str(message_id) if message_id else None,
        }
        log.append(fork.id, EventType.CONVERSATION_CREATED, payload)
    return fork


def _place(source: Conversation, message_id: UUID | None) -> tuple[int, int]:
    """The (turn, step) of the last message to copy."""
    if message_id is None:
        return source.head_seq, Message.ANSWER_STEP
    message = Message.objects.filter(conversation_id=source.id, id=message_id).first()
    if message is None:
        raise MessageNotFound
    is_answer = message.role != Message.Role.USER
    if (
        is_answer
        and Run.objects.filter(id=message.run_id).exclude(status__in=[s.value for s in TERMINAL]).exists()
    ):
        raise StillWritten
    return message.turn, message.step
