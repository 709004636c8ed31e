"""The two public pages about the API: its OpenAPI document, and the same for people."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class _FormatOrAccept(BaseContentNegotiation):
    """`?format=json|yaml`, else what `Accept` names, else JSON; never a 406."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        wanted, accept = request.query_params.get("format"), request.headers.get("Accept", "")
        by_format = [renderer for renderer in renderers if renderer.format == wanted]
        by_accept = [renderer for renderer in renderers if renderer.media_type in accept]
        chosen = [*by_format, *by_accept, renderers[0]][0]
        return chosen, chosen.media_type


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document: alike for everybody, so made once in a process."""
    return SchemaGenerator().get_schema(request=None, public=True)


@extend_schema(exclude=True)
class Schema(APIView):
    """`/api/schema`: OpenAPI 3.1 as JSON or YAML."""

    authentication_classes: list[Any] = []
    required_scopes = None
    content_negotiation_class = _FormatOrAccept
    renderer_classes = [OpenApiJsonRenderer2, OpenApiYamlRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]

    def get(self, request: Request) -> Response:
        return Response(document())


@extend_schema(exclude=True)
class Docs(SpectacularSwaggerSplitView):
    """`/api/docs`: Swagger UI from this server's own static files, without inline scripts."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    required_scopes = None
    content_negotiation_class = DefaultContentNegotiation
    url_name = "schema"
