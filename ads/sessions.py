"""Sessions with a business: begun with a capability, billed once when complete, paid out by their feedback.

The price is held from the first message on, by the clock of its book, and given back when the session is aborted or
nobody has said anything for half an hour. A completed session charges the advertiser; the platform has its fee at once,
the agent's share lies in escrow until the agent has said how it went.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from ads import billing, capabilities, charges, holds, ledger, responders, sentiment, shown_units, token_locks
from ads.billing import EventKind
from ads.capabilities import Capability
from ads.core import session_scripts
from ads.core.books import book_of
from ads.core.days import local_day
from ads.core.ids import Mark, new_id, read
from ads.core.micros import Pricing, Reaction, split_price
from ads.core.tokens import Environment
from ads.decision_records import IdempotencyMismatch
from ads.holds import HoldWish
from ads.models import AdUnit, Agent, Session, SessionMessage
from ads.responders import Reply, Talk
from penguin_site.errors import Conflict, Forbidden, InvalidField, InvalidRequest, NotFound

State = Session.State
Speaker = SessionMessage.Speaker
IDLE = timedelta(minutes=30)
# What a model is told of a long session.
REMEMBERED_MESSAGES = 40
MAX_MESSAGES = 200


class DuplicateSession(Conflict):
    """This capability has had its session."""

    code = "duplicate_session"


class DuplicateMessage(Conflict):
    """This message was sent before, and is being answered."""

    code = "duplicate_message"


class DuplicateEnd(Conflict):
    """This session was ended before."""

    code = "duplicate_session_end"


class DuplicateFeedback(Conflict):
    """There is feedback for this session already."""

    code = "duplicate_feedback"


class PriceChanged(Conflict):
    """The price is another one: it is the decision's, see details."""

    code = "price_changed"


class NotActive(InvalidRequest):
    """This session has ended."""


@dataclass(frozen=True, slots=True)
class Who:
    """The agent that asks, with its key's environment; `now` by the clock of its book."""

    agent: Agent
    environment: Environment
    now: datetime

    @property
    def book(self) -> str:
        return book_of(self.environment, self.agent.pk)


def start(
    capability_name: str,
    *,
    unit_id: str | None,
    price_cents: int | None,
    data: dict[str, Any],
    who: Who,
) -> tuple[Session, str]:
    """A new session and the business's first words. One for each capability."""
    capability = capabilities.find(capability_name, agent=who.agent, environment=who.environment, now=who.now)
    shown, campaign = capability.shown, capability.unit.campaign
    if unit_id is not None and unit_id != str(shown.unit_id):
        raise InvalidField("ad_unit_id", "is not the unit of this capability")
    if price_cents is not None and price_cents != shown.price_cents:
        raise PriceChanged(details={"clearing_price_cents": shown.price_cents})
    greeting = responders.answer(_talk(capability.unit, campaign.required_fields, data))
    with transaction.atomic():
        token_locks.take(shown.decision_id, shown.unit_id)
        first = Session.objects.filter(decision_id=shown.decision_id, unit_id=shown.unit_id).first()
        if first is not None:
            raise DuplicateSession(details={"session_id": str(first), "status": first.state})
        _hold(capability, who)
        if not billing.was_recorded(shown, EventKind.IMPRESSION):
            day = local_day(who.now, capability.time_zone)
            billing.record(shown, EventKind.IMPRESSION, day=day, occurred_at=who.now)
        session = Session(
            id=new_id(who.now),
            book=shown.book,
            agent=who.agent,
            campaign=campaign,
            decision_id=shown.decision_id,
            unit_id=shown.unit_id,
            required_fields=campaign.required_fields,
            structured_data=data,
            started_at=who.now,
            expires_at=who.now + IDLE,
        )
        session.save(force_insert=True)
        _take_in(session, greeting, who.now)
    return session, greeting.text


