"""`/reports` of developers and `/advertiser/reports`; why a campaign lost, and what another bid would have done."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import auction_records
from ads.api import fields
from ads.api.advertiser_access import AdvertiserView, own
from ads.api.base import AdsView
from ads.api.campaigns import own_campaigns
from ads.api.report_bodies import answer, report_schema
from ads.api.schema import obj, operation
from ads.core.books import LIVE, book_of
from ads.core.micros import MICROS_PER_DOLLAR
from ads.core.recorded_auctions import Simulation
from ads.core.tokens import Environment
from ads.reports import Whose
from penguin_site.errors import InvalidField

_DEVELOPERS_BY = ("day", "placement", "campaign")
_ADVERTISERS_BY = ("day", "campaign")
_DAYS = {"type": "integer", "minimum": 1, "maximum": 30, "default": 7}
_NUMBER_OR_NULL = {"type": ["number", "null"]}


class DeveloperReports(AdsView):
    @report_schema(
        "reports",
        "What the agent's ads brought, with this key's environment",
        by=_DEVELOPERS_BY,
        money="earnings",
    )
    def get(self, request: Request) -> Any:
        caller = request.auth
        whose = Whose(book_of(caller.environment, caller.agent.pk), agent_id=caller.agent.pk)
        return answer(request, whose, by=_DEVELOPERS_BY, money="earnings", now=caller.now())


class AdvertiserReports(AdvertiserView):
    @report_schema(
        "advertiser_reports", "What the campaigns brought and cost", by=_ADVERTISERS_BY, money="spend"
    )
    def get(self, request: Request) -> Any:
        advertiser = request.auth.advertiser
        book = LIVE if advertiser.environment == Environment.LIVE else None
        whose = Whose(book, advertiser_id=advertiser.pk)
        return answer(request, whose, by=_ADVERTISERS_BY, money="spend", now=timezone.now())


class CampaignAuctions(AdvertiserView):
    @operation(
        "campaign_auctions",
        "What a campaign won in the last days, and why it lost the rest",
        parameters=[OpenApiParameter("days", _DAYS)],
        answer=obj(
            "campaign_id days auctions is_sample won win_rate average_position average_price_cents lost minimum_to_win",
            campaign_id="string", days="integer",
            auctions={"type": "integer", "description": "In which it was a candidate."},
            is_sample={"type": "boolean", "description": "There were more; the newest were looked at."},
            won="integer", win_rate=_NUMBER_OR_NULL, average_position=_NUMBER_OR_NULL,
            average_price_cents=_NUMBER_OR_NULL,
            lost=obj("outbid budget frequency_cap", outbid="integer", budget="integer", frequency_cap="integer"),
            minimum_to_win={
                "type": ["object", "null"], "required": ["least_cents", "median_cents", "nine_tenths_cents"],
                "description": "The least bids that would have won auctions that were lost to higher ones.",
                "properties": {
                    "least_cents": {"type": "integer"}, "median_cents": {"type": "integer"},
                    "nine_tenths_cents": {"type": "integer"},
                },
            },
        ),
        example={
            "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22", "days": 7, "auctions": 120, "is_sample": False,
            "won": 80, "win_rate": 0.667, "average_position": 2.1, "average_price_cents": 33.5,
            "lost": {"outbid": 37, "budget": 3, "frequency_cap": 0},
            "minimum_to_win": {"least_cents": 52, "median_cents": 58, "nine_tenths_cents": 71},
        },
    )  # fmt: skip
    def get(self, request: Request, campaign_id: Any) -> Response:
        campaign = own(own_campaigns(request.auth.advertiser), campaign_id)
        days = _days(request)
        found = auction_records.standing(campaign, days=days, now=timezone.now())
        won = Simulation(
            auctions=found.auctions,
            wins=len(found.won),
            price_cents=sum(outcome.price_cents or 0 for outcome in found.won),
            positions=sum(outcome.position or 0 for outcome in found.won),
        )
        least = found.minimum_to_win
        body = _body(won)
        return Response(
            {
                "campaign_id": str(campaign.pk),
                "days": days,
                "auctions": found.auctions,
                "is_sample": found.is_sample,
                "won": body.pop("wins"),
                **body,
                "lost": {loss.value: count for loss, count in found.lost.items()},
                "minimum_to_win": {
                    "least_cents": least[0],
                    "median_cents": least[len(least) // 2],
                    "nine_tenths_cents": least[len(least) * 9 // 10],
                }
                if least
                else None,
            }
        )


class SimulationInput(serializers.Serializer):
    bid_cents = fields.Integer(min_value=1, max_value=1_000_000)
    days = fields.Integer(min_value=1, max_value=30, default=7)


_RESULT = obj(
    "wins win_rate average_position average_price_cents",
    wins="integer",
    win_rate=_NUMBER_OR_NULL,
    average_position=_NUMBER_OR_NULL,
    average_price_cents=_NUMBER_OR_NULL,
)


class SimulateBid(AdvertiserView):
    @operation(
        "simulate_bid",
        "What another bid would have won and cost in the recorded auctions, had everybody else done the same",
        request=SimulationInput,
        answer=obj(
            "campaign_id bid_cents days auctions is_sample current simulated estimated_cost",
            campaign_id="string", bid_cents="integer", days="integer", auctions="integer", is_sample="boolean",
            current=_RESULT, simulated=_RESULT,
            estimated_cost={
                "type": ["number", "null"],
                "description": "Dollars, if as many wins are paid for as of its own; null: it has none.",
            },
        ),
        sample={"bid_cents": 60, "days": 7},
        example={
            "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22", "bid_cents": 60, "days": 7, "auctions": 120,
            "is_sample": False,
            "current": {"wins": 80, "win_rate": 0.667, "average_position": 2.1, "average_price_cents": 33.5},
            "simulated": {"wins": 101, "win_rate": 0.842, "average_position": 1.8, "average_price_cents": 37.2},
            "estimated_cost": 4.1,
        },
    )  # fmt: skip
    def post(self, request: Request, campaign_id: Any) -> Response:
        campaign = own(own_campaigns(request.auth.advertiser), campaign_id)
        body = SimulationInput(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        trial = auction_records.try_bid(campaign, now=timezone.now(), **given)
        cost = trial.estimated_micros
        return Response(
            {
                "campaign_id": str(campaign.pk),
                **given,
                "auctions": trial.auctions,
                "is_sample": trial.is_sample,
                "current": _body(trial.current),
                "simulated": _body(trial.simulated),
                "estimated_cost": None if cost is None else cost / MICROS_PER_DOLLAR,
            }
        )


def _body(result: Simulation) -> dict[str, Any]:
    def over(amount: int, count: int, digits: int) -> float | None:
        return round(amount / count, digits) if count else None

    return {
        "wins": result.wins,
        "win_rate": over(result.wins, result.auctions, 3),
        "average_position": over(result.positions, result.wins, 2),
        "average_price_cents": over(result.price_cents, result.wins, 2),
    }


def _days(request: Request) -> int:
    text = request.query_params.get("days", "7")
    if not (text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= 30):
        raise InvalidField("days", "must be from 1 to 30")
    return int(text)
