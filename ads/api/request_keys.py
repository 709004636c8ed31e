"""Names that clients give their requests, so that a repeated one is known."""

from django.http import HttpRequest
from rest_framework.request import Request

from penguin_site.errors import InvalidField

MAX_LENGTH = 190


def key_of(request: Request | HttpRequest, field: str, named: str | None) -> str | None:
    """The name in the body's `field`, else in the `Idempotency-Key` header; None for a request without one."""
    key = named or request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_LENGTH or not key.isprintable():
        raise InvalidField(field, f"must be 1 to {MAX_LENGTH} printable characters")
    return key
