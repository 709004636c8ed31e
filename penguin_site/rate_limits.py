"""How often somebody may ask: token buckets in Postgres, or in Redis where REDIS_URL is set.

Not in the memory of a process: a limit holds over all web processes together. Without limits is the local owner.
"""

from functools import cache
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from penguin_site.core.rate_limits import Limit, Verdict
from penguin_site.errors import TooManyRequests
from penguin_site.principals import Principal
from penguin_site.rate_leases import Leases

# One statement, so that of a burst in many processes never more than the bucket holds get through. The time is read
# after the row's lock was won (clock_timestamp), or a waiting request would refill the bucket backwards. Its own
# transaction does not wait for the disk: a bucket that is fuller after a power cut does no harm.
_TAKE = """
INSERT INTO rate_bucket AS bucket (key, tokens, granted, refilled_at)
VALUES (%(key)s, %(burst)s - %(count)s, true, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET (tokens, granted, refilled_at) = (
    SELECT CASE WHEN filled >= %(count)s THEN filled - %(count)s ELSE filled END, filled >= %(count)s, now
    FROM (
        SELECT least(%(burst)s, bucket.tokens + %(per_second)s
                   * greatest(0, extract(epoch FROM now - bucket.refilled_at))::float8) AS filled,
               greatest(now, bucket.refilled_at) AS now
        FROM (SELECT clock_timestamp() AS now) AS clock
    ) AS refilled
)
RETURNING granted, tokens, set_config('synchronous_commit', 'off', true)
"""

_TAKE_IN_REDIS = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local burst, per_second, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if known[1] then
    tokens = math.min(burst, tonumber(known[1]) + per_second * math.max(0, now - tonumber(known[2])))
end
local granted = tokens >= count
if granted then tokens = tokens - count end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / per_second) + 1)
return {granted and 1 or 0, tostring(tokens)}
"""


@cache
def _redis_script() -> Any:
    import redis

    return redis.Redis.from_url(settings.REDIS_URL).register_script(_TAKE_IN_REDIS)


def take(key: str, limit: Limit, count: int = 1) -> Verdict:
    """Takes `count` tokens from the bucket `key`, if it has so many."""
    if settings.REDIS_URL:
        granted, tokens = _redis_script()(
            keys=[f"penguin:rate:{key}"], args=[limit.burst, limit.per_second, count]
        )
        return Verdict(bool(granted), limit, float(tokens))
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {"key": key, "burst": float(limit.burst), "per_second": limit.per_second, "count": float(count)},
        )
        granted, tokens, _ = cursor.fetchone()
    return Verdict(granted, limit, tokens)


leases = Leases(take)


def refuse(verdict: Verdict) -> None:
    if not verdict.granted:
        raise TooManyRequests(retry_after_seconds=verdict.retry_after_seconds)


def _limit_for(principal: Principal, rate_class: str) -> Limit | None:
    return None if principal.is_local_owner else settings.PENGUIN_RATE_LIMITS.get(rate_class)


def _bucket_of(principal: Principal, rate_class: str) -> str:
    who = f"key:{principal.key_id}" if principal.key_id else f"user:{principal.user_id}"
    return f"{who}:{rate_class}"


def check(principal: Principal, rate_class: str) -> None:
    """For pages: raises TooManyRequests when the principal's bucket of this class is empty."""
    limit = _limit_for(principal, rate_class)
    if limit is not None:
        refuse(take(_bucket_of(principal, rate_class), limit))


class PrincipalThrottle(BaseThrottle):
    """Each principal has a bucket per rate class; a view names its class (`rate_class`), else read or write.

    The request may be Django's own, with `auth` as REST framework's has it.
    """

    def allow_request(self, request: Request | HttpRequest, view: Any) -> bool:
        principal = request.auth
        rate_class = getattr(view, "rate_class", None) or (
            "read" if request.method in SAFE_METHODS else "write"
        )
        if isinstance(principal, Principal):
            bucket, limit = _bucket_of(principal, rate_class), _limit_for(principal, rate_class)
        else:
            # Those who come by other ways than the site's (agents with their own keys) name their bucket.
            own = getattr(principal, "rate_bucket", None)
            bucket, limit = (
                f"{own}:{rate_class}",
                settings.PENGUIN_RATE_LIMITS.get(rate_class) if own else None,
            )
        if limit is None:
            return True
        verdict = take(bucket, limit) if isinstance(principal, Principal) else leases.take(bucket, limit)
        # Added by the request_id middleware.
        getattr(request, "_request", request).rate_limit_headers = verdict.headers()
        refuse(verdict)
        return True


class SocketLimits:
    """`scope["limits"]`: the same buckets for what arrives over a socket."""

    __slots__ = ("_principal",)

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    async def check(self, rate_class: str) -> None:
        """Raises TooManyRequests when the bucket is empty. Costs nothing for the local owner."""
        limit = _limit_for(self._principal, rate_class)
        if limit is not None:
            refuse(await database_sync_to_async(take)(_bucket_of(self._principal, rate_class), limit))
