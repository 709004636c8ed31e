"""Tokens of large buckets, taken several at a time by a process that would otherwise ask for each request.

What was taken and not used is lost after a second, so a limit never lets more through than it says. A process takes two
after one, then four, as long as it needs them within that second, and starts with one again when it does not.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from penguin_site.core.rate_limits import Limit, Verdict

LIFETIME_SECONDS = 1.0
# Of a bucket at most this part is in one process's hands; smaller buckets are asked for each request.
_PART = 20
_MOST_KEYS = 10_000

Take = Callable[[str, Limit, int], Verdict]


@dataclass(slots=True)
class _Lease:
    size: int
    left: int
    until: float
    tokens_left: float  # in the bucket, when it was taken


class Leases:
    """`take(key, limit, count)` takes `count` tokens from the bucket, or none."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}

    def take(self, key: str, limit: Limit) -> Verdict:
        most = limit.burst // _PART
        if most < 2:
            return self._take(key, limit, 1)
        now = time.monotonic()
        with self._lock:
            lease = self._leases.get(key)
            if lease and lease.left and now < lease.until:
                lease.left -= 1
                return Verdict(True, limit, lease.tokens_left + lease.left)
            is_busy = lease is not None and now < lease.until
            size = min(2 * lease.size, most) if lease and is_busy else 1
        verdict = self._take(key, limit, size)
        if not verdict.granted and size > 1:
            verdict, size = self._take(key, limit, 1), 1
        with self._lock:
            if len(self._leases) >= _MOST_KEYS:
                self._leases.clear()
            left = size - 1 if verdict.granted else 0
            self._leases[key] = _Lease(size, left, now + LIFETIME_SECONDS, verdict.tokens_left)
        return Verdict(verdict.granted, limit, verdict.tokens_left + left)

    def forget(self) -> None:
        with self._lock:
            self._leases.clear()
