"""Advertisers' wallets: money that comes in."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from ads import ledger
from ads.core.books import LIVE
from ads.models import LedgerTransaction, Wallet
from penguin_site.errors import Conflict, InvalidField


class AlreadyPaidIn(Conflict):
    """This payment was booked before."""

    code = "duplicate_payment"


def top_up(
    *, advertiser_id: UUID, amount_micros: int, reference: str, now: datetime, book: str = LIVE
) -> UUID:
    """Books a payment into the wallet; the ledger transaction's id. `reference` names the payment: it counts once."""
    if amount_micros <= 0:
        raise InvalidField("amount", "must be more than zero")
    reference = f"top_up:{book}:{reference}"
    with transaction.atomic():
        Wallet.objects.get_or_create(advertiser_id=advertiser_id, book=book)
        # The row's lock is what makes the look after it a safe one.
        wallet = Wallet.objects.select_for_update().get(advertiser_id=advertiser_id, book=book)
        if LedgerTransaction.objects.filter(reference=reference).exists():
            raise AlreadyPaidIn
        Wallet.objects.filter(pk=wallet.pk).update(cap_micros=F("cap_micros") + amount_micros)
        movement = ledger.Movement(
            kind=ledger.Kind.TOP_UP,
            reference=reference,
            amounts={ledger.CASH: -amount_micros, ledger.wallet_of(advertiser_id): amount_micros},
        )
        return ledger.post([movement], book=book, now=now)[0]
