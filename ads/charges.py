"""Prices that are paid: the budgets' rows and the ledger change together, or neither."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from ads import bonuses, budgets, holds, ledger, token_locks
from ads.budgets import Claim
from ads.core.micros import split_price
from ads.models import LedgerTransaction, Session
from penguin_site.errors import NotFound


@dataclass(frozen=True, slots=True)
class Sale:
    """What is paid for: one billable event of a decision's unit. `reference` names the event."""

    kind: LedgerTransaction.Kind
    reference: str
    book: str
    agent_id: UUID
    share_bps: int
    decision_id: UUID
    unit_id: UUID
    claim: Claim
    transaction_id: UUID | None = None  # where its id has to be known before
    waits_for_feedback: bool = False  # the agent's share lies in escrow until its feedback


def take_payment(sale: Sale, *, now: datetime) -> UUID | None:
    """Charges at once; the ledger transaction's id, or None when wallet or budget have no room: then nobody pays."""
    with transaction.atomic():
        if not budgets.spend([sale.claim], book=sale.book, now=now)[0]:
            return None
        return _book(sale, now)


def take_held_payment(sale: Sale, *, now: datetime) -> UUID | None:
    """Charges what the decision has held; None when that was given back in the meantime."""
    with transaction.atomic():
        hold = holds.capture(decision_id=sale.decision_id, unit_id=sale.unit_id, now=now)
        if hold is None:
            return None
        return _book(sale, now)


def take_back(transaction_id: UUID, claim: Claim, *, note: str, now: datetime) -> UUID:
    """Reverses a charge: the advertiser has the money again, on the day it was spent; agent and platform do not."""
    with transaction.atomic():
        paid = LedgerTransaction.objects.filter(pk=transaction_id).first()
        if paid is None:
            raise NotFound
        if paid.decision_id and paid.unit_id:
            token_locks.take(paid.decision_id, paid.unit_id)
        LedgerTransaction.objects.select_for_update().get(pk=transaction_id)
        if LedgerTransaction.objects.filter(reverses=paid).exists():
            raise ledger.AlreadyReversed
        session = _session_of(paid)
        budgets.refund([claim], book=paid.book)
        if session is not None:
            _take_back_payout(session, note, now)
        if paid.decision_id and paid.unit_id:
            bonuses.take_back(paid.decision_id, paid.unit_id, now=now)
        return ledger.reverse(transaction_id, note=note, now=now)


def _session_of(paid: LedgerTransaction) -> Session | None:
    if paid.kind != ledger.Kind.SESSION:
        return None
    return Session.objects.select_for_update().get(decision_id=paid.decision_id, unit_id=paid.unit_id)


def _take_back_payout(session: Session, note: str, now: datetime) -> None:
    """The agent's share of a session goes back to where it waited; there it waits no longer."""
    payout = LedgerTransaction.objects.filter(reference=payout_reference(session)).first()
    if payout is not None:
        ledger.reverse(payout.pk, note=note, now=now)
    Session.objects.filter(pk=session.pk).update(escrow_micros=0)


def payout_reference(session: Session) -> str:
    return f"{ledger.Kind.SESSION_PAYOUT}:{session.pk.hex}"


def _book(sale: Sale, now: datetime) -> UUID:
    split = split_price(sale.claim.amount_micros, sale.share_bps)
    amounts = ledger.charge(advertiser_id=sale.claim.advertiser_id, agent_id=sale.agent_id, split=split)
    if sale.waits_for_feedback:
        amounts[ledger.ESCROW] = amounts.pop(ledger.agent_account(sale.agent_id))
    movement = ledger.Movement(
        id=sale.transaction_id,
        kind=sale.kind,
        reference=sale.reference,
        amounts=amounts,
        campaign_id=sale.claim.campaign_id,
        decision_id=sale.decision_id,
        unit_id=sale.unit_id,
    )
    return ledger.post([movement], book=sale.book, now=now)[0]
