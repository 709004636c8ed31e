"""What the OpenAPI document says of every operation of the ads API: keys and errors."""

import inspect
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers


class AdsError(serializers.Serializer):
    error = serializers.CharField(help_text="A word for programs.")
    code = serializers.CharField(help_text="The same word.")
    message = serializers.CharField(help_text="A sentence for people.")
    request_id = serializers.CharField(help_text="Leads to the log.")
    details = serializers.JSONField(
        required=False, help_text="By field, what is wrong; of a duplicate, what was first."
    )


_ERRORS = {
    "400": ("The request is not valid.", "invalid_field"),
    "401": ("No API key, or not a valid one.", "authentication_failed"),
    "403": ("That belongs to another agent, or the agent is not approved yet.", "forbidden"),
    "404": ("There is no such object, or the token is none of ours.", "not_found"),
    "405": ("This address does not know that method.", "method_not_allowed"),
    "409": ("This was done before, or its key was used for something else.", "idempotency_mismatch"),
    "413": ("The body is larger than 64 KiB.", "payload_too_large"),
    "415": ("The body is not JSON.", "invalid_request"),
    "429": ("Too many requests: wait for Retry-After seconds.", "rate_limited"),
    "500": ("A fault of the server: safe to try again.", "internal_error"),
    "503": ("This part of the service is switched off at the moment.", "service_unavailable"),
}


class AdsSchema(AutoSchema):
    """Adds the errors that every operation of the ads API can meet."""

    def get_description(self) -> str:
        """What is written at the operation: what a base class says is for who writes views."""
        handler = getattr(self.view, self.method.lower(), None)
        return inspect.cleandoc(
            getattr(handler, "__doc__", None) or vars(type(self.view)).get("__doc__") or ""
        )

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        for status, (sentence, code) in _ERRORS.items():
            if status not in responses:
                example = OpenApiExample(
                    code,
                    value={"error": code, "code": code, "message": sentence, "request_id": "req_0198"},
                    response_only=True,
                )
                response = OpenApiResponse(AdsError, description=sentence, examples=[example])
                responses[status] = self._get_response_for_code(response, status)
        return responses


class _AgentKeyScheme(OpenApiAuthenticationExtension):
    target_class = "ads.api.access.AgentKey"
    name = "AgentKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-AM-API-Key",
            "description": "The developer's key.",
        }


class _NoKeyScheme(OpenApiAuthenticationExtension):
    target_class = "ads.api.access.NoKey"
    name = "Public"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {}

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return {}


def operation(
    name: str,
    summary: str,
    *,
    request: Any = None,
    answer: dict[str, Any],
    sample: dict[str, Any] | None = None,
    example: dict[str, Any],
    status: int = 200,
    parameters: list[Any] | None = None,
) -> Any:
    """Describes a handler: `answer` is the schema of its answer, `sample` and `example` a request and an answer."""
    examples = [OpenApiExample("Answer", value=example, response_only=True, status_codes=[str(status)])]
    if sample is not None:
        examples.append(OpenApiExample("Request", value=sample, request_only=True))
    return extend_schema(
        operation_id=name,
        summary=summary,
        request=request,
        parameters=parameters,
        responses={status: OpenApiResponse(answer, description="Done.")},
        examples=examples,
        tags=["ads"],
    )


def obj(required: str = "", **properties: Any) -> dict[str, Any]:
    """The JSON schema of an object; `required` names properties, divided by blanks. Types may be given as words."""
    schemas = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in properties.items()}
    return {"type": "object", "properties": schemas, "required": required.split()}
