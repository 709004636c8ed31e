"""The recorded auctions of a campaign: what it won and lost in the last days, and what another bid would have done."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ads.core.ids import month_of, new_id
from ads.core.micros import Pricing, charge_micros
from ads.core.recorded_auctions import (
    Loss,
    Outcome,
    RecordedAuction,
    Simulation,
    outcome_of,
    simulate,
    unpack,
)
from ads.models import AdEvent, Campaign, Decision, DecisionUnit, ServiceTransaction

# The newest are looked at, and so many of them at most.
MOST = 2_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a campaign did. `minimum_to_win` is sorted: a bid for each auction that a higher one would have won."""

    auctions: int
    is_sample: bool
    won: list[Outcome]
    lost: dict[Loss, int]
    minimum_to_win: list[int]


@dataclass(frozen=True, slots=True)
class Trial:
    """`estimated_micros`: what the simulated wins would have cost, had as many of them been billed as of its own."""

    auctions: int
    is_sample: bool
    current: Simulation
    simulated: Simulation
    estimated_micros: int | None


def standing(campaign: Campaign, *, days: int, now: datetime) -> Standing:
    auctions, is_sample = _auctions(campaign, now - timedelta(days=days))
    outcomes = _outcomes(campaign, auctions)
    lost = {loss: sum(outcome.loss is loss for outcome in outcomes) for loss in Loss}
    least = sorted(
        outcome.minimum_to_win_cents for outcome in outcomes if outcome.minimum_to_win_cents is not None
    )
    won = [outcome for outcome in outcomes if outcome.loss is None]
    return Standing(len(outcomes), is_sample, won, lost, least)


def try_bid(campaign: Campaign, *, bid_cents: int, days: int, now: datetime) -> Trial:
    since = now - timedelta(days=days)
    auctions, is_sample = _auctions(campaign, since)
    won = [outcome for outcome in _outcomes(campaign, auctions) if outcome.loss is None]
    simulated = simulate(auctions, campaign.pk, bid_cents=bid_cents)
    current = Simulation(
        auctions=simulated.auctions,
        wins=len(won),
        price_cents=sum(outcome.price_cents or 0 for outcome in won),
        positions=sum(outcome.position or 0 for outcome in won),
    )
    billed, shown = _billed(campaign, since)
    price = charge_micros(Pricing(campaign.pricing), simulated.price_cents)
    return Trial(
        simulated.auctions, is_sample, current, simulated, price * billed // shown if shown else None
    )


def _auctions(campaign: Campaign, since: datetime) -> tuple[list[RecordedAuction], bool]:
    rows = (
        Decision.objects.filter(
            month__gte=month_of(new_id(since)), decided_at__gte=since, campaign_ids__contains=[campaign.pk]
        )
        .order_by("-decided_at")
        .values_list("reserve_cents", "max_results", "candidates")[: MOST + 1]
    )
    found = [RecordedAuction(reserve, most, unpack(bytes(data))) for reserve, most, data in rows]
    return found[:MOST], len(found) > MOST


def _outcomes(campaign: Campaign, auctions: list[RecordedAuction]) -> list[Outcome]:
    return [outcome for auction in auctions if (outcome := outcome_of(auction, campaign.pk))]


def _billed(campaign: Campaign, since: datetime) -> tuple[int, int]:
    """Of so many units that were shown, so many were paid for."""
    shown = DecisionUnit.objects.filter(campaign_id=campaign.pk, decided_at__gte=since).count()
    events = AdEvent.objects.filter(campaign_id=campaign.pk, occurred_at__gte=since, is_billed=True).count()
    services = ServiceTransaction.objects.filter(
        state=ServiceTransaction.State.SUCCEEDED, campaign=campaign, opened_at__gte=since
    ).count()
    return min(shown, events + services), shown
