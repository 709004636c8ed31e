"""Errors that Django has not shaped, in the API's envelope."""

import uuid
from typing import Any

import orjson

from penguin_site.core.error_envelopes import envelope_at

SERVER_ERROR = {"detail": "Internal server error", "code": "internal_error"}


def error_response(
    status: int, envelope: dict[str, Any], *, path: str, request_id: str = ""
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of an error that Django has not shaped, as clients of `path` read errors."""
    request_id = request_id or uuid.uuid4().hex
    if status >= 500:
        envelope = {**envelope, "request_id": request_id}
    body = orjson.dumps(envelope_at(path, envelope, status=status, request_id=request_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    return headers, body
