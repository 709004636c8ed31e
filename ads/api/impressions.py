"""`GET /track-impression/{token}`: the address that older clients load when they show a unit."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from ads import impressions
from ads.api.access import NoKey
from ads.api.base import AdsView
from ads.api.events import automatic
from ads.api.schema import obj, operation
from ads.models import FeatureSwitch


class TrackImpression(AdsView):
    authentication_classes = [NoKey]
    feature = FeatureSwitch.Feature.EVENTS

    @operation(
        "track_impression",
        "Report an impression by loading its address",
        answer=obj("accepted billable", accepted="boolean", billable="boolean", reason="string"),
        example={"accepted": True, "billable": True},
    )
    def get(self, request: Request, token: str) -> Response:
        answer = impressions.see(token, automatic=automatic(request._request), now=timezone.now())
        return Response(answer, headers={"Cache-Control": "no-store"})
