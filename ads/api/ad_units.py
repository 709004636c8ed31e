"""`/advertiser/.../units`: the ads of a campaign, from draft through review."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import creations, units
from ads.api import fields
from ads.api.advertiser_access import PAGE_PARAMETERS, AdvertiserView, own, page_of
from ads.api.campaigns import idempotency_key, own_campaigns
from ads.api.schema import obj, operation
from ads.core.auction import SCALE
from ads.models import AdUnit, Advertiser
from penguin_site.errors import Conflict

_TYPES = [kind.value for kind in AdUnit.Type]
_REVIEWS = [review.value for review in AdUnit.Review]


class DuplicateUnit(Conflict):
    """The same request has made a unit already."""

    code = "duplicate_unit"


class UnitFields(serializers.Serializer):
    """What can be set when a unit is made, and later."""

    title = fields.Text(max_length=100, required=False)
    body = fields.Text(max_length=300, required=False)
    cta = fields.Text(max_length=40, required=False)
    landing_url = fields.Text(max_length=2_048, required=False, help_text="https, on a public host.")
    service_endpoint = fields.Text(max_length=2_048, allow_blank=True, required=False)
    service_auth = fields.Text(
        max_length=50, allow_blank=True, required=False, help_text="How a caller signs in: a word, no secret."
    )
    service_description = fields.Text(max_length=500, allow_blank=True, required=False)
    intents = fields.TextList(max_length=20, longest=300, required=False)
    example_queries = fields.TextList(
        max_length=20, longest=300, required=False, help_text="What a user would say."
    )
    negative_contexts = fields.TextList(
        max_length=20, longest=300, required=False, help_text="What it must not be shown beside."
    )
    categories = fields.TextList(
        max_length=20, longest=10, required=False, help_text="Ids of IAB categories."
    )


class UnitInput(UnitFields):
    title = fields.Text(max_length=100)
    body = fields.Text(max_length=300)
    cta = fields.Text(max_length=40)
    landing_url = fields.Text(max_length=2_048, help_text="https, on a public host.")
    ad_type = fields.Choice(_TYPES, default="static_offer")


class UnitChange(UnitFields):
    is_paused = fields.Boolean(required=False)


_TEXTS = {"type": "array", "items": {"type": "string"}}
_WORDS = (
    "title", "body", "cta", "landing_url", "service_endpoint", "service_auth", "service_description", "ad_type",
)  # fmt: skip
_LISTS = ("intents", "example_queries", "negative_contexts", "categories")
UNIT = obj(
    " ".join(
        (
            "unit_id campaign_id",
            *_WORDS,
            *_LISTS,
            "review review_reason is_paused quality created_at changed_at",
        )
    ),
    unit_id={"type": "string", "format": "uuid"},
    campaign_id={"type": "string", "format": "uuid"},
    **dict.fromkeys(_WORDS, "string"),
    **dict.fromkeys(_LISTS, _TEXTS),
    review={"type": "string", "enum": _REVIEWS},
    review_reason={"type": "string", "description": "Why it was rejected."},
    is_paused="boolean",
    quality={"type": "number", "description": "0 to 1; 0.5 for a unit that nobody knows yet."},
    created_at={"type": "string", "format": "date-time"},
    changed_at={"type": "string", "format": "date-time"},
)
_SAMPLE: dict[str, Any] = {
    "title": "CloudTax: AI Tax Filing",
    "body": "File your freelancer taxes in 15 minutes with AI guidance.",
    "cta": "Start Free",
    "landing_url": "https://cloudtax.ca",
    "intents": ["file taxes"],
    "example_queries": ["I need a tax accountant"],
    "categories": ["1354"],
}
EXAMPLE = {
    "unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10",
    "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22",
    **_SAMPLE,
    "service_endpoint": "",
    "service_auth": "",
    "service_description": "",
    "ad_type": "static_offer",
    "negative_contexts": [],
    "review": "draft",
    "review_reason": "",
    "is_paused": False,
    "quality": 0.5,
    "created_at": "2026-05-20T12:00:00Z",
    "changed_at": "2026-05-20T12:00:00Z",
}


def own_units(advertiser: Advertiser) -> QuerySet[AdUnit]:
    return AdUnit.objects.filter(campaign__advertiser=advertiser)


def unit_body(unit: AdUnit) -> dict[str, Any]:
    return {
        "unit_id": str(unit.pk),
        "campaign_id": str(unit.campaign_id),
        **{name: getattr(unit, name) for name in (*_WORDS, *_LISTS, "review", "review_reason", "is_paused")},
        "quality": unit.quality / SCALE,
        "created_at": unit.created_at,
        "changed_at": unit.changed_at,
    }


class CampaignUnits(AdvertiserView):
    @operation(
        "list_units",
        "The units of a campaign, the newest first",
        parameters=PAGE_PARAMETERS,
        answer=obj("units next", units={"type": "array", "items": UNIT}, next={"type": ["string", "null"]}),
        example={"units": [EXAMPLE], "next": None},
    )
    def get(self, request: Request, campaign_id: Any) -> Response:
        campaign = own(own_campaigns(request.auth.advertiser), campaign_id)
        page, following = page_of(AdUnit.objects.filter(campaign=campaign), request)
        return Response({"units": [unit_body(unit) for unit in page], "next": following})

    @operation(
        "create_unit",
        "Make a unit, as a draft",
        request=UnitInput,
        answer=UNIT,
        sample=_SAMPLE,
        example=EXAMPLE,
        status=201,
    )
    def post(self, request: Request, campaign_id: Any) -> Response:
        advertiser: Advertiser = request.auth.advertiser
        campaign = own(own_campaigns(advertiser), campaign_id)
        body = UnitInput(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            unit = creations.once(
                advertiser,
                "unit",
                key=idempotency_key(request),
                content=[str(campaign_id), request.data],
                make=lambda: units.create(campaign, now=timezone.now(), **body.validated_data),
            )
        except creations.MadeBefore as error:
            raise DuplicateUnit(details=unit_body(own(own_units(advertiser), error.made_id))) from None
        return Response(unit_body(unit), status=201)


class UnitDetail(AdvertiserView):
    @operation("read_unit", "One unit", answer=UNIT, example=EXAMPLE)
    def get(self, request: Request, unit_id: Any) -> Response:
        return Response(unit_body(own(own_units(request.auth.advertiser), unit_id)))

    @operation(
        "change_unit",
        "Change a unit; with other words or another address it goes back to review",
        request=UnitChange,
        answer=UNIT,
        sample={"body": "File your taxes in 10 minutes."},
        example=EXAMPLE | {"body": "File your taxes in 10 minutes.", "review": "pending_review"},
    )
    def patch(self, request: Request, unit_id: Any) -> Response:
        unit = own(own_units(request.auth.advertiser), unit_id)
        body = UnitChange(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(unit_body(units.change(unit, now=timezone.now(), **body.validated_data)))


class SubmitUnit(AdvertiserView):
    @operation(
        "submit_unit",
        "Hand a draft in for review; one that waits already goes on waiting",
        answer=UNIT,
        example=EXAMPLE | {"review": "pending_review"},
    )
    def post(self, request: Request, unit_id: Any) -> Response:
        rows = own_units(request.auth.advertiser)
        units.submit(own(rows, unit_id), now=timezone.now())
        return Response(unit_body(own(rows, unit_id)))
