"""Traffic that nobody should pay for: recognised at the click, or found later and then taken back.

Who causes it learns nothing of the rules: an address leads on as ever, and a report says no more than "invalid".
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from ads import charges, ledger, rollups
from ads.budgets import Claim
from ads.core.books import LIVE
from ads.core.days import local_day
from ads.models import AdEvent, Advertiser, Hold, InvalidMark

Rule = InvalidMark.Rule
# One visitor's billed clicks that count in an hour; people do not click on so many ads.
CLICKS_AN_HOUR = 30
HOUR = timedelta(hours=1)
BATCH = 500
NOTE = "invalid traffic"


def visitor_hash(address: str, *, now: datetime) -> bytes | None:
    """Who comes from this address today. Tomorrow the same address has another hash, so nobody can be followed.

    None for addresses of a private network or of this machine: behind them stand many, or a test.
    """
    try:
        if not ipaddress.ip_address(address).is_global:
            return None
    except ValueError:
        return None
    text = f"ads visitor:{now.astimezone(UTC).date()}:{address}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).digest()


def is_crowded(visitor: bytes | None, *, book: str, now: datetime) -> bool:
    """Whether a visitor has clicked on so many ads in the last hour that the next click is none."""
    if visitor is None:
        return False
    clicks = AdEvent.objects.filter(
        visitor_hash=visitor, book=book, kind=AdEvent.Kind.CLICK, is_billed=True, occurred_at__gt=now - HOUR
    )
    return clicks[: CLICKS_AN_HOUR + 1].count() >= CLICKS_AN_HOUR


@dataclass(frozen=True, slots=True)
class Range:
    """Live events that staff found to be invalid: of an agent, a campaign or both, from one moment until another."""

    since: datetime
    until: datetime
    agent_id: UUID | None = None
    campaign_id: UUID | None = None


def mark_range(
    found: Range, *, note: str, now: datetime, after_batch: Callable[[int], None] = lambda count: None
) -> int:
    """Marks all events of the range and takes the money back; how many events. May be run again.

    `after_batch` is told how many were marked by each of its transactions.
    """
    if found.agent_id is None and found.campaign_id is None:
        raise ValueError("of an agent, of a campaign, or both")
    events = AdEvent.objects.filter(
        book=LIVE, occurred_at__gte=found.since, occurred_at__lt=found.until, decision_id__isnull=False
    )
    if found.agent_id:
        events = events.filter(agent_id=found.agent_id)
    if found.campaign_id:
        events = events.filter(campaign_id=found.campaign_id)
    count = 0
    while batch := list(
        events.exclude(id__in=InvalidMark.objects.values("event_id")).order_by("advertiser_id", "id")[:BATCH]
    ):
        marked = mark(batch, rule=Rule.STAFF, note=note, now=now)
        after_batch(marked)
        count += marked
    return count


def look_again(*, now: datetime) -> int:
    """Marks what passed at the click because many came at once; how many. May run twice, or late by a day."""
    with connection.cursor() as cursor:
        cursor.execute(_CROWDED, {"since": now - timedelta(days=1), "most": CLICKS_AN_HOUR})
        found = [event_id for (event_id,) in cursor.fetchall()]
    crowded = AdEvent.objects.filter(id__in=found).order_by("advertiser_id", "id")
    return mark(list(crowded), rule=Rule.CROWDED, note="", now=now)


# Clicks that were billed although as many as count in an hour had been billed to this visitor before.
_CROWDED = """
SELECT e.id FROM ad_event e
WHERE e.book = 'live' AND e.kind = 'click' AND e.is_billed AND e.visitor_hash IS NOT NULL AND e.occurred_at >= %(since)s
    AND NOT EXISTS (SELECT FROM ad_invalid_mark m WHERE m.event_id = e.id)
    AND (SELECT count(*) FROM ad_event f WHERE f.visitor_hash = e.visitor_hash AND f.book = 'live' AND f.kind = 'click'
            AND f.is_billed AND f.occurred_at > e.occurred_at - interval '1 hour'
            AND (f.occurred_at, f.id) < (e.occurred_at, e.id)) >= %(most)s
"""


def mark(events: Sequence[AdEvent], *, rule: InvalidMark.Rule, note: str, now: datetime) -> int:
    """Marks events, takes back what was paid for them, and corrects the days' figures; how many were new."""
    with transaction.atomic():
        marked = 0
        days = set()
        for event in events:
            _, is_new = InvalidMark.objects.get_or_create(
                event_id=event.id,
                defaults={"month": event.month, "rule": rule, "note": note, "marked_at": now},
            )
            if is_new:
                marked += 1
                days.add(event.occurred_at.astimezone(UTC).date())
                _take_back(event, now=now)
        rollups.refresh(days, now=now)
        return marked


def _take_back(event: AdEvent, *, now: datetime) -> None:
    if event.transaction_id is None:
        return
    claim = Claim(event.advertiser_id, event.campaign_id, _day_of(event), event.price_micros)
    try:
        reversal = charges.take_back(event.transaction_id, claim, note=NOTE, now=now)
    except ledger.AlreadyReversed:
        return
    InvalidMark.objects.filter(event_id=event.id).update(reversal_id=reversal)


def _day_of(event: AdEvent) -> date:
    """On which day of the campaign's budget the event was paid."""
    hold = Hold.objects.filter(
        decision_id=event.decision_id, unit_id=event.unit_id, state=Hold.State.CAPTURED
    ).first()
    if hold is not None:
        return hold.day
    zone = Advertiser.objects.values_list("time_zone", flat=True).get(pk=event.advertiser_id)
    return local_day(event.occurred_at, zone)
