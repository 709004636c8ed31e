"""Stores a decision with its units, holds, service transactions and answer: one statement, all or nothing."""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction

from ads import budgets, ledger
from ads.budgets import Claim
from ads.core import recorded_auctions
from ads.core.auction import AUCTION_VERSION, Placement
from ads.core.ids import month_of, new_id
from ads.core.micros import Pricing
from ads.core.placements import kept_name
from ads.core.tokens import LIFETIME_SECONDS, Window
from ads.hot_statements import HotStatement
from ads.models import DecisionKey
from ads.snapshot import Entry
from penguin_site.errors import Conflict

if TYPE_CHECKING:
    from ads.decisions import Decision, Request

KEY_KEPT = timedelta(hours=24)
SERVICE_LASTS = timedelta(hours=24)


class IdempotencyMismatch(Conflict):
    """This key was used for another request before."""

    code = "idempotency_mismatch"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The name that a client gave its request, and the hash of what the request says."""

    key: str
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """A unit of a decision with its price. `is_held`: the money is kept ready at once."""

    entry: Entry
    placement: Placement
    pricing: Pricing
    claim: Claim
    is_held: bool
    transaction_id: UUID | None


class AnsweredBefore(Exception):
    """The same request was answered already; nothing of this one is kept."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = answer


class Refused(Exception):
    """A budget has no room any more for what was to be held; nothing is kept."""

    def __init__(self, unit_ids: set[UUID]) -> None:
        super().__init__(unit_ids)
        self.unit_ids = unit_ids


# Locks and looks first: budgets, then the request's key. Only when all of it is granted anything is written, so the
# statement is all or nothing without a transaction around it.
_STORE = HotStatement(f"""
WITH d AS MATERIALIZED (
    SELECT * FROM jsonb_to_record(%(decision)s::jsonb) AS d(month date, id uuid, agent uuid, share int, now timestamptz,
        placement text, reason text, stages jsonb, units_count int, reserve int, model text, calibration text,
        auction int, took_ms int, max_results int, campaigns uuid[], key text, answer jsonb)
), unit AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(units)s::jsonb) AS u(unit_id uuid, position int, campaign_id uuid,
        advertiser_id uuid, ad_type text, pricing text, relevance int, quality int, bid_cents int, weight int,
        price_cents int, pivotal_score bigint, day date, amount bigint, hold_id uuid, hold_expires timestamptz,
        transaction_id uuid)
), claim AS MATERIALIZED (
    SELECT position AS n, advertiser_id, campaign_id, day, amount FROM unit WHERE hold_id IS NOT NULL
), {budgets.ROOM}, granted AS MATERIALIZED (
    SELECT (SELECT are_all FROM known) AND NOT EXISTS (SELECT FROM answer WHERE NOT is_granted) AS are_all
), answered AS (
    INSERT INTO ad_decision_key AS kept (agent_id, book, key, body_hash, answer, created_at)
    SELECT agent, %(book)s, key, %(body_hash)s, answer, clock_timestamp() FROM d
    WHERE key IS NOT NULL AND (SELECT are_all FROM granted)
    ON CONFLICT (agent_id, book, key) DO UPDATE
        SET body_hash = EXCLUDED.body_hash, answer = EXCLUDED.answer, created_at = EXCLUDED.created_at
        WHERE kept.created_at < clock_timestamp() - %(kept)s
    RETURNING 1
), go AS MATERIALIZED (
    SELECT (SELECT are_all FROM granted) AND (key IS NULL OR EXISTS (SELECT FROM answered)) AS is_on FROM d
), {budgets.taken("held_micros", "(SELECT is_on FROM go)")}, decision AS (
    INSERT INTO ad_decision (month, id, agent_id, book, decided_at, placement, reason, stages, units_count,
        reserve_cents, relevance_model, calibration, auction_version, took_ms, max_results, candidates, campaign_ids)
    SELECT month, id, agent, %(book)s, now, placement, reason, stages, units_count, reserve, model, calibration,
        auction, took_ms, max_results, %(candidates)s, campaigns
    FROM d WHERE (SELECT is_on FROM go)
), units AS (
    INSERT INTO ad_decision_unit (month, decision_id, unit_id, position, campaign_id, advertiser_id, agent_id, book,
        decided_at, ad_type, pricing, relevance, quality, bid_cents, weight, price_cents, pivotal_score, share_bps, day,
        user_hash)
    SELECT month, id, unit_id, position, campaign_id, advertiser_id, agent, %(book)s, now, ad_type, pricing, relevance,
        quality, bid_cents, weight, price_cents, pivotal_score, share, day, %(user)s
    FROM unit, d WHERE (SELECT is_on FROM go)
), holds AS (
    INSERT INTO ad_hold (id, book, decision_id, unit_id, advertiser_id, campaign_id, day, amount_micros, state,
        created_at, expires_at)
    SELECT hold_id, %(book)s, id, unit_id, advertiser_id, campaign_id, day, amount, 'open', now, hold_expires
    FROM unit, d WHERE hold_id IS NOT NULL AND (SELECT is_on FROM go)
), services AS (
    INSERT INTO ad_service_transaction (id, book, agent_id, advertiser_id, campaign_id, decision_id, unit_id,
        amount_micros, share_bps, state, opened_at, expires_at)
    SELECT transaction_id, %(book)s, agent, advertiser_id, campaign_id, id, unit_id, amount, share, 'open', now,
        hold_expires
    FROM unit, d WHERE transaction_id IS NOT NULL AND (SELECT is_on FROM go)
)
SELECT is_on, (SELECT are_all FROM known), (SELECT array_agg(n) FROM answer WHERE NOT is_granted) FROM go
""")


