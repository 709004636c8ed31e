"""Ranges of traffic that staff takes back: first what it would mean, then a wish that the worker fulfils in batches."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from ads import invalid_traffic
from ads.invalid_traffic import Range
from ads.models import Agent, Campaign, TrafficReversal
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField

MAX_NOTE = 200
_LOCK = 0x61647472


class PreviewChanged(Conflict):
    """The range holds other events now than the preview has shown: look again."""

    code = "preview_changed"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a reversal would take back, in micros; `events` by kind. Of what was taken back before there is nothing."""

    events: dict[str, int]
    billed: int
    charged_micros: int
    earned_micros: int
    bonus_micros: int
    advertisers: int
    agents: int

    @property
    def count(self) -> int:
        return sum(self.events.values())


_IN_RANGE = """
SELECT e.* FROM ad_event e
WHERE e.book = 'live' AND e.occurred_at >= %(since)s AND e.occurred_at < %(until)s AND e.decision_id IS NOT NULL
    AND (%(agent)s::uuid IS NULL OR e.agent_id = %(agent)s)
    AND (%(campaign)s::uuid IS NULL OR e.campaign_id = %(campaign)s)
    AND NOT EXISTS (SELECT FROM ad_invalid_mark m WHERE m.event_id = e.id)"""
_KINDS = f"SELECT kind, count(*) FROM ({_IN_RANGE}) AS e GROUP BY kind ORDER BY kind"
_MONEY = f"""
WITH billed AS (
    SELECT e.* FROM ({_IN_RANGE}) AS e WHERE e.transaction_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM ad_ledger_transaction r WHERE r.reverses_id = e.transaction_id)
)
SELECT count(*), coalesce(sum(price_micros), 0)::bigint, count(DISTINCT advertiser_id), count(DISTINCT agent_id),
    coalesce((SELECT sum(p.amount_micros) FROM billed b JOIN ad_posting p ON p.transaction_id = b.transaction_id
        JOIN ad_account a ON a.id = p.account_id WHERE a.kind = 'agent'), 0)::bigint,
    coalesce((SELECT sum(o.amount_micros) FROM billed b JOIN ad_feedback f ON f.decision_id = b.decision_id
        AND f.unit_id = b.unit_id JOIN ad_bonus o ON o.feedback_id = f.id WHERE o.state <> 'returned'), 0)::bigint
FROM billed
"""


def preview(found: Range) -> Preview:
    values = {
        "since": found.since, "until": found.until, "agent": found.agent_id, "campaign": found.campaign_id
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_KINDS, values)
        events = dict(cursor.fetchall())
        cursor.execute(_MONEY, values)
        billed, charged, advertisers, agents, earned, bonus = cursor.fetchone()
    return Preview(events, billed, charged, earned, bonus, advertisers, agents)


def ask(
    found: Range, *, note: str, expected_count: int, now: datetime, actor: Any = None, request: Any = None
) -> TrafficReversal:
    """Asks for a reversal of what a preview has shown. PreviewChanged when the range holds something else by now."""
    check(found, note, now)
    if preview(found).count != expected_count:
        raise PreviewChanged
    with transaction.atomic():
        made = TrafficReversal.objects.create(
            since=found.since,
            until=found.until,
            agent_id=found.agent_id,
            campaign_id=found.campaign_id,
            note=note,
            expected_count=expected_count,
            asked_by=actor,
            asked_at=now,
        )
        facts = {
            "since": found.since, "until": found.until, "agent": found.agent_id, "campaign": found.campaign_id,
            "events": expected_count, "note": note,
        }  # fmt: skip
        audit.record(actor, "invalid_traffic.taken_back", made, after=facts, request=request)
    return made


def check(found: Range, note: str, now: datetime) -> None:
    """Raises InvalidField for what nobody can want. A range ends in the past: what was shown stays what it is."""
    if found.agent_id is None and found.campaign_id is None:
        raise InvalidField("agent", "or a campaign must be named")
    if found.until <= found.since:
        raise InvalidField("until", "must be after the beginning")
    if found.until > now:
        raise InvalidField("until", "must not lie in the future")
    if not note.strip() or len(note) > MAX_NOTE:
        raise InvalidField("note", f"must say why, in at most {MAX_NOTE} characters")
    if found.agent_id and not Agent.objects.filter(pk=found.agent_id).exists():
        raise InvalidField("agent", "is unknown")
    if found.campaign_id and not Campaign.objects.filter(pk=found.campaign_id).exists():
        raise InvalidField("campaign", "is unknown")


def fulfil(*, now: datetime) -> int:
    """Takes back what was asked for; how many events. One process does it; if it dies, another goes on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    try:
        waiting = TrafficReversal.objects.filter(finished_at=None).order_by("asked_at")
        return sum(_fulfil(reversal, now) for reversal in waiting)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _fulfil(reversal: TrafficReversal, now: datetime) -> int:
    found = Range(reversal.since, reversal.until, reversal.agent_id, reversal.campaign_id)
    marked = invalid_traffic.mark_range(
        found, note=reversal.note, now=now, after_batch=lambda count: _progress(reversal, count)
    )
    TrafficReversal.objects.filter(pk=reversal.pk, finished_at=None).update(finished_at=now)
    return marked


def _progress(reversal: TrafficReversal, count: int) -> None:
    TrafficReversal.objects.filter(pk=reversal.pk).update(marked_count=F("marked_count") + count)
