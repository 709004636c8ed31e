"""Campaigns: made, changed, started and paused by their advertiser."""

from datetime import datetime
from typing import Any

from django.db import transaction

from ads import budgets
from ads.core.micros import MICROS_PER_CENT
from ads.models import Advertiser, Campaign
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField

Status = Campaign.Status
MOVES = {
    Status.DRAFT: {Status.RUNNING, Status.ENDED},
    Status.RUNNING: {Status.PAUSED, Status.ENDED},
    Status.PAUSED: {Status.RUNNING, Status.ENDED},
    Status.ENDED: set(),
}
# What an advertiser may set; everything else follows from it.
FIELDS = (
    "name", "bid_cents", "total_budget_micros", "daily_budget_micros", "starts_at", "ends_at", "countries",
    "languages", "platforms", "placements", "frequency_cap", "frequency_window", "required_fields",
)  # fmt: skip


class IllegalMove(Conflict):
    """A campaign in this state cannot do that."""

    code = "illegal_move"


def create(advertiser: Advertiser, *, pricing: str, now: datetime, **fields: Any) -> Campaign:
    """A draft; ads are shown when it was started and one of its units is approved."""
    campaign = Campaign(advertiser=advertiser, pricing=pricing, created_at=now, **_known(fields))
    _check(campaign)
    campaign.save(force_insert=True)
    return campaign


def change(campaign: Campaign, **fields: Any) -> Campaign:
    """Sets the fields; new limits hold at once, in the live book and in everybody's test book."""
    with transaction.atomic():
        current = Campaign.objects.select_for_update().get(pk=campaign.pk)
        for name, value in _known(fields).items():
            setattr(current, name, value)
        _check(current)
        current.save(update_fields=list(fields))
        if {"total_budget_micros", "daily_budget_micros"} & fields.keys():
            budgets.apply_caps(current)
        return current


def move(campaign: Campaign, target: str) -> None:
    """Starts, pauses or ends it; to the status that it has already is no move."""
    sources = {source for source, targets in MOVES.items() if target in targets}
    moved = Campaign.objects.filter(pk=campaign.pk, status__in=sources | {target}).update(status=target)
    if not moved:
        raise IllegalMove


def move_by_staff(campaign: Campaign, target: str, *, actor: Any, request: Any = None) -> None:
    """As `move`, and audited: it is somebody else's campaign."""
    with transaction.atomic():
        before = Campaign.objects.select_for_update().values_list("status", flat=True).get(pk=campaign.pk)
        move(campaign, target)
        if before != target:
            facts = {"before": {"status": before}, "after": {"status": target}}
            audit.record(actor, "campaign.moved", campaign, request=request, **facts)


def change_and_move(campaign: Campaign, target: str | None, **fields: Any) -> None:
    """Both or neither."""
    with transaction.atomic():
        if fields:
            change(campaign, **fields)
        if target is not None:
            move(campaign, target)


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    unknown = set(fields) - set(FIELDS)
    if unknown:
        raise ValueError(f"not to be set: {', '.join(sorted(unknown))}")
    return fields


def _check(campaign: Campaign) -> None:
    if not 1 <= campaign.bid_cents <= 1_000_000:
        raise InvalidField("bid_cents", "must be from 1 to 1000000")
    for name in ("total_budget_micros", "daily_budget_micros"):
        limit = getattr(campaign, name)
        if limit is not None and (limit < 0 or limit % MICROS_PER_CENT):
            raise InvalidField(
                name.replace("_micros", "_cents"), "must be a whole number of cents, 0 or more"
            )
    if campaign.starts_at and campaign.ends_at and campaign.ends_at <= campaign.starts_at:
        raise InvalidField("ends_at", "must be after starts_at")
