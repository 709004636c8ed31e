"""The two published shapes of an error: the API's own, and that of the ads API, which is another contract."""

from typing import Any

ADS_PREFIX = "/functions/v1"
# Codes that clients of the ads API branch on, for what is refused before any of its views is asked.
_ADS_CODES = {
    400: "invalid_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    500: "internal_error",
    503: "service_unavailable",
}


def envelope_at(path: str, envelope: dict[str, Any], *, status: int, request_id: str) -> dict[str, Any]:
    """`envelope` as clients of `path` read errors."""
    if path != ADS_PREFIX and not path.startswith(f"{ADS_PREFIX}/"):
        return envelope
    code = _ADS_CODES.get(status, "internal_error" if status >= 500 else "invalid_request")
    return {
        "error": code,
        "code": code,
        "message": envelope["detail"],
        "request_id": f"req_{request_id}",
    }
