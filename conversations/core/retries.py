"""When a failed model call is tried again, and after how long."""

TRIES = 4
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 20.0
LONGEST_RETRY_AFTER_SECONDS = 60.0


def retry_delay_seconds(
    *, tries: int, retryable: bool, shown: bool, retry_after_seconds: float | None, jitter: float
) -> float | None:
    """How long to wait before the next try of a call that failed for the `tries`-th time; None to give up.

    A call of which anything was shown or run (`shown`) is never repeated: its text would appear twice. The
    delay doubles from try to try, spread by `jitter` (0 to 1) between half of it and the whole. A provider that
    says when to come back is obeyed, unless that is more than a minute away: nobody waits that long.
    """
    if shown or not retryable or tries >= TRIES:
        return None
    if retry_after_seconds is not None and retry_after_seconds > LONGEST_RETRY_AFTER_SECONDS:
        return None
    delay = min(FIRST_DELAY_SECONDS * 2.0 ** (tries - 1), LONGEST_DELAY_SECONDS)
    spread = delay * (0.5 + 0.5 * jitter)
    return max(spread, retry_after_seconds or 0.0)
