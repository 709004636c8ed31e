"""Errors that a client can cause, raised where they happen and shaped in one place (`rest_errors.py`, the consumers).

A subclass lives beside what raises it. Its docstring is the default sentence, `code` the word clients branch on.
"""

from typing import Any


class DomainError(Exception):
    """The request could not be done."""

    status = 400
    code = "invalid_request"

    def __init__(
        self, message: str | None = None, *, errors: list[dict[str, Any]] | None = None, **extra: Any
    ) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.errors = errors or []
        self.extra = extra
        super().__init__(self.message)

    def as_envelope(self) -> dict[str, Any]:
        """`{"detail", "code"}`, `errors` where fields are named, and what the raiser added (a cursor, a run id)."""
        envelope: dict[str, Any] = {"detail": self.message, "code": self.code, **self.extra}
        if self.errors:
            envelope["errors"] = self.errors
        return envelope


class InvalidRequest(DomainError):
    """The request is not valid."""


class InvalidField(InvalidRequest):
    """One field of the request is not valid."""

    code = "validation_error"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", errors=[{"loc": ["body", field], "msg": message}])


class NotAuthenticated(DomainError):
    """Authentication is required: send X-API-Key or Authorization: Bearer."""

    status = 401
    code = "authentication_failed"


class Forbidden(DomainError):
    """This key is not allowed to do that."""

    status = 403
    code = "forbidden"


class Misdirected(DomainError):
    """This process does not serve that: it is a matter of another one behind the same address."""

    status = 421
    code = "misdirected"


class NotFound(DomainError):
    """There is no such object."""

    status = 404
    code = "not_found"


class Conflict(DomainError):
    """The object is in another state."""

    status = 409
    code = "conflict"


class Gone(DomainError):
    """This can no longer be answered."""

    status = 410
    code = "gone"


class PayloadTooLarge(DomainError):
    """The request body is too large."""

    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(DomainError):
    """This type of content is not accepted here."""

    status = 415
    code = "unsupported_media_type"


class TooManyRequests(DomainError):
    """Too many requests: wait and try again."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1, **extra: Any) -> None:
        super().__init__(message, **extra)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(DomainError):
    """The service cannot do this at the moment."""

    status = 503
    code = "service_unavailable"
