"""Books movements of money: every transaction with all its postings in one statement.

The balances of wallets and agents move with the postings, by a trigger; that the sum is zero is checked at commit. A
transaction has a reference, the name of its cause: the second one with the same reference is refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from ads.core.books import LIVE, account_id
from ads.core.ids import new_id
from ads.core.micros import Split
from ads.models import Account, LedgerTransaction, Posting
from penguin_site.errors import Conflict, NotFound

Kind = LedgerTransaction.Kind
Owner = tuple[Account.Kind, UUID | None]

CASH: Owner = (Account.Kind.CASH, None)
PLATFORM: Owner = (Account.Kind.PLATFORM, None)
BONUS: Owner = (Account.Kind.BONUS, None)
ESCROW: Owner = (Account.Kind.ESCROW, None)
_WITH_BALANCE = {Account.Kind.WALLET, Account.Kind.AGENT}


class AlreadyReversed(Conflict):
    """This movement of money was taken back before."""

    code = "duplicate_reversal"


def wallet_of(advertiser_id: UUID) -> Owner:
    return Account.Kind.WALLET, advertiser_id


def agent_account(agent_id: UUID) -> Owner:
    return Account.Kind.AGENT, agent_id


@dataclass(frozen=True, slots=True)
class Movement:
    """A transaction to be booked. `amounts` by account, in micros; those of zero are left out."""

    kind: LedgerTransaction.Kind
    reference: str
    amounts: Mapping[Owner, int]
    campaign_id: UUID | None = None
    decision_id: UUID | None = None
    unit_id: UUID | None = None
    reverses_id: UUID | None = None
    note: str = ""
    id: UUID | None = field(default=None)


# Accounts that are missing are opened on the way; an existing one is neither touched nor locked by that. All is sorted
# by account, so that two transactions open and lock in the same order.
_POST = """
WITH entry AS (
    SELECT * FROM jsonb_to_recordset(%(transactions)s) AS t(id uuid, kind text, reference text, postings_count int,
        campaign_id uuid, decision_id uuid, unit_id uuid, reverses_id uuid, note text)
), part AS (
    SELECT * FROM jsonb_to_recordset(%(postings)s) AS p(transaction_id uuid, account_id uuid, amount bigint,
        kind text, owner_id uuid, has_balance boolean)
), opened AS (
    INSERT INTO ad_account (id, book, kind, owner_id, balance_micros)
    SELECT DISTINCT account_id, %(book)s, kind, owner_id, CASE WHEN has_balance THEN 0 END FROM part
    WHERE NOT EXISTS (SELECT FROM ad_account a WHERE a.id = part.account_id) ORDER BY account_id
    ON CONFLICT DO NOTHING
), booked AS (
    INSERT INTO ad_ledger_transaction (id, book, kind, reference, postings_count, campaign_id, decision_id, unit_id,
        reverses_id, note, occurred_at, recorded_at)
    SELECT id, %(book)s, kind, reference, postings_count, campaign_id, decision_id, unit_id, reverses_id, note,
        %(now)s, clock_timestamp() FROM entry
)
INSERT INTO ad_posting (transaction_id, account_id, amount_micros, occurred_at)
SELECT transaction_id, account_id, amount, %(now)s FROM part ORDER BY account_id
"""


def post(movements: Sequence[Movement], *, book: str, now: datetime) -> list[UUID]:
    """Books the movements, in the caller's transaction; their ids. One statement, however many they are."""
    transactions, postings, ids = [], [], []
    for movement in movements:
        identifier = movement.id or new_id(now)
        ids.append(identifier)
        amounts = {owner: amount for owner, amount in movement.amounts.items() if amount}
        transactions.append(_as_json(movement, identifier, len(amounts)))
        for (kind, owner_id), amount in amounts.items():
            postings.append(
                {
                    "transaction_id": str(identifier),
                    "account_id": str(account_id(book, kind, owner_id)),
                    "amount": amount,
                    "kind": kind.value,
                    "owner_id": str(owner_id) if owner_id else None,
                    "has_balance": kind in _WITH_BALANCE,
                }
            )
    if transactions:
        with connection.cursor() as cursor:
            cursor.execute(
                _POST,
                {
                    "transactions": json.dumps(transactions),
                    "postings": json.dumps(postings),
                    "book": book,
                    "now": now,
                },
            )
    return ids


def charge(*, advertiser_id: UUID, agent_id: UUID, split: Split) -> dict[Owner, int]:
    """The amounts of a price that is paid: from the wallet to the agent and the platform."""
    return {
        wallet_of(advertiser_id): -(split.agent_micros + split.platform_micros),
        agent_account(agent_id): split.agent_micros,
        PLATFORM: split.platform_micros,
    }


def reverse(transaction_id: UUID, *, note: str, now: datetime) -> UUID:
    """Takes a transaction back by a new one with the opposite amounts; once."""
    original = LedgerTransaction.objects.filter(pk=transaction_id).first()
    if original is None:
        raise NotFound
    # Whoever comes second waits here for the first.
    LedgerTransaction.objects.select_for_update().get(pk=transaction_id)
    if LedgerTransaction.objects.filter(reverses=original).exists():
        raise AlreadyReversed
    amounts: dict[Owner, int] = {
        (Account.Kind(posting.account.kind), posting.account.owner_id): -posting.amount_micros
        for posting in original.postings.select_related("account")
    }
    movement = Movement(
        kind=Kind.REVERSAL,
        reference=f"reversal:{original.pk.hex}",
        amounts=amounts,
        campaign_id=original.campaign_id,
        decision_id=original.decision_id,
        unit_id=original.unit_id,
        reverses_id=original.pk,
        note=note,
    )
    return post([movement], book=original.book, now=now)[0]


def balance(owner: Owner, *, book: str = LIVE) -> int:
    """What stands on an account, in micros; 0 for one that was never used."""
    kind, owner_id = owner
    identifier = account_id(book, kind, owner_id)
    if kind in _WITH_BALANCE:
        found = Account.objects.filter(pk=identifier).values_list("balance_micros", flat=True).first()
        return found or 0
    total = Posting.objects.filter(account_id=identifier).aggregate(total=Sum("amount_micros"))["total"]
    return total or 0


def _as_json(movement: Movement, identifier: UUID, postings_count: int) -> dict[str, object]:
    return {
        "id": str(identifier),
        "kind": movement.kind.value,
        "reference": movement.reference,
        "postings_count": postings_count,
        "campaign_id": str(movement.campaign_id) if movement.campaign_id else None,
        "decision_id": str(movement.decision_id) if movement.decision_id else None,
        "unit_id": str(movement.unit_id) if movement.unit_id else None,
        "reverses_id": str(movement.reverses_id) if movement.reverses_id else None,
        "note": movement.note,
    }
