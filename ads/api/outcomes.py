"""What came of an ad: the result of a service, the rating of a business."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import ratings, services
from ads.api import fields
from ads.api.base import AdsView
from ads.api.schema import obj, operation
from ads.core.micros import MICROS_PER_DOLLAR
from ads.models import FeatureSwitch, ServiceTransaction
from penguin_site.errors import InvalidField

MAX_METADATA_BYTES = 8 * 1024
_MESSAGES = {
    ServiceTransaction.State.SUCCEEDED: "Service completed successfully. Payment triggered.",
    ServiceTransaction.State.FAILED: "Service failed. No payment; the held amount went back.",
    ServiceTransaction.State.EXPIRED: "The report came too late. No payment; the held amount went back.",
}


class ServiceResultInput(serializers.Serializer):
    transaction_id = fields.Text(max_length=100)
    success = fields.Boolean()
    metadata = fields.Object(required=False, allow_null=True)


class ServiceResult(AdsView):
    feature = FeatureSwitch.Feature.SERVICES

    @operation(
        "report_service_result",
        "Report how a service transaction ended",
        request=ServiceResultInput,
        answer=obj(
            "transaction_id success payment_triggered payment_amount developer_earnings message",
            transaction_id="string", success="boolean", payment_triggered="boolean", payment_amount="number",
            developer_earnings="number", message="string",
        ),
        sample={"transaction_id": "txn_abc123", "success": True, "metadata": {"items_processed": 5}},
        example={
            "transaction_id": "txn_abc123", "success": True, "payment_triggered": True, "payment_amount": 0.35,
            "developer_earnings": 0.245, "message": "Service completed successfully. Payment triggered.",
        },
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        body = ServiceResultInput(data=request.data)
        body.is_valid(raise_exception=True)
        given, caller = body.validated_data, request.auth
        metadata: dict[str, Any] | None = given.get("metadata")
        if len(repr(metadata)) > MAX_METADATA_BYTES:
            raise InvalidField("metadata", f"must have at most {MAX_METADATA_BYTES} bytes")
        result = services.report(
            given["transaction_id"],
            success=given["success"],
            metadata=metadata,
            agent=caller.agent,
            environment=caller.environment,
            now=caller.now(),
        )
        return Response(
            {
                "transaction_id": str(result.service),
                "success": given["success"],
                "payment_triggered": result.paid_micros > 0,
                "payment_amount": result.paid_micros / MICROS_PER_DOLLAR,
                "developer_earnings": result.earned_micros / MICROS_PER_DOLLAR,
                "message": _MESSAGES[ServiceTransaction.State(result.service.state)],
            }
        )


class RatingInput(serializers.Serializer):
    tracking_token = fields.Text(max_length=2_048)
    ad_unit_id = fields.Text(max_length=64)
    rating = fields.Integer(min_value=1, max_value=5)
    context = fields.Text(max_length=500, allow_blank=True, default="")


class RateBusiness(AdsView):
    feature = FeatureSwitch.Feature.RATINGS

    @operation(
        "rate_business",
        "Rate a business after a click that counted",
        request=RatingInput,
        answer=obj("status rating_id rating message", status="string", rating_id="string", rating="integer",
                   message="string"),
        sample={
            "tracking_token": "trk_eyJ2Ijox", "ad_unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10", "rating": 4,
            "context": "Fast response, helpful information",
        },
        example={"status": "received", "rating_id": "rat_17", "rating": 4, "message": "Thank you for the rating."},
        status=201,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        body = RatingInput(data=request.data)
        body.is_valid(raise_exception=True)
        given, caller = body.validated_data, request.auth
        rating = ratings.rate(
            tracking_token=given["tracking_token"],
            unit_id=given["ad_unit_id"],
            rating=given["rating"],
            text=given["context"],
            agent=caller.agent,
            environment=caller.environment,
            now=caller.now(),
        )
        return Response(
            {
                "status": "received",
                "rating_id": f"rat_{rating.pk}",
                "rating": rating.rating,
                "message": "Thank you for the rating.",
            },
            status=201,
        )
