"""Payouts: what agents have earned and nobody can object to any more goes to their developers."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q, Sum

from ads import ledger
from ads.core.books import LIVE, account_id
from ads.core.micros import MICROS_PER_DOLLAR
from ads.models import Account, Agent, Payout, Posting

SETTLES_AFTER = timedelta(days=7)


def payable(agent_id: UUID, *, now: datetime) -> int:
    """Micros: what was earned more than seven days ago, less everything that was taken back or paid since."""
    settled = Q(occurred_at__lte=now - SETTLES_AFTER) | Q(amount_micros__lt=0)
    postings = Posting.objects.filter(settled, account_id=account_id(LIVE, Account.Kind.AGENT, agent_id))
    return max(0, postings.aggregate(total=Sum("amount_micros"))["total"] or 0)


def pay_out(*, minimum_micros: int, now: datetime) -> list[Payout]:
    """One batch: all agents that have at least the minimum to get. Run twice at once, everybody is paid once."""
    batch_id = uuid4()
    agents = list(
        Account.objects.filter(book=LIVE, kind=Account.Kind.AGENT, balance_micros__gte=max(minimum_micros, 1))
        .order_by("id")
        .values_list("owner_id", flat=True)
    )
    payouts = [_pay(agent_id, batch_id, minimum_micros, now) for agent_id in agents]
    return [payout for payout in payouts if payout]


def export(payouts: list[Payout]) -> list[list[str]]:
    """The lines of a batch, with a first one that names the columns, for whoever sends the money."""
    agents = Agent.objects.in_bulk([payout.agent_id for payout in payouts])
    lines = [["batch", "payout", "agent", "owner_email", "amount_usd", "created_at"]]
    for payout in payouts:
        agent = agents[payout.agent_id]
        # Exact: a micro is the sixth digit.
        amount = Decimal(payout.amount_micros) / MICROS_PER_DOLLAR
        moment = payout.created_at.isoformat()
        lines.append(
            [
                str(payout.batch_id),
                str(payout.pk),
                agent.public_id,
                agent.owner_email,
                f"{amount:.6f}",
                moment,
            ]
        )
    return lines


def _pay(agent_id: UUID, batch_id: UUID, minimum_micros: int, now: datetime) -> Payout | None:
    account = ledger.agent_account(agent_id)
    with transaction.atomic():
        # A second batch waits here and then finds the first one's postings.
        Account.objects.select_for_update().get(pk=account_id(LIVE, *account))
        amount = payable(agent_id, now=now)
        if amount < max(minimum_micros, 1):
            return None
        payout_id = uuid4()
        movement = ledger.Movement(
            kind=ledger.Kind.PAYOUT,
            reference=f"payout:{payout_id.hex}",
            amounts={account: -amount, ledger.CASH: amount},
        )
        booked = ledger.post([movement], book=LIVE, now=now)[0]
        return Payout.objects.create(
            id=payout_id,
            batch_id=batch_id,
            agent_id=agent_id,
            amount_micros=amount,
            transaction_id=booked,
            created_at=now,
        )
