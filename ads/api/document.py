"""`GET /api-v1/openapi.json`: the OpenAPI 3.1 document of the ads API."""

from functools import cache
from typing import Any

from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ads.api.access import NoKey
from ads.api.base import AdsView

_DESCRIPTION = """
Ads for agents: ask for what fits a user's message, report what happened, get paid.

**Authentication**: `X-AM-API-Key: am_live_...` or `am_test_...`. What a test key does moves nothing that is real.

**Errors** have one shape, `{"error", "code", "message", "request_id", "details"?}`; branch on `code`.

**Repeating**: `/decide` with the same `request_id` (or `Idempotency-Key`) and `/event` with the same `event_id` get
their first answer again.
""".strip()
_SETTINGS: dict[str, Any] = {
    "TITLE": "Penguin Ads API",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/functions/v1",
    "PREPROCESSING_HOOKS": [],
}


@cache
def document() -> dict[str, Any]:
    """Alike for everybody, so made once in a process."""
    with patched_settings(_SETTINGS):
        generator = SchemaGenerator(patterns=[path("functions/v1/", include("ads.api.urls"))])
        return generator.get_schema(request=None, public=True)


class OpenAPIDocument(AdsView):
    authentication_classes = [NoKey]
    throttle_classes: list[Any] = []  # costs nothing, and needs no database

    @extend_schema(
        operation_id="openapi",
        summary="This document",
        responses={200: {"type": "object", "required": ["openapi", "paths"]}},
        tags=["ads"],
    )
    def get(self, request: Request) -> Response:
        return Response(document())
