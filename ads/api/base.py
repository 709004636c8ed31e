"""What all views of the ads API have in common."""

from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from ads import features
from ads.api.access import AgentKey, Caller
from ads.api.error_bodies import exception_handler
from ads.api.schema import AdsSchema
from ads.models import FeatureSwitch
from penguin_site.errors import Forbidden, NotFound, PayloadTooLarge

MAX_BODY_BYTES = 64 * 1024


class AdsView(APIView):
    """Agents only, unless a view says otherwise; errors in the envelope of the ads API; bodies of 64 KiB at most."""

    authentication_classes: list[Any] = [AgentKey]
    permission_classes: list[Any] = []
    rate_class = "ads"
    feature: FeatureSwitch.Feature | None = None
    schema = AdsSchema()

    def get_exception_handler(self) -> Any:
        return exception_handler

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        check_length(request)
        super().initial(request, *args, **kwargs)
        if self.feature is not None:
            features.require(self.feature)


def check_length(request: Request | HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")


def checked(shape: Serializer[Any], data: Any) -> dict[str, Any]:
    """What a body says, as `shape` describes it; raises ValidationError.

    For the busiest views: one `shape` serves all requests, where a serializer a request copies all its fields.
    """
    values: dict[str, Any] = shape.run_validation(data)
    return values


def check_agent_id(caller: Caller, agent_id: str | None) -> None:
    """An `agent_id` in a body must be the key's own."""
    if agent_id and agent_id != caller.agent.public_id:
        raise Forbidden("agent_id is not the agent of this API key.")


@extend_schema(exclude=True)
class UnknownAddress(AdsView):
    """Whatever is not there, in the envelope of the ads API."""

    authentication_classes: list[Any] = []
    throttle_classes: list[Any] = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is no such address.")
