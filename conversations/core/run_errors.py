"""What a run can fail of: the word in `error.kind`, and the HTTP status of a request that waited for it."""

from conversations.core.run_states import RunStatus

HTTP_STATUS = {
    "provider_error": 502,
    "provider_rate_limited": 503,
    "provider_timeout": 504,
    "context_overflow": 400,
}


def http_status(kind: str) -> int:
    """500 for every kind that is not the provider's or the client's fault."""
    return HTTP_STATUS.get(kind, 500)


def is_aborted(status: str) -> bool:
    """Whether a run ended before its answer did, without having failed."""
    return status in (RunStatus.CANCELLED, RunStatus.TIMED_OUT)
