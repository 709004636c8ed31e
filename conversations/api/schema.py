"""What the OpenAPI document says of a route beyond its serializers.

The errors that any request can meet are added to every operation elsewhere; named here are those that only some have.
"""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

# The one envelope of all errors.
_ERROR = {"$ref": "#/components/schemas/Error"}
_MEANINGS = {
    404: ("There is no such object (or it is another person's).", "not_found"),
    409: ("The object is in another state.", "conflict"),
    410: ("The time for this is over.", "gone"),
    413: ("Too large.", "payload_too_large"),
    415: ("This type of content is not accepted.", "unsupported_media_type"),
    421: ("This process serves no live output (WSGI).", "no_live_output"),
    502: ("The model's provider failed; see `retryable`.", "provider_error"),
    503: ("The model's provider limits the rate.", "provider_rate_limited"),
    504: ("The model's provider did not answer in time.", "provider_timeout"),
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """Responses for `extend_schema`."""
    return {status: _error(status) for status in statuses}


def _error(status: int) -> OpenApiResponse:
    sentence, code = _MEANINGS[status]
    example = OpenApiExample(code, value={"detail": sentence, "code": code}, response_only=True)
    return OpenApiResponse(_ERROR, description=sentence, examples=[example])


def examples(
    *, request: dict[str, Any] | None = None, response: dict[str, Any] | None = None, status: str = "200"
) -> list[OpenApiExample]:
    """What a request to the route and its answer look like."""
    found = []
    if request is not None:
        found.append(OpenApiExample("Request", value=request, request_only=True))
    if response is not None:
        found.append(OpenApiExample("Response", value=response, response_only=True, status_codes=[status]))
    return found
