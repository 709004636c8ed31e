"""`/advertiser/campaigns`: what an advertiser bids, how much may be spent, when, and for whom."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import campaigns, creations
from ads.api import fields
from ads.api.advertiser_access import PAGE_PARAMETERS, AdvertiserView, own, page_of
from ads.api.schema import obj, operation
from ads.core.micros import MICROS_PER_CENT, MICROS_PER_DOLLAR
from ads.models import Advertiser, Campaign
from penguin_site.errors import Conflict, InvalidField

MOST_CENTS = 10**12
_PRICINGS = [pricing.value for pricing in Campaign.Pricing]
_STATUSES = [status.value for status in Campaign.Status]


class DuplicateCampaign(Conflict):
    """The same request has made a campaign already."""

    code = "duplicate_campaign"


class CampaignFields(serializers.Serializer):
    """What can be set when a campaign is made, and later; nothing of it is required here."""

    name = fields.Text(max_length=100, required=False)
    bid_cents = fields.Integer(
        min_value=1, max_value=1_000_000, required=False, help_text="The most that one is paid for."
    )
    total_budget_cents = fields.Integer(
        min_value=0, max_value=MOST_CENTS, allow_null=True, required=False, help_text="null: no limit."
    )
    daily_budget_cents = fields.Integer(
        min_value=0,
        max_value=MOST_CENTS,
        allow_null=True,
        required=False,
        help_text="For a day in the advertiser's time zone; null: no limit.",
    )
    starts_at = serializers.DateTimeField(allow_null=True, required=False)
    ends_at = serializers.DateTimeField(allow_null=True, required=False)
    countries = fields.TextList(max_length=100, longest=64, required=False, help_text="Empty: everywhere.")
    languages = fields.TextList(max_length=100, longest=64, required=False)
    platforms = fields.TextList(max_length=100, longest=64, required=False)
    placements = fields.TextList(max_length=100, longest=64, required=False)
    frequency_cap = fields.Integer(
        min_value=1,
        max_value=10_000,
        allow_null=True,
        required=False,
        help_text="How often one user is shown it in the window; null: no limit.",
    )
    frequency_window_seconds = fields.Integer(min_value=60, max_value=31 * 86_400, required=False)
    required_fields = fields.TextList(
        max_length=20, longest=64, required=False, help_text="What a session asks the user for, in order."
    )


class CampaignInput(CampaignFields):
    name = fields.Text(max_length=100)
    bid_cents = fields.Integer(min_value=1, max_value=1_000_000, help_text="The most that one is paid for.")
    pricing = fields.Choice(_PRICINGS, default="cpc")


class CampaignChange(CampaignFields):
    status = fields.Choice(
        ["running", "paused", "ended"], required=False, help_text="Starts or resumes it, pauses it, ends it."
    )


_NUMBER_OR_NULL = {"type": ["integer", "null"]}
_TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
_TEXTS = {"type": "array", "items": {"type": "string"}}
CAMPAIGN = obj(
    "campaign_id name status pricing bid_cents total_budget_cents daily_budget_cents spent held starts_at ends_at"
    " countries languages platforms placements frequency_cap frequency_window_seconds required_fields created_at",
    campaign_id={"type": "string", "format": "uuid"},
    name="string",
    status={"type": "string", "enum": _STATUSES},
    pricing={"type": "string", "enum": _PRICINGS},
    bid_cents="integer",
    total_budget_cents=_NUMBER_OR_NULL,
    daily_budget_cents=_NUMBER_OR_NULL,
    spent={"type": "number", "description": "Dollars."},
    held={"type": "number", "description": "Dollars kept ready for ads that are being shown."},
    starts_at=_TIME_OR_NULL,
    ends_at=_TIME_OR_NULL,
    countries=_TEXTS,
    languages=_TEXTS,
    platforms=_TEXTS,
    placements=_TEXTS,
    frequency_cap=_NUMBER_OR_NULL,
    frequency_window_seconds="integer",
    required_fields=_TEXTS,
    created_at={"type": "string", "format": "date-time"},
)
EXAMPLE = {
    "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22",
    "name": "Spring",
    "status": "draft",
    "pricing": "cpc",
    "bid_cents": 50,
    "total_budget_cents": 100_000,
    "daily_budget_cents": 5_000,
    "spent": 0.0,
    "held": 0.0,
    "starts_at": None,
    "ends_at": "2026-07-01T00:00:00Z",
    "countries": ["CA", "US"],
    "languages": ["en"],
    "platforms": [],
    "placements": [],
    "frequency_cap": 3,
    "frequency_window_seconds": 86_400,
    "required_fields": [],
    "created_at": "2026-05-20T12:00:00Z",
}
_SAMPLE = {
    name: EXAMPLE[name]
    for name in ("name", "pricing", "bid_cents", "total_budget_cents", "daily_budget_cents", "countries")
}


def own_campaigns(advertiser: Advertiser) -> QuerySet[Campaign]:
    """With what they have spent and hold; a test campaign's over all agents' copies."""
    return Campaign.objects.filter(advertiser=advertiser).annotate(
        spent=Sum("budgets__spent_micros"), held=Sum("budgets__held_micros")
    )


def campaign_body(campaign: Any) -> dict[str, Any]:
    def cents(micros: int | None) -> int | None:
        return None if micros is None else micros // MICROS_PER_CENT

    return {
        "campaign_id": str(campaign.pk),
        **{name: getattr(campaign, name) for name in ("name", "status", "pricing", "bid_cents")},
        "total_budget_cents": cents(campaign.total_budget_micros),
        "daily_budget_cents": cents(campaign.daily_budget_micros),
        "spent": (campaign.spent or 0) / MICROS_PER_DOLLAR,
        "held": (campaign.held or 0) / MICROS_PER_DOLLAR,
        **{name: getattr(campaign, name) for name in ("starts_at", "ends_at", "countries", "languages")},
        **{name: getattr(campaign, name) for name in ("platforms", "placements", "frequency_cap")},
        "frequency_window_seconds": int(campaign.frequency_window.total_seconds()),
        "required_fields": campaign.required_fields,
        "created_at": campaign.created_at,
    }


def _as_stored(given: dict[str, Any]) -> dict[str, Any]:
    """Cents as micros, seconds as a duration."""
    stored = dict(given)
    for name in ("total_budget", "daily_budget"):
        if f"{name}_cents" in stored:
            cents = stored.pop(f"{name}_cents")
            stored[f"{name}_micros"] = None if cents is None else cents * MICROS_PER_CENT
    if "frequency_window_seconds" in stored:
        stored["frequency_window"] = timedelta(seconds=stored.pop("frequency_window_seconds"))
    return stored


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 150 and key.isprintable()):
        raise InvalidField("Idempotency-Key", "must be 1 to 150 printable characters")
    return key


class Campaigns(AdvertiserView):
    @operation(
        "list_campaigns",
        "The advertiser's campaigns, the newest first",
        parameters=PAGE_PARAMETERS,
        answer=obj(
            "campaigns next",
            campaigns={"type": "array", "items": CAMPAIGN},
            next={"type": ["string", "null"]},
        ),
        example={"campaigns": [EXAMPLE], "next": None},
    )
    def get(self, request: Request) -> Response:
        page, following = page_of(own_campaigns(request.auth.advertiser), request)
        return Response({"campaigns": [campaign_body(campaign) for campaign in page], "next": following})

    @operation(
        "create_campaign",
        "Make a campaign, as a draft",
        request=CampaignInput,
        answer=CAMPAIGN,
        sample=_SAMPLE,
        example=EXAMPLE,
        status=201,
    )
    def post(self, request: Request) -> Response:
        body = CampaignInput(data=request.data)
        body.is_valid(raise_exception=True)
        advertiser: Advertiser = request.auth.advertiser
        try:
            campaign = creations.once(
                advertiser,
                "campaign",
                key=idempotency_key(request),
                content=request.data,
                make=lambda: campaigns.create(
                    advertiser, now=timezone.now(), **_as_stored(body.validated_data)
                ),
            )
        except creations.MadeBefore as error:
            first = own(own_campaigns(advertiser), error.made_id)
            raise DuplicateCampaign(details=campaign_body(first)) from None
        return Response(campaign_body(own(own_campaigns(advertiser), campaign.pk)), status=201)


class CampaignDetail(AdvertiserView):
    @operation("read_campaign", "One campaign", answer=CAMPAIGN, example=EXAMPLE)
    def get(self, request: Request, campaign_id: Any) -> Response:
        return Response(campaign_body(own(own_campaigns(request.auth.advertiser), campaign_id)))

    @operation(
        "change_campaign",
        "Change a campaign, start, pause, resume or end it; new limits hold at once",
        request=CampaignChange,
        answer=CAMPAIGN,
        sample={"status": "paused", "daily_budget_cents": 2_500},
        example=EXAMPLE | {"status": "paused", "daily_budget_cents": 2_500},
    )
    def patch(self, request: Request, campaign_id: Any) -> Response:
        rows = own_campaigns(request.auth.advertiser)
        campaign = own(rows, campaign_id)
        body = CampaignChange(data=request.data)
        body.is_valid(raise_exception=True)
        given = _as_stored(body.validated_data)
        campaigns.change_and_move(campaign, given.pop("status", None), **given)
        return Response(campaign_body(own(rows, campaign_id)))
