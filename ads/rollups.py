"""Days of the live book are added up once they are over, and again when something of them turns out to be invalid."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from ads.core.books import LIVE
from ads.models import Decision, RolledDay
from ads.report_lines import FIGURES, KEYS, lines

# What was under way at midnight has long been committed by then.
AFTER_MIDNIGHT = timedelta(hours=1)
_LOCK = 0x61647275
_DAY = timedelta(days=1)
_COLUMNS = ", ".join((*KEYS, *FIGURES))
_ADD_UP = f"""
INSERT INTO ad_rollup ({_COLUMNS})
SELECT {_COLUMNS} FROM ({
    lines(
        book="= 'live'",
        since="(%(day)s::timestamp AT TIME ZONE 'UTC')",
        until="((%(day)s::timestamp + interval '1 day') AT TIME ZONE 'UTC')",
    )
}) AS added
"""


def roll_up(day: date, *, now: datetime) -> None:
    """Adds up a day that is over; whatever stood there is replaced."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("DELETE FROM ad_rollup WHERE day = %s", [day])
        cursor.execute(_ADD_UP, {"day": day})
        RolledDay.objects.update_or_create(day=day, defaults={"rolled_at": now})


def roll_up_due(*, now: datetime) -> int:
    """Adds up every day that is over and was not added up yet; how many."""
    last = (now - AFTER_MIDNIGHT).date() - _DAY
    newest = RolledDay.objects.aggregate(day=Max("day"))["day"]
    if newest is None:
        first = Decision.objects.filter(book=LIVE).aggregate(month=Min("month"))["month"]
    else:
        first = newest + _DAY
    days = [] if first is None else [first + n * _DAY for n in range((last - first).days + 1)]
    for day in days:
        roll_up(day, now=now)
    return len(days)


def refresh(days: Iterable[date], *, now: datetime) -> None:
    """Adds up those of the days anew that were added up before. In the transaction of what has changed them."""
    for day in sorted(RolledDay.objects.filter(day__in=set(days)).values_list("day", flat=True)):
        roll_up(day, now=now)
