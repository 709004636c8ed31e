"""The rules of the rate limits: `read=600/min,chat=60/min:20` and what a token bucket tells a client."""

import math
import re
from dataclasses import dataclass

RATE_CLASSES = ("read", "write", "chat", "ads", "signup")
DEFAULT_LIMITS = "read=1200/min,write=300/min,chat=120/min:30,ads=6000/min:600,signup=5/min"
_PERIODS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "hour": 3600, "day": 86_400}
_RULE = re.compile(r"(\w+)\s*=\s*(\d+)\s*/\s*([a-z]+)(?:\s*:\s*(\d+))?")


@dataclass(frozen=True)
class Limit:
    """`amount` requests in `period_seconds`, of which at most `burst` at once."""

    amount: int
    period_seconds: int
    burst: int

    @property
    def per_second(self) -> float:
        return self.amount / self.period_seconds

    def seconds_until(self, tokens_wanted: float) -> int:
        """Whole seconds, at least one, until so many tokens have grown."""
        return max(1, math.ceil(tokens_wanted / self.per_second))


@dataclass(frozen=True)
class Verdict:
    """What a bucket answered: whether a token was taken, and how many are left."""

    granted: bool
    limit: Limit
    tokens_left: float

    @property
    def retry_after_seconds(self) -> int:
        return self.limit.seconds_until(1 - self.tokens_left)

    def headers(self) -> dict[str, str]:
        missing = self.limit.burst - self.tokens_left
        return {
            "X-RateLimit-Limit": str(self.limit.burst),
            "X-RateLimit-Remaining": str(max(0, math.floor(self.tokens_left))),
            "X-RateLimit-Reset": str(math.ceil(missing / self.limit.per_second) if missing > 0 else 0),
        }


def parse_limits(text: str) -> dict[str, Limit]:
    """Limits by class; `off` gives none, classes that are not named keep their default. ValueError says what is wrong.

    A rule is `class=amount/period` with period s, min, h or day, then optionally `:burst` (how many at once; without
    it the whole amount).
    """
    if text.strip().lower() == "off":
        return {}
    limits = _parse_rules(DEFAULT_LIMITS)
    limits.update(_parse_rules(text))
    return limits


def _parse_rules(text: str) -> dict[str, Limit]:
    limits = {}
    for rule in filter(None, (part.strip() for part in text.split(","))):
        match = _RULE.fullmatch(rule)
        if not match:
            raise ValueError(f"{rule!r} is not of the form class=amount/period or class=amount/period:burst")
        name, amount, period, burst = match[1], int(match[2]), match[3], match[4]
        if name not in RATE_CLASSES:
            raise ValueError(f"{name!r} is not one of {', '.join(RATE_CLASSES)}")
        if period not in _PERIODS:
            raise ValueError(f"{period!r} is not one of {', '.join(_PERIODS)}")
        limit = Limit(amount, _PERIODS[period], int(burst) if burst else amount)
        if limit.amount < 1 or limit.burst < 1:
            raise ValueError(f"{rule!r} would allow nothing; use numbers from 1, or off")
        limits[name] = limit
    return limits
