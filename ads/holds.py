"""Money kept ready between a decision and the event that is billed; each hold ends once: captured or released."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from ads import budgets
from ads.budgets import Claim
from ads.core.ids import new_id
from ads.models import Hold

SWEEP_BATCH = 500


@dataclass(frozen=True, slots=True)
class HoldWish:
    """Money wanted for a unit of a decision."""

    decision_id: UUID
    unit_id: UUID
    claim: Claim
    expires_at: datetime


def place(wishes: Sequence[HoldWish], *, book: str, now: datetime) -> list[bool]:
    """Which wishes got their money; the holds of those are stored. In the caller's transaction."""
    granted = budgets.hold([wish.claim for wish in wishes], book=book, now=now)
    Hold.objects.bulk_create(
        Hold(
            id=new_id(now),
            book=book,
            decision_id=wish.decision_id,
            unit_id=wish.unit_id,
            advertiser_id=wish.claim.advertiser_id,
            campaign_id=wish.claim.campaign_id,
            day=wish.claim.day,
            amount_micros=wish.claim.amount_micros,
            created_at=now,
            expires_at=wish.expires_at,
        )
        for wish, is_granted in zip(wishes, granted, strict=True)
        if is_granted
    )
    return granted


def lock(*, decision_id: UUID, unit_id: UUID) -> None:
    """Until the end of the caller's transaction; who captures or releases it waits so long."""
    Hold.objects.filter(decision_id=decision_id, unit_id=unit_id).select_for_update().first()


def capture(*, decision_id: UUID, unit_id: UUID, now: datetime) -> Hold | None:
    """The hold, whose money is now spent; None when there is none, or it has ended or expired."""
    hold = _end(decision_id, unit_id, Hold.State.CAPTURED, open_after=now)
    if hold:
        budgets.settle([_claim(hold)], book=hold.book)
    return hold


def release(*, decision_id: UUID, unit_id: UUID) -> Hold | None:
    """The hold, whose money is free again; None when there is none or it has ended."""
    hold = _end(decision_id, unit_id, Hold.State.RELEASED)
    if hold:
        budgets.release([_claim(hold)], book=hold.book)
    return hold


def extend(*, decision_id: UUID, unit_id: UUID, expires_at: datetime) -> None:
    """Keeps an open hold until then."""
    Hold.objects.filter(decision_id=decision_id, unit_id=unit_id, state=Hold.State.OPEN).update(
        expires_at=expires_at
    )


def release_expired(*, book: str, now: datetime) -> int:
    """Gives back what nobody came for; how many holds. May run twice, or in two processes at once."""
    count = 0
    while swept := _release_batch(book, now):
        count += swept
    return count


def _release_batch(book: str, now: datetime) -> int:
    with transaction.atomic():
        holds = list(
            Hold.objects.filter(book=book, state=Hold.State.OPEN, expires_at__lte=now)
            .order_by("expires_at")
            .select_for_update(skip_locked=True)[:SWEEP_BATCH]
        )
        Hold.objects.filter(pk__in=[hold.pk for hold in holds]).update(state=Hold.State.RELEASED)
        budgets.release([_claim(hold) for hold in holds], book=book)
    return len(holds)


def _end(
    decision_id: UUID, unit_id: UUID, state: Hold.State, *, open_after: datetime | None = None
) -> Hold | None:
    rows = Hold.objects.filter(decision_id=decision_id, unit_id=unit_id, state=Hold.State.OPEN)
    if open_after:
        rows = rows.filter(expires_at__gt=open_after)
    # The lock decides between a late event and the sweeper: whoever comes second finds the hold ended.
    hold = rows.select_for_update().first()
    if hold:
        Hold.objects.filter(pk=hold.pk).update(state=state)
    return hold


def _claim(hold: Hold) -> Claim:
    return Claim(hold.advertiser_id, hold.campaign_id, hold.day, hold.amount_micros)
