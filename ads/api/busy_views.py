"""The view of endpoints that are asked a thousand times a second."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed, UnsupportedMediaType

from ads import features
from ads.api.access import Caller, caller_of
from ads.api.base import AdsView, check_length
from ads.api.error_bodies import answer_to
from penguin_site import json_wire, rate_limits


class BusyView(AdsView):
    """Answers POST as every view of the ads API does, without the way around a handler that REST framework goes.

    That way (a request and a response of its own, classes made for each request) costs as much as the rest of a report
    of an event. What is looked at, in which order and with which errors stays the same. A handler gets Django's
    request and returns what is answered with 200:

        def post(self, request: HttpRequest, caller: Caller, data: dict[str, Any]) -> dict[str, Any]
    """

    post: Callable[..., dict[str, Any]]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            caller = self._let_in(request)
            status, body, headers = 200, self.post(request, caller, _data_of(request)), {}
        except Exception as error:
            answer = answer_to(error, request)
            status, body, headers = answer.status, answer.body, answer.headers
        return HttpResponse(
            json_wire.dumps(body),
            status=status,
            content_type=json_wire.JSONRenderer.media_type,
            headers={"Allow": "POST, OPTIONS", **headers},
        )

    def _let_in(self, request: HttpRequest) -> Caller:
        check_length(request)
        caller = caller_of(request)
        rate_limits.check_request(request, caller, self.rate_class)
        if self.feature is not None:
            features.require(self.feature)
        if request.method != "POST":
            raise MethodNotAllowed(request.method or "")
        return caller


def _data_of(request: HttpRequest) -> dict[str, Any]:
    length, content_type = request.META.get("CONTENT_LENGTH", ""), request.META.get("CONTENT_TYPE", "")
    if not length.isdigit() or int(length) == 0:
        return {}
    if json_wire.media_type_of(content_type) != json_wire.JSONParser.media_type:
        raise UnsupportedMediaType(content_type)
    return json_wire.read_object(request.body)
