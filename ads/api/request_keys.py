"""Names that clients give their requests, so that a repeated one is known."""

from rest_framework.request import Request

from penguin_site.errors import InvalidField

MAX_LENGTH = 190


def key_of(request: Request, field: str, named: str | None) -> str | None:
    """The name in the body's `field`, else in the `Idempotency-Key` header; None for a request without one."""
    key = named or request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_LENGTH or not key.isprintable():
        raise InvalidField(field, f"must be 1 to {MAX_LENGTH} printable characters")
    return key
