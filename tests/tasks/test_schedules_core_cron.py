"""When a schedule is due, by the clock of its time zone: tables of cases, most of them where that clock is changed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import cron

BERLIN = "Europe/Berlin"  # 2026: 02:00 -> 03:00 on 29 March, 03:00 -> 02:00 on 25 October
NEW_YORK = "America/New_York"  # 2026: 02:00 -> 03:00 on 8 March, 02:00 -> 01:00 on 1 November
LORD_HOWE = (
    "Australia/Lord_Howe"  # by half an hour: 02:00 -> 01:30 on 5 April 2026, 02:00 -> 02:30 on 4 October
)
CAIRO = "Africa/Cairo"  # changed at midnight: 00:00 -> 01:00 on 24 April 2026


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def firings(rhythm: str, zone: str, after: str, number: int) -> list[str]:
    found, moment = [], at(after)
    for _ in range(number):
        moment = cron.next_firing(rhythm, zone, after=moment)
        assert moment is not None
        found.append(moment.strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    "rhythm, zone, after, expected",
    [
        ("*/15 * * * *", "UTC", "2026-01-01T00:00", ["01-01 00:15", "01-01 00:30"]),  # `after` itself is over
        ("0 9 * * 1-5", "UTC", "2026-01-02T09:00", ["01-05 09:00", "01-06 09:00"]),  # Friday, then Monday
        ("0 9 * * mon", "UTC", "2026-01-02T09:00", ["01-05 09:00", "01-12 09:00"]),
        (
            "0 0 13 * 5",
            "UTC",
            "2026-01-01T00:00",
            ["01-02 00:00", "01-09 00:00", "01-13 00:00"],
        ),  # either day
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["02-29 00:00"]),
        ("0 12 L * *", "UTC", "2026-01-01T00:00", ["01-31 12:00", "02-28 12:00"]),
        ("@daily", "UTC", "2026-01-01T10:00", ["01-02 00:00"]),
        ("@weekly", "UTC", "2026-01-01T10:00", ["01-04 00:00"]),
        ("0 9 * * *", BERLIN, "2026-01-01T00:00", ["01-01 08:00"]),
        ("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00", ["01-01 03:30"]),  # five hours and a half
        ("0 9 * * *", BERLIN, "2026-03-28T00:00", ["03-28 08:00", "03-29 07:00"]),  # nine o'clock stays nine
        # The clock leaps over it: right after the leap, once, and as usual on the next day.
        ("30 2 * * *", BERLIN, "2026-03-28T02:00", ["03-29 01:00", "03-30 00:30"]),
        ("15,45 2 * * *", BERLIN, "2026-03-28T02:00", ["03-29 01:00", "03-30 00:15"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T08:00", ["03-08 07:00", "03-09 06:30"]),
        ("0 0 * * *", CAIRO, "2026-04-22T23:00", ["04-23 22:00", "04-24 21:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-02T20:00", ["10-03 15:30", "10-04 15:15"]),
        # The clock shows it twice: the first time only.
        ("30 2 * * *", BERLIN, "2026-10-24T01:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T06:00", ["11-01 05:30", "11-02 06:30"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-03T20:00", ["04-04 14:45", "04-05 15:15"]),
        # Looked for within the second of the two hours, it does not come again.
        ("30 2 * * *", BERLIN, "2026-10-25T01:10", ["10-26 01:30"]),
        ("50 2 * * *", BERLIN, "2026-10-25T01:10", ["10-26 01:50"]),
        ("20 2,3 * * *", BERLIN, "2026-10-25T01:10", ["10-25 02:20"]),
        # What goes by real time has no gap and no pause.
        ("*/30 * * * *", BERLIN, "2026-03-29T00:30", ["03-29 01:00", "03-29 01:30", "03-29 02:00"]),
        ("0 * * * *", BERLIN, "2026-10-24T23:30", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("*/20 2 * * *", BERLIN, "2026-10-25T00:30", ["10-25 00:40", "10-25 01:00", "10-25 01:20"]),
    ],
)
def test_when_it_is_due(rhythm, zone, after, expected):
    assert firings(rhythm, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    "rhythm",
    [
        "", "*", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
        "* * * * 8", "a * * * *", "*/0 * * * *", "5-1 * * * *", "1, * * * *", "-1 * * * *", "@reboot", "0 0 30 2 *",
        "0 0 31 4,6 *", "* * * * MON#6", "٣ * * * *", "1" * 200 + " * * * *", "1," * 50 + "1 * * * *",
    ],
)  # fmt: skip
def test_what_is_no_rhythm(rhythm):
    with pytest.raises(cron.InvalidCron) as raised:
        cron.next_firing(rhythm, "UTC", after=at("2026-01-01T00:00"))
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    "zone",
    ["", "Berlin", "europe/berlin", "UTC+1", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/\x00"],
)
def test_what_is_no_time_zone(zone):
    with pytest.raises(cron.InvalidZone):
        cron.next_firing("* * * * *", zone, after=at("2026-01-01T00:00"))


@pytest.mark.parametrize(
    "after, until, most, count",
    [
        ("2026-01-01T00:00", "2026-01-01T00:00", 10, 0),
        ("2026-01-01T00:00", "2026-01-01T00:59", 10, 3),
        ("2026-01-01T00:00", "2026-01-01T01:00", 10, 4),  # with the last moment
        ("2026-01-01T00:00", "2026-02-01T00:00", 10, 10),  # and no more than asked for
    ],
)
def test_how_often_it_was_due(after, until, most, count):
    found = cron.count_firings("*/15 * * * *", "UTC", after=at(after), until=at(until), most=most)
    assert found == count


@given(
    rhythm=st.sampled_from(
        [
            "30 2 * * *",
            "0,30 1,2 * * *",
            "*/7 * * * *",
            "5 */2 * * *",
            "0 0 * * *",
            "15 2 * * 0",
            "*/20 1-3 * * *",
        ]
    ),
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, CAIRO, "UTC", "Asia/Kathmandu"]),
    start=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),
)
@settings(max_examples=60, deadline=None)
def test_moments_rise_and_do_not_depend_on_where_the_search_began(rhythm, zone, start):
    """What is due next is the same whether the search begins at the last firing, or somewhere between the two."""
    after = start.replace(tzinfo=UTC)
    moments = [after]
    for _ in range(6):
        found = cron.next_firing(rhythm, zone, after=moments[-1])
        assert found is not None
        moments.append(found)
    for earlier, later in pairwise(moments):
        assert earlier < later
        between = earlier + (later - earlier) / 2
        assert cron.next_firing(rhythm, zone, after=between) == later
        assert cron.next_firing(rhythm, zone, after=later - timedelta(microseconds=1)) == later
