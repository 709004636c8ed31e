"""Events of shown units: stored once each, and billed at most once for a decision, a unit and a kind.

The inserted row decides: only who inserted the billed row takes the money, in the same transaction. Where wallet or
budget has no room both are undone, the event is stored unbilled, and nobody pays.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from ads import bonuses, charges, holds, token_locks
from ads.charges import Sale
from ads.core.ids import new_id
from ads.core.micros import Pricing
from ads.ledger import Kind
from ads.models import AdEvent
from ads.shown_units import ShownUnit

EventKind = AdEvent.Kind
# Which event of a unit is paid for, and whether the decision has held the money.
_BILLED_BY = {
    Pricing.CPC: EventKind.CLICK,
    Pricing.CPM: EventKind.IMPRESSION,
    Pricing.SESSION: EventKind.SESSION,
}
_LEDGER_KINDS = {
    EventKind.CLICK: Kind.CLICK,
    EventKind.IMPRESSION: Kind.IMPRESSION,
    EventKind.SESSION: Kind.SESSION,
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an event: `reason` says why it was not billed, where it might have been."""

    event_id: UUID
    is_billed: bool
    reason: str


_INSERT = """
INSERT INTO ad_event (month, id, kind, book, agent_id, decision_id, unit_id, campaign_id, advertiser_id, is_billed,
    price_micros, reason, transaction_id, occurred_at, received_at, metadata, visitor_hash)
VALUES (%(month)s, %(id)s, %(kind)s, %(book)s, %(agent)s, %(decision)s, %(unit)s, %(campaign)s, %(advertiser)s,
    %(billed)s, %(price)s, %(reason)s, %(transaction)s, %(occurred)s, %(received)s, %(metadata)s::jsonb, %(visitor)s)
ON CONFLICT (month, decision_id, unit_id, kind) WHERE is_billed DO NOTHING
RETURNING id
"""


def record(
    shown: ShownUnit,
    kind: AdEvent.Kind,
    *,
    day: date,
    occurred_at: datetime,
    refusal: str = "",
    metadata: str | None = None,
    visitor_hash: bytes | None = None,
) -> Recorded:
    """Stores the event and, unless there is a `refusal`, bills it if its campaign pays for this kind."""
    is_priced = _BILLED_BY.get(shown.pricing) is kind
    if is_priced and not refusal:
        billed = _bill(shown, kind, day, occurred_at, metadata, visitor_hash)
        if isinstance(billed, Recorded):
            return billed
        refusal = billed
    event_id = new_id(occurred_at)
    _insert(shown, kind, event_id, occurred_at, refusal, metadata, visitor_hash)
    return Recorded(event_id, False, refusal)


def was_recorded(shown: ShownUnit, kind: AdEvent.Kind) -> bool:
    return AdEvent.objects.filter(
        month=shown.month, decision_id=shown.decision_id, unit_id=shown.unit_id, kind=kind
    ).exists()


class _Undone(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _bill(
    shown: ShownUnit,
    kind: AdEvent.Kind,
    day: date,
    occurred_at: datetime,
    metadata: str | None,
    visitor_hash: bytes | None,
) -> Recorded | str:
    """The billed event, or why it was not billed."""
    event_id, transaction_id = new_id(occurred_at), new_id(occurred_at)
    sale = Sale(
        kind=_LEDGER_KINDS[kind],
        reference=f"{kind}:{shown.decision_id.hex}:{shown.unit_id.hex}",
        book=shown.book,
        agent_id=shown.agent_id,
        share_bps=shown.share_bps,
        decision_id=shown.decision_id,
        unit_id=shown.unit_id,
        claim=shown.claim(day),
        transaction_id=transaction_id,
        waits_for_feedback=kind is EventKind.SESSION,
    )
    try:
        with transaction.atomic():
            if kind is EventKind.CLICK:
                token_locks.take(shown.decision_id, shown.unit_id)
            else:
                # Before the event, as `event_records.py` does: two reports of one impression must not cross.
                holds.lock(decision_id=shown.decision_id, unit_id=shown.unit_id)
            # Whoever comes second waits here for the first: its row is there, or was undone.
            if not _insert(
                shown,
                kind,
                event_id,
                occurred_at,
                "",
                metadata,
                visitor_hash,
                price=sale.claim.amount_micros,
                paid_by=transaction_id,
            ):
                raise _Undone("duplicate")
            if kind is not EventKind.CLICK:
                if charges.take_held_payment(sale, now=occurred_at) is None:
                    raise _Undone("expired")
            elif charges.take_payment(sale, now=occurred_at) is None:
                raise _Undone("budget")
            else:
                bonuses.open_after_click(
                    shown.decision_id,
                    shown.unit_id,
                    price_micros=shown.price_micros,
                    share_bps=shown.share_bps,
                    now=occurred_at,
                )
    except _Undone as undone:
        return undone.reason
    return Recorded(event_id, True, "")


def _insert(
    shown: ShownUnit,
    kind: AdEvent.Kind,
    event_id: UUID,
    occurred_at: datetime,
    reason: str,
    metadata: str | None,
    visitor_hash: bytes | None,
    *,
    price: int = 0,
    paid_by: UUID | None = None,
) -> bool:
    values: dict[str, Any] = {
        "month": shown.month,
        "id": event_id,
        "kind": kind.value,
        "book": shown.book,
        "agent": shown.agent_id,
        "decision": shown.decision_id,
        "unit": shown.unit_id,
        "campaign": shown.campaign_id,
        "advertiser": shown.advertiser_id,
        "billed": paid_by is not None,
        "price": price,
        "reason": reason,
        "transaction": paid_by,
        "occurred": occurred_at,
        "received": timezone.now(),
        "metadata": metadata,
        "visitor": visitor_hash,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        return cursor.fetchone() is not None
