"""Prices, shares and bonuses in micros; days of budgets in the advertiser's time zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.core.days import day_bounds, is_time_zone, local_day
from ads.core.micros import BASIS_POINTS, Pricing, Reaction, Split, bonus_micros, charge_micros, split_price


@pytest.mark.parametrize(
    "pricing, price_cents, micros",
    [
        (Pricing.CPC, 35, 350_000),
        (Pricing.SUCCESS, 35, 350_000),
        (Pricing.SESSION, 1, 10_000),
        (Pricing.CPM, 35, 350),  # 35 cents a thousand: 350 micros each
        (Pricing.CPM, 1, 10),
        (Pricing.CPC, 0, 0),
    ],
)
def test_what_one_event_costs(pricing, price_cents, micros):
    assert charge_micros(pricing, price_cents) == micros


@pytest.mark.parametrize(
    "price, bps, agent, platform",
    [
        (350_000, 7_000, 245_000, 105_000),
        (1, 7_000, 0, 1),  # what cannot be divided stays with the platform
        (10, 7_000, 7, 3),
        (999, 3_333, 332, 667),
        (500, 0, 0, 500),
        (500, 10_000, 500, 0),
    ],
)
def test_shares(price, bps, agent, platform):
    assert split_price(price, bps) == Split(agent, platform)


@given(st.integers(0, 10**15), st.integers(0, BASIS_POINTS))
def test_shares_are_the_price(price, bps):
    split = split_price(price, bps)
    assert split.agent_micros + split.platform_micros == price
    assert min(split.agent_micros, split.platform_micros) >= 0
    assert split.agent_micros * BASIS_POINTS <= price * bps < (split.agent_micros + 1) * BASIS_POINTS


@pytest.mark.parametrize("price, bps", [(-1, 7_000), (1, -1), (1, 10_001)])
def test_no_negative_prices_and_shares(price, bps):
    with pytest.raises(ValueError):
        split_price(price, bps)


@pytest.mark.parametrize(
    "reaction, bonus",
    [(Reaction.POSITIVE, 49_000), (Reaction.NEGATIVE, 12_250), (Reaction.NEUTRAL, 0)],
)
def test_bonuses_of_a_click_of_35_cents(reaction, bonus):
    assert bonus_micros(split_price(350_000), reaction) == bonus


@given(st.integers(0, 10**12), st.integers(0, BASIS_POINTS), st.sampled_from(Reaction))
def test_a_bonus_is_never_more_than_the_platforms_fee(price, bps, reaction):
    split = split_price(price, bps)
    assert 0 <= bonus_micros(split, reaction) <= split.platform_micros


@pytest.mark.parametrize(
    "moment, zone, day",
    [
        ("2026-03-01T07:59:59+00:00", "America/Los_Angeles", date(2026, 2, 28)),
        ("2026-03-01T08:00:00+00:00", "America/Los_Angeles", date(2026, 3, 1)),
        ("2026-03-01T10:30:00+00:00", "Pacific/Kiritimati", date(2026, 3, 2)),
        ("2026-03-01T18:14:59+00:00", "Asia/Kathmandu", date(2026, 3, 1)),  # 5:45 ahead
        ("2026-03-01T18:15:00+00:00", "Asia/Kathmandu", date(2026, 3, 2)),
    ],
)
def test_days_in_time_zones(moment, zone, day):
    assert local_day(datetime.fromisoformat(moment), zone) == day


@pytest.mark.parametrize(
    "day, zone, hours",
    [
        (date(2026, 3, 8), "America/New_York", 23),  # clocks go forward
        (date(2026, 11, 1), "America/New_York", 25),  # and back
        (date(2026, 6, 1), "America/New_York", 24),
        (date(2026, 4, 24), "Africa/Cairo", 23),  # at midnight itself: the day begins at one
    ],
)
def test_days_when_the_clocks_change(day, zone, hours):
    start, end = day_bounds(day, zone)
    assert end - start == timedelta(hours=hours)
    assert local_day(start, zone) == day == local_day(end - timedelta(microseconds=1), zone)
    assert local_day(start - timedelta(microseconds=1), zone) != day != local_day(end, zone)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo"]),
)
def test_every_moment_lies_in_its_day(moment, zone):
    start, end = day_bounds(local_day(moment, zone), zone)
    assert start <= moment < end


@pytest.mark.parametrize(
    "name, known", [("Europe/Berlin", True), ("Mars/Base", False), ("../etc/passwd", False), ("", False)]
)
def test_time_zones_are_names(name, known):
    assert is_time_zone(name) is known
