"""Feedback: how a user took an ad, by the agent's word or read from the user's; once for each shown unit."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from ads import bonuses, reported_events, sentiment, shown_units, token_locks
from ads.core.ids import Mark, new_id, shown
from ads.core.micros import NEGATIVE_BONUS_BPS, POSITIVE_BONUS_BPS, Reaction
from ads.core.tokens import LIFETIME_SECONDS, Environment, TokenFacts, Window
from ads.decision_records import IdempotencyMismatch
from ads.models import AdEvent, Agent, Feedback
from ads.shown_units import ShownUnit
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField, NotFound

GIVEN_WITHIN = timedelta(seconds=LIFETIME_SECONDS[Window.FEEDBACK])
MAX_REASON = 300
RESOLVED_AFTER = timedelta(days=7)
_BONUSES = {Reaction.POSITIVE: POSITIVE_BONUS_BPS, Reaction.NEGATIVE: NEGATIVE_BONUS_BPS}


class AlreadyVoid(Conflict):
    """This prediction was declared void before."""

    code = "already_void"


class DuplicateFeedback(Conflict):
    """There is feedback for this tracking token already."""

    code = "duplicate_feedback"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the agent sends: a reaction, or the user's words to read one from. `content` is all of it, to compare."""

    tracking_token: str
    reaction: Reaction | None
    user_response: str
    key: str
    content: dict[str, Any]


def give(opinion: Opinion, *, agent: Agent, environment: Environment, now: datetime) -> Feedback:
    """Stores the feedback and opens its bonus; repeated with the same key: the first one. `now` by its clock."""
    facts = reported_events.facts_for(opinion.tracking_token, agent, environment)
    found = shown_units.find(facts)
    if found is None:
        raise NotFound
    unit, _ = found
    # Not inside the transaction: reading takes a moment, and the token's click would wait for it.
    reaction = opinion.reaction or sentiment.read(opinion.user_response)
    key_hash = _keyed_hash("key", opinion.key) if opinion.key else None
    content_hash = _keyed_hash("content", json.dumps(opinion.content, sort_keys=True))
    with transaction.atomic():
        token_locks.take(unit.decision_id, unit.unit_id)
        first = Feedback.objects.filter(decision_id=unit.decision_id, unit_id=unit.unit_id).first()
        if first is not None:
            return _again(first, key_hash, content_hash)
        began_at = _began_at(unit, facts)
        if now > began_at + GIVEN_WITHIN:
            raise InvalidField(
                "tracking_token", "is too old: feedback is taken for 24 hours after the impression"
            )
        feedback = Feedback(
            id=new_id(now),
            agent=agent,
            book=unit.book,
            decision_id=unit.decision_id,
            unit_id=unit.unit_id,
            reaction=reaction.value,
            is_detected=opinion.reaction is None,
            key_hash=key_hash,
            content_hash=content_hash,
            resolves_at=began_at + RESOLVED_AFTER,
            created_at=now,
        )
        try:
            with transaction.atomic():
                feedback.save(force_insert=True)
        except IntegrityError:
            # The token's lock is ours, so it is the key that was used before, for another token.
            raise IdempotencyMismatch from None
        bonuses.open_after_feedback(feedback, share_bps=unit.share_bps, now=now)
        return feedback


def void(feedback: Feedback, *, reason: str, now: datetime, actor: Any = None, request: Any = None) -> None:
    """Staff declares a prediction void: it counts for nothing, and its bonus, paid or not, is the platform's again."""
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise InvalidField("reason", f"must say why, in at most {MAX_REASON} characters")
    with transaction.atomic():
        # A click of this token that is being billed has opened its bonus by then, or opens none.
        token_locks.take(feedback.decision_id, feedback.unit_id)
        voided = Feedback.objects.filter(pk=feedback.pk, voided_at=None).update(
            voided_at=now, void_reason=reason
        )
        if not voided:
            raise AlreadyVoid
        bonuses.take_back(feedback.decision_id, feedback.unit_id, now=now)
        audit.record(actor, "ad_feedback.voided", feedback, after={"reason": reason}, request=request)


def potential_bonus(reaction: str) -> str:
    """In percent of the agent's share of the click."""
    return f"{_BONUSES.get(Reaction(reaction), 0) // 100}%"


def as_result(feedback: Feedback) -> dict[str, Any]:
    """What the agent is told of it, the first time and later."""
    return {
        "feedback_id": shown(Mark.EVENT, feedback.pk),
        "resolution_date": feedback.resolves_at.astimezone(UTC).date().isoformat(),
        "potential_bonus": potential_bonus(feedback.reaction),
        "sentiment_detected": feedback.reaction,
    }


def _again(first: Feedback, key_hash: bytes | None, content_hash: bytes) -> Feedback:
    if key_hash is None or first.key_hash is None or bytes(first.key_hash) != key_hash:
        raise DuplicateFeedback(details=as_result(first))
    if bytes(first.content_hash) != content_hash:
        raise IdempotencyMismatch
    return first


def _began_at(unit: ShownUnit, facts: TokenFacts) -> datetime:
    """When the user has seen it; the decision's time as long as no impression was reported."""
    seen_at = (
        AdEvent.objects.filter(
            month=unit.month,
            decision_id=unit.decision_id,
            unit_id=unit.unit_id,
            kind=AdEvent.Kind.IMPRESSION,
        )
        .exclude(reason="late")
        .order_by("occurred_at")
        .values_list("occurred_at", flat=True)
        .first()
    )
    return seen_at or datetime.fromtimestamp(facts.issued_at, UTC)


def _keyed_hash(purpose: str, text: str) -> bytes:
    # Keyed, as short answers of users could be guessed from a plain hash.
    return hmac.new(
        settings.SECRET_KEY.encode(), f"ad feedback {purpose}:{text}".encode(), hashlib.sha256
    ).digest()
