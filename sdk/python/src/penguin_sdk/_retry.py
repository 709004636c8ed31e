"""When something that failed is tried again, and after how long."""

import time
from typing import TYPE_CHECKING

from penguin_sdk.errors import PenguinError

if TYPE_CHECKING:
    from penguin_sdk._steps import Outcome

FIRST_SECONDS = 0.5
MOST_SECONDS = 8.0
# A server that wants more patience than this is not waited for: the caller is told, with `retry_after`.
LONGEST_RETRY_AFTER = 60.0


def pause_before(attempt: int, outcome: "Outcome", *, chance: float) -> float | None:
    """Seconds to wait before the attempt behind number `attempt` (from 0); None when there should be none.

    408, 429, 5xx and lost or late answers are worth another attempt. `chance` is 0 to 1: clients that failed together
    must not come back together.
    """
    if isinstance(outcome, PenguinError):
        return backoff(attempt, chance)
    if outcome.status not in (408, 429) and outcome.status < 500:
        return None
    wanted = retry_after_seconds(outcome.headers.get("retry-after"))
    if wanted is None:
        return backoff(attempt, chance)
    return None if wanted > LONGEST_RETRY_AFTER else wanted + chance * FIRST_SECONDS / 2


def backoff(
    attempt: int, chance: float, *, first: float = FIRST_SECONDS, most: float = MOST_SECONDS
) -> float:
    """Doubles with each attempt; between half of it and all of it."""
    return float(min(first * 2 ** min(attempt, 30), most) * (0.5 + chance / 2))


def retry_after_seconds(header: str | None) -> float | None:
    """Of `Retry-After`, seconds or a date; None when there is none that can be read."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