def say(
    session_id: str, *, text: str, data: dict[str, Any], key: str | None, who: Who
) -> tuple[Session, str]:
    """What the business answers to the user's message; the same answer again for one with the same key."""
    key_hash, content_hash = _hashes("message", key, [text, data])
    with transaction.atomic():
        session = _locked(session_id, who)
        if key_hash and (earlier := session.messages.filter(key_hash=key_hash).first()):
            return session, _answer_to(earlier, content_hash)
        is_over = _is_over(session, who.now)
        if not is_over:
            _check_active(session)
            if session.message_count >= MAX_MESSAGES:
                raise InvalidRequest(f"A session has at most {MAX_MESSAGES} messages: end it.")
            session.structured_data |= data
            asked_at = _append(session, Speaker.USER, text, who.now, key_hash, content_hash)
            session.save()
            if _has_hold(session):
                holds.extend(
                    decision_id=session.decision_id, unit_id=session.unit_id, expires_at=session.expires_at
                )
            talk = _talk_of(session)
    if is_over:
        raise NotActive(f"This session is {session.state}.", details={"status": session.state})
    reply = responders.answer(talk)
    with transaction.atomic():
        session = _locked(session_id, who)
        _check_active(session)
        _take_in(session, reply, who.now, answers=asked_at)
        return session, reply.text


def end(session_id: str, *, who: Who) -> Session:
    """Completed and billed when the business has all it asks for, else aborted. Once."""
    with transaction.atomic():
        session = _locked(session_id, who)
        if session.state in (State.COMPLETED, State.ABORTED):
            raise DuplicateEnd(details=ending_of(session))
        if session.state == State.ACTIVE and not _is_over(session, who.now):
            session.ended_at = who.now
            if pending_fields(session):
                session.state = State.ABORTED
                _release(session)
            else:
                session.state = State.COMPLETED
                session.escrow_micros = _bill(session, who.now)
            session.save()
    _check_ended(session)
    return session


def give_feedback(session_id: str, *, text: str, key: str | None, who: Who) -> Session:
    """Reads the feedback, drops it, and releases the agent's share; once."""
    reaction = sentiment.read(text)
    key_hash, content_hash = _hashes("feedback", key, [text])
    with transaction.atomic():
        session = _locked(session_id, who)
        if session.reaction:
            if key_hash is None or bytes(session.feedback_key_hash or b"") != key_hash:
                raise DuplicateFeedback(
                    details={"session_id": str(session), "sentiment_detected": session.reaction}
                )
            if bytes(session.feedback_hash or b"") != content_hash:
                raise IdempotencyMismatch
            return session
        if session.state != State.COMPLETED:
            raise InvalidRequest(
                f"Feedback is for completed sessions; this one is {session.state}.",
                details={"status": session.state},
            )
        _pay_out(session, reaction, who.now)
        session.feedback_key_hash, session.feedback_hash = key_hash, content_hash
        session.save()
        return session


def expire_idle(*, book: str, now: datetime) -> int:
    """Ends the sessions in which nobody has said anything for too long; how many. May run twice or at once."""
    idle = Session.objects.filter(book=book, state=State.ACTIVE, expires_at__lte=now)
    count = 0
    for pk in list(idle.order_by("expires_at").values_list("pk", flat=True)):
        with transaction.atomic():
            session = Session.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
            if session is not None and session.state == State.ACTIVE:
                count += _is_over(session, now)
    return count


def pending_fields(session: Session) -> list[str]:
    return session_scripts.pending(session.required_fields, session.structured_data)


def ending_of(session: Session) -> dict[str, Any]:
    """How a session ended, as its agent is told."""
    unit = AdUnit.objects.select_related("campaign__advertiser").get(pk=session.unit_id)
    sponsor = unit.campaign.advertiser.name
    return {
        "session_id": str(session),
        "status": session.state,
        "summary": session_scripts.summary(sponsor, session.required_fields, session.structured_data),
        "message_count": session.message_count,
        "total_tokens": session.total_tokens,
        "total_cost_usd": session.cost_micros / 1_000_000,
    }


def _locked(session_id: str, who: Who) -> Session:
    identifier = read(Mark.SESSION, session_id)
    found = identifier and Session.objects.select_for_update().filter(pk=identifier).first()
    if not found:
        raise NotFound("There is no such session.")
    if found.agent_id != who.agent.pk or found.book != who.book:
        raise Forbidden("This session belongs to another agent or environment.")
    return found


def _is_over(session: Session, now: datetime) -> bool:
    """Whether the time of an active session is over: then it is expired now, and what it held is free."""
    if session.state != State.ACTIVE or now < session.expires_at:
        return False
    session.state, session.ended_at = State.EXPIRED, now
    session.save()
    _release(session)
    return True


def _check_active(session: Session) -> None:
    if session.state != State.ACTIVE:
        raise NotActive(f"This session is {session.state}.", details={"status": session.state})


