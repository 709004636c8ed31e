"""Checking messages after they were stored: every one of them, by the rules in force.

A message without `checked_at` is still to be checked, so nothing is lost when a process is. Two that check the same
message at once do the same, and one of them stores it.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction

from conversations import holds
from conversations.core.moderation import Hold, excerpt_around
from conversations.core.run_states import TERMINAL, RunStatus
from conversations.core.transcript import complete_texts
from conversations.models import Message, ModerationFlag, ModerationRule, Run
from conversations.moderation_rules import Finding, NoEmbeddings, check, rules_in_force

logger = logging.getLogger(__name__)

BATCH = 100
# In one go, so that other chores have their turn; the next go is soon.
MOST_AT_ONCE = 2_000
_FIRST = UUID(int=0)
_COLUMNS = "m.id, m.conversation_id, m.owner_id, m.role, m.content, m.parts, m.metadata, m.run_id"

# An answer is complete when its run has ended; a copied one has no run. Served by the index `message_unchecked`.
_UNCHECKED = f"""
SELECT {_COLUMNS} FROM message m LEFT JOIN run r ON r.id = m.run_id
WHERE m.checked_at IS NULL AND NOT (m.role = 'tool') AND m.id > %(after)s
  AND (m.role = 'user' OR r.id IS NULL OR r.status = ANY(%(ended)s))
ORDER BY m.id LIMIT {BATCH}
"""


def check_new(*, now: datetime) -> int:
    """Checks the messages that are to be checked; how many were. What cannot be checked is left for the next time."""
    checked = 0
    for messages in islice(_unchecked(), MOST_AT_ONCE // BATCH):
        rules = rules_in_force()
        for message in messages:
            checked += _check(message, rules, now=now)
    check_held(now=now)
    return checked


def check_held(*, now: datetime) -> int:
    """Checks the messages whose runs wait for it; how many runs waited."""
    waiting = Run.objects.filter(hold=Hold.CHECK.value, status=RunStatus.QUEUED.value).order_by("queued_at")
    ids = list(waiting.values_list("input_message_id", flat=True)[:BATCH])
    if not ids:
        return 0
    rules = rules_in_force()
    for message in Message.objects.filter(id__in=ids):
        if message.checked_at is not None or _check(message, rules, now=now):
            holds.settle(message.id)
    return len(ids)


def _unchecked() -> Iterator[list[Message]]:
    after, ended = _FIRST, [status.value for status in sorted(TERMINAL)]
    while found := list(Message.objects.raw(_UNCHECKED, {"after": after, "ended": ended})):
        yield found
        after = found[-1].id


def _check(message: Message, rules: Sequence[ModerationRule], *, now: datetime) -> bool:
    """Whether the message counts as checked now. Nothing slow happens inside the transaction."""
    try:
        findings = (
            [] if message.metadata.get("hidden") else check(_text(message), role=message.role, rules=rules)
        )
    except NoEmbeddings as error:
        logger.warning("Message %s is not checked yet: %s", message.id, error.message)
        return False
    except Exception:
        # One text that a check fails on must not keep all others from being checked. It is tried again.
        logger.exception("Message %s could not be checked.", message.id)
        return False
    _store(message, findings, now=now)
    holds.settle(message.id)
    return True


def _store(message: Message, findings: Sequence[Finding], *, now: datetime) -> None:
    text = _text(message)
    with transaction.atomic():
        if not Message.objects.filter(id=message.id, checked_at__isnull=True).update(checked_at=now):
            return  # somebody else has checked it, or it was deleted
        ModerationFlag.objects.bulk_create(
            [_flag(message, finding, text, now=now) for finding in findings], ignore_conflicts=True
        )


def _flag(message: Message, finding: Finding, text: str, *, now: datetime) -> ModerationFlag:
    excerpt = excerpt_around(text, finding.hit)
    return ModerationFlag(
        message_id=message.id,
        conversation_id=message.conversation_id,
        author_id=message.owner_id,
        rule=finding.rule,
        score=round(finding.hit.score, 4),
        excerpt=excerpt.text,
        hit_start=excerpt.hit_start,
        hit_end=excerpt.hit_end,
        created_at=now,
    )


def _text(message: Any) -> str:
    """What was said: of an answer what each of its model calls has said."""
    if message.role == Message.Role.USER:
        return str(message.content)
    texts = list(complete_texts(message.parts).values())
    return "\n\n".join(texts) if any(texts) else str(message.content)
