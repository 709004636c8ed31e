"""Reports with a tracking token, stored in one statement: the events, their ids with the answers, and what they cost.

The common way of a report, a thousand times a second. Only an impression that was paid for ahead is billed here: its
hold is captured, the budgets move, and the ledger is booked. The hold's lock decides between two reports of the same
impression; nothing is written before all holds are locked, the smaller id first. What is rare goes the long way
(`billing.py`). Which reports share a statement is a matter of `event_batches.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from ads import budgets
from ads.core.ids import month_of, new_id
from ads.core.micros import BASIS_POINTS, Pricing
from ads.core.tokens import TokenFacts
from ads.hot_statements import HotStatement
from ads.models import AdEvent, LedgerTransaction

# `n` numbers the reports. Ids of events are claimed in order, as two processes may claim the same ones.
_RECORD = HotStatement(f"""
WITH report AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(reports)s::jsonb) AS r(n int, month date, decision uuid, unit uuid, agent uuid,
        priced bool, refusal text, event_id text, body_hash text, kind text, id uuid, transaction uuid, reference text,
        occurred timestamptz, received timestamptz, metadata jsonb)
), shown AS MATERIALIZED (
    SELECT r.*, s.agent_id, s.campaign_id, s.advertiser_id, s.share_bps
    FROM report r JOIN ad_decision_unit s ON s.month = r.month AND s.decision_id = r.decision AND s.unit_id = r.unit
    WHERE s.book = %(book)s
), held AS MATERIALIZED (
    SELECT r.n, h.id, h.state, h.expires_at, h.advertiser_id, h.campaign_id, h.day, h.amount_micros AS amount
    FROM ad_hold h JOIN report r ON h.decision_id = r.decision AND h.unit_id = r.unit
    WHERE r.priced ORDER BY h.id FOR UPDATE OF h
), account AS MATERIALIZED (
    SELECT s.n, w.id AS wallet_id, g.id AS agent_id, p.id AS platform_id
    FROM shown s
    JOIN ad_account w ON w.book = %(book)s AND w.kind = 'wallet' AND w.owner_id = s.advertiser_id
    JOIN ad_account g ON g.book = %(book)s AND g.kind = 'agent' AND g.owner_id = s.agent_id
    JOIN ad_account p ON p.book = %(book)s AND p.kind = 'platform' AND p.owner_id IS NULL
    WHERE s.priced
), outcome AS MATERIALIZED (
    SELECT s.n, CASE
        WHEN s.refusal <> '' OR NOT s.priced THEN s.refusal
        WHEN held.state = 'captured' THEN 'duplicate'
        WHEN held.state = 'open' AND held.expires_at > s.occurred THEN 'billed'
        ELSE 'expired' END AS word
    FROM shown s LEFT JOIN held USING (n)
), told AS MATERIALIZED (
    SELECT o.n, word = 'billed' AS is_billed, CASE word WHEN 'billed' THEN '' ELSE word END AS reason
    FROM outcome o LEFT JOIN account USING (n) WHERE word <> 'billed' OR account.n IS NOT NULL
), claimed AS (
    INSERT INTO ad_event_id (agent_id, event_id, body_hash, answer, created_at)
    SELECT r.agent, r.event_id, decode(r.body_hash, 'hex'),
        jsonb_build_object('accepted', true, 'billable', is_billed)
            || CASE reason WHEN '' THEN '{{}}'::jsonb ELSE jsonb_build_object('reason', reason) END,
        clock_timestamp()
    FROM told JOIN report r USING (n) ORDER BY r.agent, r.event_id ON CONFLICT DO NOTHING RETURNING agent_id, event_id
), first AS MATERIALIZED (
    SELECT r.n FROM report r JOIN claimed c ON c.agent_id = r.agent AND c.event_id = r.event_id
), captured AS (
    UPDATE ad_hold h SET state = 'captured' FROM held JOIN told USING (n) JOIN first USING (n)
    WHERE h.id = held.id AND told.is_billed
    RETURNING held.n, held.advertiser_id, held.campaign_id, held.day, held.amount
), claim AS MATERIALIZED (
    SELECT * FROM captured
), {budgets.moved(held=-1, spent=1)}, part AS MATERIALIZED (
    SELECT n, s.transaction, s.occurred, side.account_id, side.amount
    FROM claim JOIN shown s USING (n) JOIN account USING (n),
        LATERAL (SELECT claim.amount * share_bps / {BASIS_POINTS} AS share) AS split,
        LATERAL (VALUES (wallet_id, -claim.amount), (account.agent_id, share), (platform_id, claim.amount - share))
            AS side(account_id, amount)
    WHERE side.amount <> 0 AND (SELECT count(*) FROM daily) > 0
), booked AS (
    INSERT INTO ad_ledger_transaction (id, book, kind, reference, postings_count, campaign_id, decision_id, unit_id,
        note, occurred_at, recorded_at)
    SELECT s.transaction, %(book)s, '{LedgerTransaction.Kind.IMPRESSION}', s.reference,
        (SELECT count(*) FROM part WHERE part.n = s.n), claim.campaign_id, s.decision, s.unit, '', s.occurred,
        clock_timestamp()
    FROM claim JOIN shown s USING (n)
), posted AS (
    INSERT INTO ad_posting (transaction_id, account_id, amount_micros, occurred_at)
    SELECT transaction, account_id, amount, occurred FROM part ORDER BY account_id
), event AS (
    INSERT INTO ad_event (month, id, kind, book, agent_id, decision_id, unit_id, campaign_id, advertiser_id, is_billed,
        price_micros, reason, transaction_id, occurred_at, received_at, metadata)
    SELECT s.month, s.id, s.kind, %(book)s, s.agent_id, s.decision, s.unit, s.campaign_id, s.advertiser_id,
        told.is_billed, coalesce(claim.amount, 0), told.reason, CASE WHEN told.is_billed THEN s.transaction END,
        s.occurred, s.received, s.metadata
    FROM shown s JOIN told USING (n) JOIN first USING (n) LEFT JOIN claim USING (n)
)
SELECT n, told.is_billed, told.reason, first.n IS NOT NULL
FROM shown LEFT JOIN told USING (n) LEFT JOIN first USING (n)
""")


@dataclass(frozen=True, slots=True)
class TokenReport:
    """`refusal` says why it cannot be billed whatever it is. `facts` are those of its token."""

    event_id: str
    body_hash: bytes
    kind: AdEvent.Kind
    occurred_at: datetime
    refusal: str
    metadata: dict[str, Any] | None
    facts: TokenFacts

    @property
    def unit(self) -> tuple[str, str]:
        return self.facts.decision_id, self.facts.unit_id


@dataclass(frozen=True, slots=True)
class Stored:
    """`is_first` is false for an event id that was used before: then nothing was stored."""

    is_billed: bool
    reason: str
    is_first: bool


class TakeTheLongWay(Exception):
    """Nothing was stored: an account of the books is still to be opened."""


def store(reports: Sequence[TokenReport], *, book: str) -> list[Stored | TakeTheLongWay | None]:
    """What became of each, all of it durable or none; None for a unit that was not shown.

    No two of the reports may be of the same shown unit, or have the same event id of the same agent.
    """
    rows = _RECORD.fetch(
        {
            "reports": orjson.dumps([_row(n, report) for n, report in enumerate(reports)]).decode(),
            "book": book,
        }
    )
    found: list[Stored | TakeTheLongWay | None] = [None] * len(reports)
    for n, is_billed, reason, is_first in rows:
        found[n] = TakeTheLongWay() if is_billed is None else Stored(is_billed, reason, is_first)
    return found


def _row(n: int, report: TokenReport) -> dict[str, Any]:
    facts = report.facts
    decision_id, unit_id = UUID(facts.decision_id), UUID(facts.unit_id)
    return {
        "n": n,
        "month": month_of(decision_id),
        "decision": decision_id,
        "unit": unit_id,
        "agent": UUID(facts.agent_id),
        "priced": facts.pricing is Pricing.CPM
        and report.kind is AdEvent.Kind.IMPRESSION
        and not report.refusal,
        "refusal": report.refusal,
        "event_id": report.event_id,
        "body_hash": report.body_hash.hex(),
        "kind": report.kind.value,
        "id": new_id(report.occurred_at),
        "transaction": new_id(report.occurred_at),
        "reference": f"{report.kind}:{decision_id.hex}:{unit_id.hex}",
        "occurred": report.occurred_at,
        "received": timezone.now(),
        "metadata": report.metadata,
    }
