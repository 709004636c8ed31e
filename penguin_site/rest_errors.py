"""Every error of a REST view in one envelope."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from penguin_site.authentication import CHALLENGE
from penguin_site.errors import (
    DomainError,
    Forbidden,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    TooManyRequests,
    Unavailable,
)
from penguin_site.json_wire import BadJSON

logger = logging.getLogger("penguin.api")


class DatabaseUnavailable(Unavailable):
    """The database does not answer at the moment: try again."""

    code = "database_unavailable"


_CODES = {
    400: "invalid_request",
    401: "authentication_failed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Every error of a REST view in one envelope; None (a logged 500) for what nobody has foreseen."""
    error = _as_domain_error(exc)
    if error is not None:
        set_rollback()
        return Response(error.as_envelope(), status=error.status, headers=_headers_of(error))
    if isinstance(exc, exceptions.APIException):
        set_rollback()
        request = context.get("request")
        return _response_to(
            exc, "query" if request is not None and request.method in ("GET", "HEAD") else "body"
        )
    return None


def _as_domain_error(exc: Exception) -> DomainError | None:
    if isinstance(exc, DomainError):
        return exc
    if isinstance(exc, Http404):
        return NotFound()
    if isinstance(exc, PermissionDenied):
        return Forbidden()
    if isinstance(exc, exceptions.ParseError):
        return BadJSON(str(exc.detail))
    if isinstance(exc, RequestDataTooBig):
        return PayloadTooLarge()
    if isinstance(exc, SuspiciousOperation | UnreadablePostError):
        return InvalidRequest()
    if isinstance(exc, OperationalError | InterfaceError | PoolTimeout):
        logger.error("The database failed: %s", exc)
        return DatabaseUnavailable()
    return None


def _headers_of(error: DomainError) -> dict[str, str]:
    if error.status == 401:
        return {"WWW-Authenticate": CHALLENGE}
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after_seconds)}
    if error.status == 503:
        return {"Retry-After": "1"}
    return {}


def _response_to(exc: exceptions.APIException, place: str) -> Response:
    headers = {}
    if exc.status_code == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(max(1, int(wait)))
    envelope: dict[str, Any] = {"code": _CODES.get(exc.status_code, "invalid_request")}
    if isinstance(exc, exceptions.ValidationError):
        envelope |= {"code": "validation_error", "errors": _field_errors(exc.detail, [place])}
        first = (
            envelope["errors"][0]
            if envelope["errors"]
            else {"loc": [place], "msg": "The request is not valid."}
        )
        field = ".".join(str(step) for step in first["loc"][1:])
        envelope["detail"] = f"{field}: {first['msg']}" if field else first["msg"]
    else:
        envelope["detail"] = str(exc.detail)
    return Response(envelope, status=exc.status_code, headers=headers)


def _field_errors(detail: Any, loc: list[str | int]) -> list[dict[str, Any]]:
    """DRF's nested messages as a flat list: `[{"loc": ["body", "images", 0], "msg": "..."}]`."""
    if isinstance(detail, dict):
        return [
            error
            for field, inner in detail.items()
            for error in _field_errors(inner, loc if field == "non_field_errors" else [*loc, field])
        ]
    if isinstance(detail, list):
        errors: list[dict[str, Any]] = []
        for index, inner in enumerate(detail):
            # A list holds the messages of a field, or the errors of its items (empty ones are fine).
            is_item = isinstance(inner, dict | list)
            errors += _field_errors(inner, [*loc, index] if is_item else loc) if inner else []
        return errors
    return [{"loc": loc, "msg": str(detail)}]
