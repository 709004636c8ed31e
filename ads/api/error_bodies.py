"""Every error of the ads API in its own envelope: `{"error", "code", "message", "request_id", "details"?}`."""

import logging
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ads.core.ids import Mark
from penguin_site.errors import (
    DomainError,
    Forbidden,
    InvalidField,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    TooManyRequests,
    Unavailable,
)

logger = logging.getLogger("penguin.api")
_CODES = {401: "authentication_failed", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
          413: "payload_too_large", 415: "invalid_request", 429: "rate_limited"}  # fmt: skip


def request_id_of(request: Any) -> str:
    """`req_...`: the name that the request has in the logs too."""
    return f"{Mark.REQUEST}{getattr(request, 'request_id', '')}"


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    answer = answer_to(exc, context.get("request"))
    return Response(answer.body, status=answer.status, headers=answer.headers)


def answer_to(exc: Exception, request: Any) -> ErrorAnswer:
    """Every exception has one; what nobody has foreseen is logged."""
    status, code, message, details, headers = _describe(exc)
    set_rollback()
    body: dict[str, Any] = {
        "error": code,
        "code": code,
        "message": message,
        "request_id": request_id_of(request),
    }
    if details:
        body["details"] = details
    return ErrorAnswer(status, body, headers)


def _describe(exc: Exception) -> tuple[int, str, str, Any, dict[str, str]]:
    if isinstance(exc, exceptions.ValidationError):
        details = _fields(exc.detail)
        name, messages = next(iter(details.items()), ("", ["The request is not valid."]))
        code = "invalid_event_type" if name == "event_type" and "event_type" in details else "invalid_field"
        return 400, code, f"{name}: {messages[0]}" if name else messages[0], details, {}
    if isinstance(exc, exceptions.APIException) and not isinstance(exc, exceptions.ParseError):
        code = _CODES.get(exc.status_code, "invalid_request")
        return exc.status_code, code, str(exc.detail), None, {}
    error = _as_domain_error(exc)
    if error is None:
        logger.exception("A request to the ads API failed.", exc_info=exc)
        return 500, "internal_error", "Internal server error. It is safe to try again.", None, {}
    code = "invalid_field" if isinstance(error, InvalidField) else error.code
    details = error.extra.get("details") or _named(error)
    headers = {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif error.status == 503:
        headers["Retry-After"] = "30"
    elif error.status == 401:
        headers["WWW-Authenticate"] = 'ApiKey header="X-AM-API-Key"'
    return error.status, code, error.message, details, headers


def _as_domain_error(exc: Exception) -> DomainError | None:
    if isinstance(exc, DomainError):
        return exc
    if isinstance(exc, Http404):
        return NotFound()
    if isinstance(exc, PermissionDenied):
        return Forbidden()
    if isinstance(exc, exceptions.ParseError):
        return InvalidRequest(str(exc.detail))
    if isinstance(exc, RequestDataTooBig):
        return PayloadTooLarge()
    if isinstance(exc, SuspiciousOperation | UnreadablePostError):
        return InvalidRequest()
    if isinstance(exc, OperationalError | InterfaceError | PoolTimeout):
        logger.error("The database failed: %s", exc)
        return Unavailable("The database does not answer at the moment: try again.")
    return None


def _named(error: DomainError) -> dict[str, list[str]] | None:
    return {".".join(map(str, each["loc"][1:])): [each["msg"]] for each in error.errors} or None


def _fields(detail: Any, name: str = "") -> dict[str, list[str]]:
    """DRF's nested messages by field: `{"categories.0": ["Not a valid string."]}`."""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for key, inner in detail.items():
            found |= _fields(
                inner, name if key == "non_field_errors" else f"{name}.{key}" if name else str(key)
            )
        return found
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        found = {}
        for index, item in enumerate(detail):
            found |= _fields(item, f"{name}.{index}") if item else {}
        return found
    return {name: [str(item) for item in detail] if isinstance(detail, list) else [str(detail)]}
