"""Reports with a tracking token, stored in one statement: the event, its id with the answer, and what it costs.

The common way of a report, a thousand times a second. Only an impression that was paid for ahead is billed here: its
hold is captured, the budgets move, and the ledger is booked. The hold's lock decides between two reports of the same
impression; nothing is written before all locks are held. What is rare goes the long way (`billing.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from ads import budgets
from ads.core.ids import month_of, new_id
from ads.core.micros import BASIS_POINTS, Pricing
from ads.core.tokens import TokenFacts
from ads.hot_statements import HotStatement
from ads.models import AdEvent, LedgerTransaction

_RECORD = HotStatement(f"""
WITH shown AS MATERIALIZED (
    SELECT book, agent_id, campaign_id, advertiser_id, share_bps FROM ad_decision_unit
    WHERE book = %(book)s AND month = %(month)s::date AND decision_id = %(decision)s::uuid AND unit_id = %(unit)s::uuid
), held AS MATERIALIZED (
    SELECT h.id, h.state, h.expires_at, h.advertiser_id, h.campaign_id, h.day, h.amount_micros AS amount
    FROM ad_hold h
    WHERE %(priced)s::bool AND h.decision_id = %(decision)s::uuid AND h.unit_id = %(unit)s::uuid FOR UPDATE OF h
), account AS MATERIALIZED (
    SELECT a.id, a.kind FROM ad_account a, shown s
    WHERE %(priced)s::bool AND a.book = %(book)s AND (a.kind = 'wallet' AND a.owner_id = s.advertiser_id
        OR a.kind = 'agent' AND a.owner_id = s.agent_id OR a.kind = 'platform' AND a.owner_id IS NULL)
), outcome AS MATERIALIZED (
    SELECT CASE
        WHEN %(refusal)s::text <> '' OR NOT %(priced)s::bool THEN %(refusal)s::text
        WHEN held.state = 'captured' THEN 'duplicate'
        WHEN held.state = 'open' AND held.expires_at > %(occurred)s::timestamptz THEN 'billed'
        ELSE 'expired' END AS word
    FROM shown LEFT JOIN held ON true
), told AS MATERIALIZED (
    SELECT word = 'billed' AS is_billed, CASE word WHEN 'billed' THEN '' ELSE word END AS reason
    FROM outcome WHERE word <> 'billed' OR (SELECT count(*) FROM account) = 3
), claimed AS (
    INSERT INTO ad_event_id (agent_id, event_id, body_hash, answer, created_at)
    SELECT %(agent)s::uuid, %(event_id)s::text, %(body_hash)s::bytea,
        jsonb_build_object('accepted', true, 'billable', is_billed)
            || CASE reason WHEN '' THEN '{{}}'::jsonb ELSE jsonb_build_object('reason', reason) END,
        clock_timestamp()
    FROM told ON CONFLICT DO NOTHING RETURNING id
), captured AS (
    UPDATE ad_hold h SET state = 'captured' FROM held, told, claimed
    WHERE h.id = held.id AND told.is_billed
    RETURNING held.advertiser_id, held.campaign_id, held.day, held.amount
), claim AS MATERIALIZED (
    SELECT * FROM captured
), {budgets.moved(held=-1, spent=1)}, part AS MATERIALIZED (
    SELECT account.id AS account_id,
        CASE account.kind WHEN 'wallet' THEN -amount WHEN 'agent' THEN share ELSE amount - share END AS amount
    FROM account, shown, claim, LATERAL (SELECT amount * share_bps / {BASIS_POINTS} AS share) AS split
    WHERE (SELECT count(*) FROM daily) > 0
), booked AS (
    INSERT INTO ad_ledger_transaction (id, book, kind, reference, postings_count, campaign_id, decision_id, unit_id,
        note, occurred_at, recorded_at)
    SELECT %(transaction)s::uuid, book, '{LedgerTransaction.Kind.IMPRESSION}', %(reference)s::text,
        (SELECT count(*) FROM part WHERE amount <> 0), claim.campaign_id, %(decision)s::uuid, %(unit)s::uuid, '',
        %(occurred)s::timestamptz, clock_timestamp()
    FROM shown, claim
), posted AS (
    INSERT INTO ad_posting (transaction_id, account_id, amount_micros, occurred_at)
    SELECT %(transaction)s::uuid, account_id, amount, %(occurred)s::timestamptz FROM part
    WHERE amount <> 0 ORDER BY account_id
), event AS (
    INSERT INTO ad_event (month, id, kind, book, agent_id, decision_id, unit_id, campaign_id, advertiser_id, is_billed,
        price_micros, reason, transaction_id, occurred_at, received_at, metadata)
    SELECT %(month)s::date, %(id)s::uuid, %(kind)s::text, shown.book, shown.agent_id, %(decision)s::uuid,
        %(unit)s::uuid, shown.campaign_id, shown.advertiser_id, told.is_billed, coalesce(claim.amount, 0), told.reason,
        CASE WHEN told.is_billed THEN %(transaction)s::uuid END, %(occurred)s::timestamptz, %(received)s::timestamptz,
        %(metadata)s::jsonb
    FROM shown, told, claimed LEFT JOIN claim ON true
)
SELECT told.is_billed, told.reason, (SELECT count(*) FROM claimed) FROM shown LEFT JOIN told ON true
""")


@dataclass(frozen=True, slots=True)
class TokenReport:
    """`refusal` says why it cannot be billed whatever it is."""

    event_id: str
    body_hash: bytes
    kind: AdEvent.Kind
    occurred_at: datetime
    refusal: str
    metadata: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """`is_first` is false for an event id that was used before: then nothing was stored."""

    is_billed: bool
    reason: str
    is_first: bool


class TakeTheLongWay(Exception):
    """Nothing was stored: an account of the books is still to be opened."""


def store(report: TokenReport, facts: TokenFacts, *, book: str) -> Stored | None:
    """None for a unit that was not shown. Raises TakeTheLongWay."""
    decision_id, unit_id = UUID(facts.decision_id), UUID(facts.unit_id)
    is_priced = facts.pricing is Pricing.CPM and report.kind is AdEvent.Kind.IMPRESSION and not report.refusal
    rows = _RECORD.fetch(
        {
            "month": month_of(decision_id),
            "decision": decision_id,
            "unit": unit_id,
            "agent": UUID(facts.agent_id),
            "priced": is_priced,
            "refusal": report.refusal,
            "event_id": report.event_id,
            "body_hash": report.body_hash,
            "kind": report.kind.value,
            "id": new_id(report.occurred_at),
            "transaction": new_id(report.occurred_at),
            "reference": f"{report.kind}:{decision_id.hex}:{unit_id.hex}",
            "occurred": report.occurred_at,
            "received": timezone.now(),
            "metadata": report.metadata,
            "book": book,
        }
    )
    if not rows:
        return None
    is_billed, reason, claimed = rows[0]
    if is_billed is None:
        raise TakeTheLongWay
    return Stored(is_billed, reason, bool(claimed))
