"""Turns what providers say when something goes wrong into a `ModelFailure`, alike for every wire."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from conversations.llm.mended_text import storable
from conversations.llm.wire import FailureKind, ModelFailure

LONGEST_MESSAGE = 500
# How the providers and the usual inference servers word "your prompt is longer than my context".
_TOO_LONG = re.compile(
    r"context[_ ]length|context[_ ]window|context[_ ]size|context limit|maximum context|max_model_len"
    r"|maximum model length|prompt is too long|prompt too long|input is too long|input too long"
    r"|maximum prompt length|too many (input )?tokens|exceeds? the maximum number of tokens"
    r"|reduce the length of the (messages|prompt|input)|input token count|`inputs` tokens"
    r"|tokens? .{0,60}exceeds? .{0,60}(context|limit of \d+ tokens)",
    re.IGNORECASE,
)
_SPENT = re.compile(r"insufficient_quota|exceeded your current quota|billing_hard_limit", re.IGNORECASE)
_STATUS_OF_WORD = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "RESOURCE_EXHAUSTED": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "UNAVAILABLE": 503,
    "service_unavailable": 503,
    "timeout": 504,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "UNAUTHENTICATED": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "NOT_FOUND": 404,
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "request_too_large": 413,
}


def from_status(
    status: int,
    body: str,
    *,
    provider: str,
    key_names: str = "",
    secret: str = "",
    retry_after: float | None = None,
) -> ModelFailure:
    """The failure behind an HTTP error: `body` is the answer's text, `key_names` says where the key is set."""
    said = _without(_message_in(body), secret)
    words = f"{said} {body[:4000]}"
    if status in (401, 403):
        where = f" Check {key_names}." if key_names else ""
        return _failure(
            "provider_error", f"{provider} refused the credentials (HTTP {status}).{where}", False, status
        )
    if status in (400, 413, 422, 500) and _TOO_LONG.search(words):
        return _failure(
            "context_overflow",
            _sentence(provider, "The conversation is too long for the model", said),
            False,
            status,
        )
    if status == 429:
        spent = _SPENT.search(words) is not None
        what = "has no quota left" if spent else "is limiting the rate of requests"
        return _failure(
            "provider_rate_limited", _sentence(provider, what, said), not spent, status, retry_after
        )
    if status in (408, 504):
        return _failure(
            "provider_timeout", _sentence(provider, "took too long", said), True, status, retry_after
        )
    retryable = status == 409 or status >= 500
    return _failure(
        "provider_error",
        _sentence(provider, f"answered HTTP {status}", said),
        retryable,
        status,
        retry_after if retryable else None,
    )


def from_error_object(error: Any, *, provider: str, key_names: str = "", secret: str = "") -> ModelFailure:
    """The failure behind an `error` that came inside a stream, after a good HTTP status."""
    status = 0
    if isinstance(error, Mapping):
        for field in ("code", "status", "status_code", "http_status", "type"):
            status = status or _status_of(error.get(field))
    body = orjson.dumps({"error": error}, default=str).decode()
    if not status:
        status = 400 if _TOO_LONG.search(body) else 500
    return inside_stream(from_status(status, body, provider=provider, key_names=key_names, secret=secret))


def inside_stream(failure: ModelFailure) -> ModelFailure:
    """The same for an error that came after a good HTTP status, so that there is none to tell of."""
    if failure.status is not None:
        failure.message = failure.message.replace(f"answered HTTP {failure.status}", "reported an error")
        failure.status = None
    return failure


def unreachable(provider: str, error: BaseException, *, retryable: bool = True) -> ModelFailure:
    """The connection could not be made, or broke; `error` gives its kind only, its text may hold addresses."""
    return _failure(
        "provider_error", f"{provider} cannot be reached ({type(error).__name__}).", retryable, None
    )


def cut_off(provider: str) -> ModelFailure:
    return _failure("provider_error", f"{provider} broke off in the middle of the answer.", True, None)


def unreadable(provider: str) -> ModelFailure:
    return _failure("provider_error", f"{provider} sent an answer that cannot be read.", True, None)


def not_this_wire(provider: str, status: int) -> ModelFailure:
    """A redirection or a web page instead of an answer: the address is wrong, trying again does not help."""
    message = f"{provider} answered HTTP {status} without a model's answer: check the address of the server."
    return _failure("provider_error", message, False, status)


def timed_out(provider: str, waited_for: str) -> ModelFailure:
    return _failure("provider_timeout", f"{provider} took too long {waited_for}.", True, None)


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """From `Retry-After-Ms` or `Retry-After`, which holds seconds or a date; None when it says nothing usable."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = (headers.get("retry-after") or "").strip()
        if not text:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text)
        moment = parsedate_to_datetime(text)
        return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _failure(
    kind: FailureKind, message: str, retryable: bool, status: int | None, retry_after: float | None = None
) -> ModelFailure:
    return ModelFailure(kind, message, retryable=retryable, status=status, retry_after_seconds=retry_after)


def _sentence(provider: str, what: str, said: str) -> str:
    subject = what if what[0].isupper() else f"{provider} {what}"
    return f"{subject}: {said}" if said else f"{subject}."


def _status_of(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 400 <= value <= 599 else 0
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[45]\d\d", value) else _STATUS_OF_WORD.get(value, 0)
    return 0


def _message_in(body: str) -> str:
    """The readable part of an error's body: providers nest it in half a dozen ways."""
    try:
        found: Any = orjson.loads(body)
    except ValueError:
        # A proxy's HTML page says nothing that helps.
        found = "" if "<html" in body.lower() else body
    for _ in range(4):
        if isinstance(found, list):
            found = found[0] if found else ""
        elif isinstance(found, Mapping):
            found = next((found[key] for key in ("error", "message", "detail", "msg") if found.get(key)), "")
    text = storable(found if isinstance(found, str) else "")
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "***") if len(secret) >= 4 else text
