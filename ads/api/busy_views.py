"""The view of endpoints that are asked a thousand times a second."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed, UnsupportedMediaType

from ads import features
from ads.api.access import Caller, caller_of
from ads.api.base import AdsView, check_length
from ads.api.error_bodies import answer_to


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
            status, body, headers = 200, self.post(request, caller, self._data_of(request)), {}
        except Exception as error:
            answer = answer_to(error, request)
            status, body, headers = answer.status, answer.body, answer.headers
        renderer = self.renderer_classes[0]()
        return HttpResponse(
            renderer.render(body),
            status=status,
            content_type=renderer.media_type,
            headers={"Allow": "POST, OPTIONS", **headers},
        )

    def _let_in(self, request: HttpRequest) -> Caller:
        check_length(request)
        caller = request.auth = caller_of(request)
        self.check_throttles(request)
        if self.feature is not None:
            features.require(self.feature)
        if request.method != "POST":
            raise MethodNotAllowed(request.method or "")
        return caller

    def _data_of(self, request: HttpRequest) -> dict[str, Any]:
        length, parser = request.META.get("CONTENT_LENGTH", ""), self.parser_classes[0]()
        if not length.isdigit() or int(length) == 0:
            return {}
        if request.content_type != parser.media_type:
            raise UnsupportedMediaType(request.META.get("CONTENT_TYPE", ""))
        data: dict[str, Any] = parser.parse(BytesIO(request.body))
        return data