def _check_ended(session: Session) -> None:
    if session.state == State.EXPIRED:
        raise NotActive("This session has expired.", details={"status": session.state})


def _hold(capability: Capability, who: Who) -> None:
    shown = capability.shown
    if shown.pricing is not Pricing.SESSION:
        return
    wish = HoldWish(
        decision_id=shown.decision_id,
        unit_id=shown.unit_id,
        claim=shown.claim(local_day(who.now, capability.time_zone)),
        expires_at=who.now + IDLE,
    )
    if not holds.place([wish], book=shown.book, now=who.now)[0]:
        raise NotFound("This capability is not to be had any more: search again.")


def _has_hold(session: Session) -> bool:
    return session.campaign.pricing == Pricing.SESSION


def _release(session: Session) -> None:
    if _has_hold(session):
        holds.release(decision_id=session.decision_id, unit_id=session.unit_id)


def _bill(session: Session, now: datetime) -> int:
    """Charges the advertiser what was held; the agent's share, which waits for its feedback."""
    found = shown_units.find_by_ids(session.decision_id, session.unit_id)
    if found is None:
        return 0
    shown, time_zone = found
    if shown.pricing is not Pricing.SESSION:
        return 0
    recorded = billing.record(shown, EventKind.SESSION, day=local_day(now, time_zone), occurred_at=now)
    return split_price(shown.price_micros, shown.share_bps).agent_micros if recorded.is_billed else 0


def _pay_out(session: Session, reaction: Reaction, now: datetime) -> None:
    share = session.escrow_micros
    session.reaction, session.escrow_micros = reaction.value, 0
    if share:
        movement = ledger.Movement(
            kind=ledger.Kind.SESSION_PAYOUT,
            reference=charges.payout_reference(session),
            amounts={ledger.ESCROW: -share, ledger.agent_account(session.agent_id): share},
            decision_id=session.decision_id,
            unit_id=session.unit_id,
        )
        ledger.post([movement], book=session.book, now=now)


def _take_in(session: Session, reply: Reply, now: datetime, *, answers: int = 0) -> None:
    """Stores what the business has said and learned. What is known already stays: only the user changes it."""
    missing = pending_fields(session)
    session.structured_data |= {name: value for name, value in reply.data.items() if name in missing}
    session.total_tokens += reply.tokens
    session.cost_micros += reply.cost_micros
    _append(session, Speaker.BUSINESS, reply.text, now, answers=answers)
    session.save()


def _append(
    session: Session,
    speaker: SessionMessage.Speaker,
    text: str,
    now: datetime,
    key_hash: bytes | None = None,
    content_hash: bytes | None = None,
    *,
    answers: int = 0,
) -> int:
    """The message's position. The session lives on from here; the caller saves it."""
    session.message_count += 1
    session.expires_at = now + IDLE
    SessionMessage.objects.create(
        session=session,
        position=session.message_count,
        speaker=speaker,
        text=text,
        key_hash=key_hash,
        content_hash=content_hash,
        answers=answers or None,
        created_at=now,
    )
    return session.message_count


def _answer_to(earlier: SessionMessage, content_hash: bytes) -> str:
    if bytes(earlier.content_hash or b"") != content_hash:
        raise IdempotencyMismatch
    answer = SessionMessage.objects.filter(session_id=earlier.session_id, answers=earlier.position).first()
    if answer is None:
        raise DuplicateMessage
    return answer.text


def _talk(unit: AdUnit, required: list[str], data: Mapping[str, object]) -> Talk:
    advertiser = unit.campaign.advertiser
    return Talk(advertiser.name, f"{unit.title}: {unit.body}".rstrip("."), required, dict(data), [])


def _talk_of(session: Session) -> Talk:
    unit = AdUnit.objects.select_related("campaign__advertiser").get(pk=session.unit_id)
    newest = session.messages.order_by("-position").values_list("speaker", "text")[:REMEMBERED_MESSAGES]
    talk = _talk(unit, session.required_fields, session.structured_data)
    return replace(talk, said=list(reversed(newest)))


def _hashes(purpose: str, key: str | None, content: list[Any]) -> tuple[bytes | None, bytes]:
    """Of the name that the agent gave its request and of what it says: keyed, so that neither can be guessed."""

    def keyed(text: str) -> bytes:
        message = f"ad session {purpose}:{text}".encode()
        return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).digest()

    return keyed(f"key:{key}") if key else None, keyed(f"content:{content!r}")
