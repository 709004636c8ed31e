"""Ads beside answers: where both switches are on, one in five messages at most, until one is dismissed.

Nothing of a message is read for it, and nothing given to the marketplace, unless its person has switched ads on for
themselves and for the conversation.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from ads import features, house_agent
from ads.house_agent import Suggestion
from ads.models import FeatureSwitch
from conversations import log
from conversations.core.log_events import EventType
from conversations.models import Conversation, Message, SponsoredSuggestion, SponsoredWish
from conversations.transcripts import get_message
from penguin_site.errors import DomainError, NotFound

logger = logging.getLogger(__name__)

# From one ad to the next; counted are messages of the person.
MESSAGES_APART = 5


class NothingSponsored(NotFound):
    """This message has no sponsored suggestion."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that is being written, and to what."""

    conversation_id: int
    message_id: UUID
    question_id: UUID


# The switches


def is_allowed(user_id: int) -> bool:
    return SponsoredWish.objects.filter(user_id=user_id, is_on=True).exists()


def allow(*, user_id: int, is_on: bool, now: datetime) -> bool:
    """Switches ads on or off for all conversations of a person; in each they have to be on, too."""
    SponsoredWish.objects.update_or_create(user_id=user_id, defaults={"is_on": is_on, "updated_at": now})
    return is_on


def _with_both_switches_on(conversation_id: int) -> QuerySet[Conversation]:
    allowed = SponsoredWish.objects.filter(user_id=OuterRef("owner_id"), is_on=True)
    return Conversation.objects.filter(Exists(allowed), pk=conversation_id, sponsored=True)


# Beside an answer


def suggest(answer: Answer, *, until: float, now: datetime) -> Suggestion | None:
    """What fits the message that is answered. None also when the marketplace fails: an answer needs no ad.

    `until` is by time.monotonic. Nothing is promised yet: `take` decides whether it is shown.
    """
    try:
        conversation = _with_both_switches_on(answer.conversation_id).first()
        if conversation is None:
            return None
        last = conversation.last_sponsored
        if last is not None and _number(answer) < last + MESSAGES_APART:
            return None
        return house_agent.suggest(
            text=Message.objects.get(pk=answer.question_id).content,
            user=str(conversation.owner_id),
            request_name=str(answer.message_id),
            until=until,
            origin=_origin(),
            now=now,
        )
    except Exception:
        logger.exception("No sponsored suggestion could be made for an answer.")
        return None


def take(answer: Answer, suggestion: Suggestion) -> list[dict[str, Any]] | None:
    """The units that the answer may carry, written down for it; None when it may not, any more.

    The conversation's row decides: whoever comes second finds that it was changed. An answer that is ended again, after
    its worker was lost, gets what was written down for it before.
    """
    try:
        return _take(answer, suggestion)
    except Exception:
        logger.exception("A sponsored suggestion could not be stored.")
        return None


def _take(answer: Answer, suggestion: Suggestion) -> list[dict[str, Any]] | None:
    number = _number(answer)
    with transaction.atomic():
        conversations = _with_both_switches_on(answer.conversation_id)
        if conversations.select_for_update(of=("self",)).first() is None:
            return None
        known = SponsoredSuggestion.objects.filter(message_id=answer.message_id).first()
        if known:
            return None if known.dismissed_at else known.units
        is_far_enough = Q(last_sponsored=None) | Q(last_sponsored__lte=number - MESSAGES_APART)
        if not conversations.filter(is_far_enough).update(last_sponsored=number):
            return None
        SponsoredSuggestion.objects.create(
            message_id=answer.message_id,
            conversation_id=answer.conversation_id,
            number=number,
            environment=suggestion.environment,
            units=suggestion.units,
        )
    return suggestion.units


def _number(answer: Answer) -> int:
    """Which message of its person is answered, from 1. A retry answers the same one again."""
    question = Message.objects.filter(pk=answer.question_id).values("turn")
    said = Message.objects.filter(conversation_id=answer.conversation_id, role=Message.Role.USER, step=0)
    return said.filter(turn__lte=question).count()


def _origin() -> str:
    """Where clicks go. A worker has been asked nothing that would tell its own address."""
    if settings.PENGUIN_PUBLIC_URL:
        return settings.PENGUIN_PUBLIC_URL
    host = settings.PENGUIN_HOST if settings.PENGUIN_HOST not in ("0.0.0.0", "::", "") else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.PENGUIN_PORT}"


# What becomes of it


def see(*, owner_id: int, message_id: UUID, now: datetime) -> SponsoredSuggestion:
    """Its card was seen: told to the marketplace as an impression, once."""
    suggestion = _find(owner_id, message_id)
    SponsoredSuggestion.objects.filter(pk=suggestion.pk, shown_at=None).update(shown_at=now)
    _tell("impression", suggestion, now)
    return _find(owner_id, message_id)


_MARK_DISMISSED = "UPDATE message SET metadata = metadata || '{\"sponsored_dismissed\": true}' WHERE id = %s"


def dismiss(*, owner_id: int, message_id: UUID, now: datetime) -> SponsoredSuggestion:
    """Takes it away, and switches ads off for its conversation until its person switches them on again."""
    suggestion = _find(owner_id, message_id)
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=suggestion.conversation_id)
        is_first = SponsoredSuggestion.objects.filter(pk=suggestion.pk, dismissed_at=None).update(
            dismissed_at=now
        )
        if is_first:
            with connection.cursor() as cursor:
                cursor.execute(_MARK_DISMISSED, [message_id])
        if is_first and conversation.sponsored:
            log.append(conversation.pk, EventType.CONVERSATION_UPDATED, {"sponsored": False})
            Conversation.objects.filter(pk=conversation.pk).update(sponsored=False)
    _tell("dismiss", suggestion, now)
    return _find(owner_id, message_id)


def _find(owner_id: int, message_id: UUID) -> SponsoredSuggestion:
    get_message(owner_id=owner_id, message_id=message_id)
    suggestion = SponsoredSuggestion.objects.filter(message_id=message_id).first()
    if suggestion is None:
        raise NothingSponsored
    return suggestion


def _tell(kind: str, suggestion: SponsoredSuggestion, now: datetime) -> None:
    if FeatureSwitch.Feature.EVENTS.value in features.switched_off():
        return
    try:
        for position, unit in enumerate(suggestion.units):
            house_agent.tell(
                kind=kind,
                name=f"{suggestion.message_id}:{position}",
                unit=unit,
                environment=suggestion.environment,
                now=now,
            )
    except DomainError as error:  # its decision is not kept any more
        logger.info("The marketplace was not told of a sponsored suggestion: %s", error.message)