def store(decision: "Decision", request: "Request", answer: dict[str, Any], *, took_ms: int) -> None:
    """Raises Refused when a budget has no room, AnsweredBefore for a repeated request: then nothing is kept."""
    values = _values(decision, request, answer, took_ms)
    has_escrows = any(placed.transaction_id for placed in decision.placed)
    with transaction.atomic() if has_escrows else nullcontext():
        is_stored, are_rows_known, refused = _STORE.fetch(values)[0]
        if not are_rows_known:
            claims = [placed.claim for placed in decision.placed if placed.is_held]
            budgets.open_rows(claims, book=decision.book, now=decision.decided_at)
            is_stored, _, refused = _STORE.fetch(values)[0]
        if is_stored:
            _open_escrows(decision)
    if refused:
        raise Refused({p.entry.unit.pk for p in decision.placed if p.placement.position in refused})
    if not is_stored:
        raise _answered_before(request)


def _values(decision: "Decision", request: "Request", answer: dict[str, Any], took_ms: int) -> dict[str, Any]:
    key, participants = request.key, decision.participants
    stored = {
        "month": month_of(decision.id),
        "id": decision.id,
        "agent": request.agent.pk,
        "share": request.agent.share_bps,
        "now": decision.decided_at,
        "placement": kept_name(request.placement, secret=settings.SECRET_KEY),
        "reason": decision.reason,
        "stages": decision.stages,
        "units_count": len(decision.placed),
        "reserve": decision.reserve_cents,
        "model": decision.model,
        "calibration": decision.calibration,
        "auction": AUCTION_VERSION,
        "took_ms": took_ms,
        "max_results": request.max_results,
        "campaigns": [each.campaign_id for each in participants] or None,
        "key": key.key if key else None,
        "answer": answer if key else None,
    }
    return {
        "decision": orjson.dumps(stored).decode(),
        "units": orjson.dumps([_unit(placed, decision.decided_at) for placed in decision.placed]).decode(),
        "book": decision.book,
        "candidates": recorded_auctions.pack(participants) if participants else None,
        "user": request.user_hash,
        "body_hash": key.body_hash if key else None,
        "kept": KEY_KEPT,
    }


def _unit(placed: Placed, now: datetime) -> dict[str, Any]:
    candidate = placed.placement.candidate
    window = timedelta(seconds=LIFETIME_SECONDS[Window.IMPRESSION])
    expires = now + (SERVICE_LASTS if placed.transaction_id else window)
    return {
        "unit_id": candidate.unit_id,
        "position": placed.placement.position,
        "campaign_id": placed.claim.campaign_id,
        "advertiser_id": candidate.advertiser_id,
        "ad_type": placed.entry.unit.ad_type,
        "pricing": placed.pricing.value,
        "relevance": candidate.relevance,
        "quality": candidate.quality,
        "bid_cents": candidate.bid_cents,
        "weight": candidate.weight,
        "price_cents": placed.placement.price_cents,
        "pivotal_score": placed.placement.pivotal_score,
        "day": placed.claim.day,
        "amount": placed.claim.amount_micros,
        "hold_id": new_id(now) if placed.is_held else None,
        "hold_expires": expires,
        "transaction_id": placed.transaction_id,
    }


def _open_escrows(decision: "Decision") -> None:
    movements = [
        ledger.Movement(
            kind=ledger.Kind.ESCROW,
            reference=f"escrow:{placed.transaction_id.hex}",
            amounts={
                ledger.wallet_of(placed.claim.advertiser_id): -placed.claim.amount_micros,
                ledger.ESCROW: placed.claim.amount_micros,
            },
            campaign_id=placed.claim.campaign_id,
            decision_id=decision.id,
            unit_id=placed.entry.unit.pk,
        )
        for placed in decision.placed
        if placed.transaction_id
    ]
    if movements:
        ledger.post(movements, book=decision.book, now=decision.decided_at)


def _answered_before(request: "Request") -> Exception:
    assert request.key is not None
    kept = DecisionKey.objects.get(agent=request.agent, book=request.book, key=request.key.key)
    if bytes(kept.body_hash) != request.key.body_hash:
        return IdempotencyMismatch()
    return AnsweredBefore(kept.answer)
