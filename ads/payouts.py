"""Payouts: what agents have earned and nobody can object to any more goes to their developers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Sum

from ads import ledger
from ads.core.books import LIVE, account_id
from ads.core.csv_cells import as_cell
from ads.core.micros import MICROS_PER_DOLLAR
from ads.models import Account, Agent, Payout, PayoutBatch, PayoutResult, Posting
from penguin_site import audit
from penguin_site.errors import Conflict

SETTLES_AFTER = timedelta(days=7)


class DuplicateBatch(Conflict):
    """This batch was made before."""

    code = "duplicate_batch"


def payable(agent_id: UUID, *, now: datetime) -> int:
    """Micros: what was earned more than seven days ago, less everything that was taken back or paid since."""
    return payable_of([agent_id], now=now)[agent_id]


def payable_of(agent_ids: Sequence[UUID], *, now: datetime) -> dict[UUID, int]:
    """The same for many agents, in two statements."""
    settled = Q(occurred_at__lte=now - SETTLES_AFTER) | Q(amount_micros__lt=0)
    agent_of = {account_id(LIVE, Account.Kind.AGENT, each): each for each in agent_ids}
    sums = Posting.objects.filter(settled, account_id__in=agent_of).values_list("account_id")
    totals = {agent_of[account]: total for account, total in sums.annotate(total=Sum("amount_micros"))}
    returned = PayoutResult.objects.filter(
        payout__agent_id__in=agent_ids,
        outcome=PayoutResult.Outcome.RETURNED,
        payout__transaction__reversal__occurred_at__gt=now - SETTLES_AFTER,
    ).values_list("payout__agent_id")
    # What a bank has sent back was settled before it was paid: it does not wait another week.
    came_back = dict(returned.annotate(total=Sum("payout__amount_micros")))
    return {each: max(0, totals.get(each, 0) + came_back.get(each, 0)) for each in agent_ids}


def earners(*, minimum_micros: int) -> QuerySet[Account]:
    """Accounts of agents that are owed at least the minimum, settled or not."""
    return Account.objects.filter(
        book=LIVE, kind=Account.Kind.AGENT, balance_micros__gte=max(minimum_micros, 1)
    )


def pay_out(
    *,
    minimum_micros: int,
    now: datetime,
    batch_id: UUID | None = None,
    actor: Any = None,
    request: Any = None,
) -> list[Payout]:
    """One batch: all agents that have at least the minimum to get. Run twice at once, everybody is paid once.

    The same `batch_id` a second time is refused: a form that is sent twice makes one batch. Where nobody has enough
    there is no batch.
    """
    batch = PayoutBatch(id=batch_id or uuid4(), minimum_micros=minimum_micros, made_by=actor, created_at=now)
    agents = list(earners(minimum_micros=minimum_micros).order_by("id").values_list("owner_id", flat=True))
    with transaction.atomic():
        try:
            with transaction.atomic():
                batch.save(force_insert=True)
        except IntegrityError:
            raise DuplicateBatch from None
        facts = {"minimum_micros": minimum_micros, "agents_looked_at": len(agents)}
        audit.record(actor, "payouts.batch_begun", batch, after=facts, request=request)
    payouts = [payout for agent_id in agents if (payout := _pay(agent_id, batch.pk, minimum_micros, now))]
    with transaction.atomic():
        facts = {"payouts": len(payouts), "amount_micros": sum(payout.amount_micros for payout in payouts)}
        audit.record(actor, "payouts.batch_made", batch, after=facts, request=request)
        if not payouts:
            batch.delete()
    return payouts


def of_batch(batch: PayoutBatch) -> list[Payout]:
    return list(batch.payouts.select_related("agent", "result").order_by("created_at", "pk"))


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
                as_cell(agent.owner_email),
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
