"""Events that agents report: each of their event ids once, with the first answer to its repetition."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from ads import ad_tokens, billing, event_batches, event_records, holds, shown_units
from ads.billing import EventKind
from ads.core.books import book_of
from ads.core.days import local_day
from ads.core.ids import month_of, new_id
from ads.core.tokens import BadToken, Environment, TokenFacts, Window
from ads.models import AdEvent, AdUnit, Agent, EventId
from penguin_site.errors import Conflict, Forbidden, InvalidField, NotFound

AHEAD = timedelta(minutes=5)
_WINDOWS = {EventKind.IMPRESSION: Window.IMPRESSION, EventKind.CONVERSION: Window.CONVERSION}
# A click counts by its signed address alone; what an agent reports of one is kept under another name.
_KINDS = {"click": EventKind.REPORTED_CLICK}


class DuplicateEvent(Conflict):
    """This event id was used for another event before."""

    code = "duplicate_event"


@dataclass(frozen=True, slots=True)
class Report:
    """An event as it was reported. `unit_id` empty: the token says which. `content` is all of it, to compare with."""

    event_id: str
    event_type: str
    occurred_at: datetime
    unit_id: str
    tracking_token: str
    metadata: dict[str, Any] | None
    content: dict[str, Any]


# Whoever comes second with an id waits here until the first has committed, and then gets no row.
_CLAIM = """
INSERT INTO ad_event_id (agent_id, event_id, body_hash, answer, created_at)
VALUES (%s, %s, %s, 'null', clock_timestamp()) ON CONFLICT DO NOTHING RETURNING id
"""


def accept(report: Report, *, agent: Agent, environment: Environment, now: datetime) -> dict[str, Any]:
    """Stores the event and bills what is to be billed; `{"accepted", "billable", "reason"?}`. `now` by its clock."""
    if report.occurred_at > now + AHEAD:
        raise InvalidField("occurred_at", "must not lie in the future")
    body_hash = hashlib.sha256(json.dumps(report.content, sort_keys=True).encode()).digest()
    if report.tracking_token:
        facts = facts_for(report.tracking_token, agent, environment)
        _check_unit(report, facts)
        with suppress(event_records.TakeTheLongWay):
            return _accept_tracked(report, facts, agent, environment, body_hash, now)
    with transaction.atomic():
        if report.tracking_token and kind_of(report) is EventKind.IMPRESSION:
            # The hold before the id, as `event_records.py` does: a report that comes twice must not cross with itself.
            holds.lock(decision_id=UUID(facts.decision_id), unit_id=UUID(facts.unit_id))
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [agent.pk, f"{environment}:{report.event_id}", body_hash])
            claimed = cursor.fetchone()
        if claimed is None:
            return _first_answer(agent, environment, report, body_hash)
        answer = _store(report, agent, environment, now)
        EventId.objects.filter(pk=claimed[0]).update(answer=answer)
        return answer


def _accept_tracked(
    report: Report, facts: TokenFacts, agent: Agent, environment: Environment, body_hash: bytes, now: datetime
) -> dict[str, Any]:
    """One statement for all of it, and for whatever else is reported at the moment."""
    kind = kind_of(report)
    stored = event_batches.store(
        event_records.TokenReport(
            event_id=f"{environment}:{report.event_id}",
            body_hash=body_hash,
            kind=kind,
            occurred_at=now,
            refusal=_refusal(kind, facts, now),
            metadata=report.metadata,
            facts=facts,
        ),
        book=book_of(environment, agent.pk),
    )
    if stored is None:
        raise NotFound
    if not stored.is_first:
        return _first_answer(agent, environment, report, body_hash)
    return _answer(stored.is_billed, stored.reason)


def kind_of(report: Report) -> AdEvent.Kind:
    return _KINDS.get(report.event_type) or EventKind(report.event_type)


def _refusal(kind: AdEvent.Kind, facts: TokenFacts, now: datetime) -> str:
    window = _WINDOWS.get(kind)
    return "" if window is None or facts.is_alive(window, int(now.timestamp())) else "late"


def _answer(is_billed: bool, reason: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"accepted": True, "billable": is_billed}
    return answer | {"reason": reason} if reason else answer


def _check_unit(report: Report, facts: TokenFacts) -> None:
    """A unit that is named must be the token's."""
    if report.unit_id and _unit_id(report.unit_id) != UUID(facts.unit_id):
        _known_unit(report.unit_id)
        raise InvalidField("unit_id", "is not the unit of this tracking_token")


def _first_answer(agent: Agent, environment: Environment, report: Report, body_hash: bytes) -> dict[str, Any]:
    first = EventId.objects.get(agent=agent, event_id=f"{environment}:{report.event_id}")
    if bytes(first.body_hash) != body_hash:
        raise DuplicateEvent(details=first.answer)
    return first.answer


def _store(report: Report, agent: Agent, environment: Environment, now: datetime) -> dict[str, Any]:
    kind = kind_of(report)
    metadata = None if report.metadata is None else json.dumps(report.metadata)
    if not report.tracking_token:
        _store_untracked(report, kind, agent, environment, metadata)
        return _answer(False, "no_token")
    facts = facts_for(report.tracking_token, agent, environment)
    found = shown_units.find(facts)
    if found is None:
        raise NotFound
    shown, zone = found
    recorded = billing.record(
        shown,
        kind,
        day=local_day(now, zone),
        occurred_at=now,
        refusal=_refusal(kind, facts, now),
        metadata=metadata,
    )
    return _answer(recorded.is_billed, recorded.reason)


def facts_for(tracking_token: str, agent: Agent, environment: Environment) -> TokenFacts:
    """What a tracking token says, to the agent that it was given to."""
    try:
        facts = ad_tokens.read_tracking(tracking_token)
    except BadToken:
        raise NotFound("There is no such tracking token.") from None
    if UUID(facts.agent_id) != agent.pk or facts.environment is not environment:
        raise Forbidden("This tracking token was given to another agent or environment.")
    return facts


def _store_untracked(
    report: Report, kind: AdEvent.Kind, agent: Agent, environment: Environment, metadata: str | None
) -> None:
    unit = _known_unit(report.unit_id)
    identifier = new_id(timezone.now())
    AdEvent.objects.create(
        month=month_of(identifier),
        id=identifier,
        kind=kind,
        book=book_of(environment, agent.pk),
        agent=agent,
        unit_id=unit.pk,
        campaign_id=unit.campaign_id,
        advertiser_id=unit.campaign.advertiser_id,
        is_billed=False,
        price_micros=0,
        reason="no_token",
        occurred_at=report.occurred_at,
        received_at=timezone.now(),
        metadata=None if metadata is None else json.loads(metadata),
    )


def _known_unit(unit_id: str) -> AdUnit:
    identifier = _unit_id(unit_id)
    unit = identifier and AdUnit.objects.select_related("campaign").filter(pk=identifier).first()
    if not unit:
        raise NotFound("There is no such ad unit.")
    return unit


def _unit_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
