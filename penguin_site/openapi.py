"""The OpenAPI document: what every operation has in common (errors, security, headers)."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from penguin_site.core.idempotency_keys import MAX_KEY_LENGTH

PREFIX = "/api/v1"


class FieldError(serializers.Serializer):
    loc = serializers.ListField(
        child=serializers.JSONField(), help_text="Where: `body` or `query`, then names and list positions."
    )
    msg = serializers.CharField()


class Error(serializers.Serializer):
    detail = serializers.CharField(help_text="A sentence for people.")
    code = serializers.CharField(help_text="A word for programs.")
    errors = FieldError(many=True, required=False)


class InternalError(Error):
    errors = None
    request_id = serializers.CharField(help_text="Leads to the log.")


_SENTENCES = {
    "400": ("The request is not valid.", "validation_error"),
    "401": ("No key, or not a valid one.", "authentication_failed"),
    "403": ("The key lacks the scope, or the page's Origin is foreign.", "scope_missing"),
    "404": ("There is no such object among the caller's own.", "not_found"),
    "409": ("The object is in another state.", "conflict"),
    "413": ("The body is too large.", "payload_too_large"),
    "415": ("The body is of a type that is not accepted here.", "unsupported_media_type"),
    "429": ("Too many requests: wait for Retry-After seconds.", "rate_limited"),
}


class Operation(AutoSchema):
    """Adds to each operation the errors that any request can meet, and the Idempotency-Key header."""

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        handler = getattr(self.view, self.method.lower(), None)
        if self.method == "POST" and hasattr(handler, "__wrapped__") and _is_idempotent(handler):
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]([ -~]*[!-~])?$"},
                    OpenApiParameter.HEADER,
                    description="Repeating the request with the same key does nothing new and gets the same answer.",
                )
            )
        return parameters

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        for status in self._errors():
            if status not in responses:
                responses[status] = self._error_response(status)
        if "500" not in responses:
            responses["500"] = self._get_response_for_code(
                OpenApiResponse(InternalError, description="A fault of the server."), "500"
            )
        return responses

    def _errors(self) -> list[str]:
        is_public = getattr(self.view, "required_scopes", None) is None
        # Any address can be malformed, any Host or Origin foreign, a method unknown.
        statuses = ["400", "403"]
        if not is_public:
            statuses += ["401", "429"]
        if "{" in self.path:
            statuses.append("404")
        if self.method in ("POST", "PUT", "PATCH"):
            statuses += ["409", "413", "415"]
        return sorted(statuses)

    def _error_response(self, status: str) -> Any:
        sentence, code = _SENTENCES[status]
        example = OpenApiExample(code, value={"detail": sentence, "code": code}, status_codes=[status])
        described = OpenApiResponse(Error, description=sentence, examples=[example])
        return self._get_response_for_code(described, status)


def _is_idempotent(handler: Any) -> bool:
    while handler is not None:
        if getattr(handler, "is_idempotent", False):
            return True
        handler = getattr(handler, "__wrapped__", None)
    return False


def only_our_api(endpoints: list[Any]) -> list[Any]:
    """The ads API has a document of its own."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(PREFIX)]


class PenguinSecurity(OpenApiAuthenticationExtension):
    target_class = "penguin_site.authentication.PenguinAuthentication"
    name = ["ApiKey", "Bearer", "Session"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]  # any one of them

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer", "description": "The same key."},
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "penguin_session",
                "description": "The browser login; unsafe methods need X-CSRFToken.",
            },
        ]
