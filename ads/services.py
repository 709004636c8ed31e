"""Results of services: success pays what lies in escrow, failure and silence give it back."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from ads import holds, ledger
from ads.core.books import book_of
from ads.core.ids import Mark, read
from ads.core.micros import split_price
from ads.core.tokens import Environment
from ads.models import Agent, ServiceTransaction
from penguin_site.errors import Conflict, Forbidden, NotFound

State = ServiceTransaction.State
SWEEP_BATCH = 200


class DuplicateResult(Conflict):
    """The result of this transaction was reported before."""

    code = "duplicate_service_result"


@dataclass(frozen=True, slots=True)
class Result:
    """How a transaction ended; `earned_micros` is the agent's share of `paid_micros`."""

    service: ServiceTransaction
    paid_micros: int
    earned_micros: int


def report(
    transaction_id: str,
    *,
    success: bool,
    metadata: dict[str, Any] | None,
    agent: Agent,
    environment: Environment,
    now: datetime,
) -> Result:
    """Ends the transaction, once. One whose time is over pays nothing whatever is reported. `now` by its clock."""
    identifier = read(Mark.TRANSACTION, transaction_id)
    if identifier is None:
        raise NotFound("There is no such transaction.")
    with transaction.atomic():
        service = ServiceTransaction.objects.select_for_update().filter(pk=identifier).first()
        if service is None:
            raise NotFound("There is no such transaction.")
        if service.agent_id != agent.pk or service.book != book_of(environment, agent.pk):
            raise Forbidden("This transaction belongs to another agent or environment.")
        if service.state in (State.SUCCEEDED, State.FAILED):
            raise DuplicateResult(details=json.loads(json.dumps(_first(service))))
        if service.state == State.OPEN:
            if now >= service.expires_at:
                _give_back(service, State.EXPIRED, now)
            elif success:
                _pay(service, now)
            else:
                _give_back(service, State.FAILED, now)
            ServiceTransaction.objects.filter(pk=service.pk).update(metadata=metadata)
        return result_of(service)


def result_of(service: ServiceTransaction) -> Result:
    if service.state != State.SUCCEEDED:
        return Result(service, 0, 0)
    split = split_price(service.amount_micros, service.share_bps)
    return Result(service, service.amount_micros, split.agent_micros)


def release_expired(*, book: str, now: datetime) -> int:
    """Gives back what nobody reported on in time; how many transactions. May run twice, or in two processes."""
    count = 0
    while swept := _release_batch(book, now):
        count += swept
    return count


def _release_batch(book: str, now: datetime) -> int:
    with transaction.atomic():
        services = list(
            ServiceTransaction.objects.filter(book=book, state=State.OPEN, expires_at__lte=now)
            # By wallet, as locks are taken.
            .order_by("advertiser_id", "campaign_id", "id")
            .select_for_update(skip_locked=True)[:SWEEP_BATCH]
        )
        for service in services:
            _give_back(service, State.EXPIRED, now)
    return len(services)


def _pay(service: ServiceTransaction, now: datetime) -> None:
    if holds.capture(decision_id=service.decision_id, unit_id=service.unit_id, now=now) is None:
        # The hold was swept in this very moment: what is in escrow goes back.
        _give_back(service, State.EXPIRED, now)
        return
    split = split_price(service.amount_micros, service.share_bps)
    _end(
        service,
        State.SUCCEEDED,
        ledger.Kind.SERVICE,
        {
            ledger.ESCROW: -service.amount_micros,
            ledger.agent_account(service.agent_id): split.agent_micros,
            ledger.PLATFORM: split.platform_micros,
        },
        now,
    )


def _give_back(service: ServiceTransaction, state: ServiceTransaction.State, now: datetime) -> None:
    holds.release(decision_id=service.decision_id, unit_id=service.unit_id)
    amounts = {
        ledger.ESCROW: -service.amount_micros,
        ledger.wallet_of(service.advertiser_id): service.amount_micros,
    }
    _end(service, state, ledger.Kind.ESCROW_RETURN, amounts, now)


def _end(
    service: ServiceTransaction,
    state: ServiceTransaction.State,
    kind: Any,
    amounts: dict[ledger.Owner, int],
    now: datetime,
) -> None:
    service.state, service.ended_at = state, now
    service.save(update_fields=["state", "ended_at"])
    movement = ledger.Movement(
        kind=kind,
        reference=f"{kind}:{service.pk.hex}",
        amounts=amounts,
        campaign_id=service.campaign_id,
        decision_id=service.decision_id,
        unit_id=service.unit_id,
    )
    ledger.post([movement], book=service.book, now=now)


def _first(service: ServiceTransaction) -> dict[str, Any]:
    return {"transaction_id": str(service), "success": service.state == State.SUCCEEDED}
