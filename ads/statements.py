"""What stands in an advertiser's wallet, and every movement of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Sum

from ads.core.books import LIVE
from ads.core.tokens import Environment
from ads.models import Account, Advertiser, Posting, Wallet


@dataclass(frozen=True, slots=True)
class WalletFigures:
    """In micros. A test advertiser's are the sums over all agents' copies of its wallet."""

    paid_in: int
    held: int
    spent: int
    balance: int

    @property
    def available(self) -> int:
        return self.paid_in - self.held - self.spent


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of a wallet; `amount_micros` is negative for what was spent. `id` orders them."""

    id: int
    transaction_id: UUID
    kind: str
    amount_micros: int
    campaign_id: UUID | None
    note: str
    occurred_at: datetime


def figures(advertiser: Advertiser) -> WalletFigures:
    held = Wallet.objects.filter(advertiser=advertiser).aggregate(
        paid_in=Sum("cap_micros"), held=Sum("held_micros"), spent=Sum("spent_micros")
    )
    balance = Account.objects.filter(kind=Account.Kind.WALLET, owner_id=advertiser.pk).aggregate(
        balance=Sum("balance_micros")
    )
    return WalletFigures(**{name: value or 0 for name, value in (held | balance).items()})


def entries(advertiser: Advertiser, *, before: int | None, limit: int) -> Sequence[Entry]:
    """The newest first."""
    accounts = Account.objects.filter(kind=Account.Kind.WALLET, owner_id=advertiser.pk)
    if advertiser.environment == Environment.LIVE:
        accounts = accounts.filter(book=LIVE)
    postings = Posting.objects.filter(account__in=accounts).select_related("transaction").order_by("-id")
    if before is not None:
        postings = postings.filter(id__lt=before)
    return [
        Entry(
            id=posting.pk,
            transaction_id=posting.transaction_id,
            kind=posting.transaction.kind,
            amount_micros=posting.amount_micros,
            campaign_id=posting.transaction.campaign_id,
            note=posting.transaction.note,
            occurred_at=posting.occurred_at,
        )
        for posting in postings[:limit]
    ]
