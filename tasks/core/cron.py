"""When a schedule is due: five cron fields read by the clock of a time zone, across changes of that clock.

As Debian's cron does it. A time that the clock leaps over is due right after the leap, once. A time that the clock
shows twice is due the first time only. A rhythm whose minutes or hours begin with a star goes by real time instead:
every ten minutes stays every ten minutes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MOST_CHARACTERS = 100
_FIELDS = 5
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class InvalidCron(ValueError):
    """What is written is no rhythm; the message says what is wrong with it."""


class InvalidZone(ValueError):
    """There is no such time zone."""


def next_firing(cron: str, timezone: str, *, after: datetime) -> datetime | None:
    """The first moment behind `after` (aware) at which it is due, in UTC; None when there is none in fifty years.

    Raises InvalidCron or InvalidZone.
    """
    return next(_firings(cron, timezone, after=after), None)


def count_firings(cron: str, timezone: str, *, after: datetime, until: datetime, most: int) -> int:
    """How many moments behind `after`, up to and with `until`, were due; no more than `most` are counted."""
    count = 0
    for moment in _firings(cron, timezone, after=after):
        if moment > until or count == most:
            break
        count += 1
    return count


def _firings(cron: str, timezone: str, *, after: datetime) -> Iterator[datetime]:
    zone = _zone(timezone)
    try:
        moments = CronSim(_five_fields(cron), after.astimezone(zone))
    except CronSimError as error:
        raise InvalidCron(f"{error}.") from None
    last = after
    for moment in moments:
        found = moment.astimezone(UTC)
        # Begun within an hour that the clock shows twice, the search also finds the first of the two.
        if found > last:
            last = found
            yield found


def _five_fields(cron: str) -> str:
    written = cron.strip()
    written = _NICKNAMES.get(written.lower(), written)
    if len(written) > MOST_CHARACTERS:
        raise InvalidCron(f"It has more than {MOST_CHARACTERS} characters.")
    if not written.isascii() or len(written.split()) != _FIELDS:
        raise InvalidCron("Write five fields: minute, hour, day of month, month, day of week.")
    return written


@lru_cache(maxsize=100)
def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise InvalidZone(f"There is no time zone {name[:50]!r}; write one as Europe/Berlin or UTC.")
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
