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
from conversations.core.attached_texts import attached_texts
from conversations.core.moderation import OF_TYPED_TEXT, Excerpt, Hold, excerpt_around
from conversations.core.run_states import TERMINAL, RunStatus
from conversations.core.transcript import complete_texts
from conversations.models import Message, ModerationFlag, ModerationRule, Run
from conversations.moderation_rules import Finding, NoEmbeddings, check, rules_in_force

logger = logging.getLogger(__name__)

BATCH = 100
# In one go, so that other chores have their turn; the next go is soon.
MOST_AT_ONCE = 2_000
# So much of a file's name stands in front of an excerpt of it.
MOST_OF_NAME = 80
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
        found = [] if message.metadata.get("hidden") else _found(message, rules)
    except NoEmbeddings as error:
        logger.warning("Message %s is not checked yet: %s", message.id, error.message)
        return False
    except Exception:
        # One text that a check fails on must not keep all others from being checked. It is tried again.
        logger.exception("Message %s could not be checked.", message.id)
        return False
    _store(message, found, now=now)
    holds.settle(message.id)
    return True


def _found(message: Message, rules: Sequence[ModerationRule]) -> list[tuple[Finding, Excerpt]]:
    """Of each rule that is hit its surest hit, in what was said or else in what is attached."""
    text = _text(message)
    found = {
        finding.rule.pk: (finding, excerpt_around(text, finding.hit))
        for finding in check(text, role=message.role, rules=rules)
    }
    if message.role != Message.Role.USER:
        return list(found.values())
    of_files = [rule for rule in rules if rule.kind not in OF_TYPED_TEXT]
    for attached in attached_texts(message.parts):
        for finding in check(attached.checked, role=message.role, rules=of_files):
            known = found.get(finding.rule.pk)
            if known is None or known[0].hit.score < finding.hit.score:
                excerpt = excerpt_around(attached.checked, finding.hit)
                found[finding.rule.pk] = (finding, excerpt.named(attached.name[:MOST_OF_NAME]))
    return list(found.values())


def _store(message: Message, found: Sequence[tuple[Finding, Excerpt]], *, now: datetime) -> None:
    with transaction.atomic():
        if not Message.objects.filter(id=message.id, checked_at__isnull=True).update(checked_at=now):
            return  # somebody else has checked it, or it was deleted
        ModerationFlag.objects.bulk_create(
            [_flag(message, finding, excerpt, now=now) for finding, excerpt in found], ignore_conflicts=True
        )


def _flag(message: Message, finding: Finding, excerpt: Excerpt, *, now: datetime) -> ModerationFlag:
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
