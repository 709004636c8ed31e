"""`/advertiser/conversions`: what agents say has come of an advertiser's ads, and the advertiser's own word on it."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import conversions
from ads.api import fields
from ads.api.advertiser_access import AdvertiserView
from ads.api.schema import obj, operation
from ads.models import Conversion

_CLICK = "clk_0198c5d2a3b47e0f8a1b2c3d4e5f60717b1f6a5213d34d7e8a845d2f0d3a9c10"


class ConversionInput(serializers.Serializer):
    click_id = fields.Text(
        max_length=100, help_text="From the landing URL's %7Bclick_id%7D, or from the list."
    )


class Conversions(AdvertiserView):
    @operation(
        "list_conversions",
        "Conversions of the last week that agents have reported and you have not confirmed, at most 100",
        answer=obj(
            "conversions",
            conversions={
                "type": "array",
                "items": obj(
                    "click_id unit_id campaign_id occurred_at",
                    click_id="string",
                    unit_id="string",
                    campaign_id="string",
                    occurred_at={"type": "string", "format": "date-time"},
                ),
            },
        ),
        example={
            "conversions": [
                {
                    "click_id": _CLICK,
                    "unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10",
                    "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22",
                    "occurred_at": "2026-05-20T12:00:00Z",
                }
            ]
        },
    )
    def get(self, request: Request) -> Response:
        found = conversions.unconfirmed(request.auth.advertiser.pk, now=timezone.now())
        return Response(
            {
                "conversions": [
                    {
                        "click_id": conversions.click_id(event.decision_id, event.unit_id),
                        "unit_id": str(event.unit_id),
                        "campaign_id": str(event.campaign_id),
                        "occurred_at": event.occurred_at,
                    }
                    for event in found
                ]
            }
        )

    @operation(
        "confirm_conversion",
        "Confirm that a click has led to what it was for, within seven days",
        request=ConversionInput,
        answer=obj("click_id status confirmed_at", click_id="string", status="string", confirmed_at="string"),
        sample={"click_id": _CLICK},
        example={"click_id": _CLICK, "status": "confirmed", "confirmed_at": "2026-05-20T12:00:00Z"},
        status=201,
    )
    def post(self, request: Request) -> Response:
        body = ConversionInput(data=request.data)
        body.is_valid(raise_exception=True)
        click = body.validated_data["click_id"]
        decision_id, unit_id = conversions.ids_of(click)
        conversion, is_new = conversions.confirm(
            advertiser_id=request.auth.advertiser.pk,
            decision_id=decision_id,
            unit_id=unit_id,
            source=Conversion.Source.API,
            now=timezone.now(),
        )
        answer: dict[str, Any] = {
            "click_id": click,
            "status": "confirmed",
            "confirmed_at": conversion.confirmed_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        if not is_new:
            raise conversions.DuplicateConversion(details=answer)
        return Response(answer, status=201)
