"""Calibration, quality and identifiers."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.core import ids
from ads.core.calibration import Calibration
from ads.core.matching_texts import rarest
from ads.core.quality import LEAST, NEUTRAL, Traffic, quality_of

CURVE = Calibration("v1", ((2_000, 0), (3_000, 2_500), (3_001, 2_500), (8_000, 10_000)))


@pytest.mark.parametrize(
    "measured, relevance",
    [
        (-10_000, 0),
        (2_000, 0),
        (2_500, 1_250),
        (2_999, 2_497),  # rounded down
        (3_000, 2_500),
        (3_001, 2_500),
        (8_000, 10_000),
        (10_000, 10_000),
    ],
)
def test_a_curve(measured, relevance):
    assert CURVE.relevance(measured) == relevance


@pytest.mark.parametrize(
    "knots",
    [
        (),
        ((0, 0),),
        ((0, 0), (0, 1)),
        ((1, 0), (0, 1)),
        ((0, 1), (1, 0)),
        ((0, -1), (1, 1)),
        ((0, 0), (1, 10_001)),
    ],
)
def test_what_is_no_curve(knots):
    with pytest.raises(ValueError):
        Calibration("v1", knots)


@given(st.integers(-12_000, 12_000), st.integers(0, 3_000))
def test_more_similar_is_never_less_relevant(measured, more):
    assert CURVE.relevance(measured) <= CURVE.relevance(measured + more)


@pytest.mark.parametrize(
    "traffic, low, high",
    [
        (Traffic(), NEUTRAL, NEUTRAL),
        (Traffic(impressions=10_000, clicks=200, conversions=10), NEUTRAL - 50, NEUTRAL + 50),  # the usual
        (Traffic(impressions=10_000, clicks=200), 3_500, 4_000),  # none of the clicks led to anything
        (Traffic(impressions=3, clicks=3), NEUTRAL, 6_900),  # three lucky clicks prove little
        (Traffic(impressions=10_000, clicks=1_000, conversions=50), 6_500, 7_100),
        (
            Traffic(impressions=10_000, clicks=1_000, conversions=200, ratings=50, rating_sum=250),
            9_000,
            10_000,
        ),
        (Traffic(impressions=10_000), 2_900, 3_400),  # nobody clicks
        (Traffic(ratings=100, rating_sum=100), 3_500, 3_650),
        (Traffic(impressions=100, reports=20), LEAST, LEAST),
    ],
)
def test_qualities(traffic, low, high):
    assert low <= quality_of(traffic) <= high


counts = st.integers(0, 100_000)


@st.composite
def traffics(draw) -> Traffic:
    impressions = draw(counts)
    clicks = draw(st.integers(0, impressions))
    ratings = draw(counts)
    return Traffic(
        impressions=impressions,
        clicks=clicks,
        conversions=draw(st.integers(0, clicks)),
        ratings=ratings,
        rating_sum=draw(st.integers(ratings, 5 * ratings)),
        reports=draw(st.integers(0, 1_000)),
    )


@given(traffics())
def test_quality_stays_in_its_range_and_listens_to_every_signal(traffic):
    quality = quality_of(traffic)
    assert LEAST <= quality <= 10_000
    assert quality_of(replace(traffic, reports=traffic.reports + 1)) <= quality
    if traffic.conversions < traffic.clicks:
        assert quality_of(replace(traffic, conversions=traffic.conversions + 1)) >= quality
    five_stars = replace(traffic, ratings=traffic.ratings + 1, rating_sum=traffic.rating_sum + 5)
    one_star = replace(traffic, ratings=traffic.ratings + 1, rating_sum=traffic.rating_sum + 1)
    assert quality_of(one_star) <= quality <= quality_of(five_stars)


# --- identifiers


@pytest.mark.parametrize(
    "moment, month",
    [
        (datetime(2026, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC), date(2026, 1, 1)),
        (datetime(2026, 2, 1, tzinfo=UTC), date(2026, 2, 1)),
        (datetime(2031, 12, 31, 23, 0, tzinfo=UTC), date(2031, 12, 1)),
    ],
)
def test_an_id_knows_its_month(moment, month):
    identifier = ids.new_id(moment)
    assert ids.month_of(identifier) == month
    assert identifier.version == 7


def test_ids_are_ordered_by_time_and_different():
    first, second = (ids.new_id(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2))
    assert first < second
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({ids.new_id(moment) for _ in range(100)}) == 100


def test_shown_ids_are_read_again_and_nothing_else_is():
    identifier = uuid4()
    shown = ids.shown(ids.Mark.DECISION, identifier)
    assert ids.read(ids.Mark.DECISION, shown) == identifier
    for text in (
        shown.upper(),
        "dec_",
        identifier.hex,
        f"dec_{identifier}",
        shown + " ",
        f"agt_{identifier.hex}",
        "",
    ):
        assert ids.read(ids.Mark.DECISION, text) is None


@pytest.mark.parametrize(
    "counts, chosen",
    [
        ({}, "abc"),  # nothing is known: all of them
        ({"a": 60, "b": 30, "c": 10}, "abc"),  # together as many as are wanted
        ({"a": 61, "b": 30, "c": 10}, "bc"),
        ({"a": 60, "b": 91, "c": 10}, "ac"),
        ({"a": 500, "b": 300, "c": 400}, "b"),  # each is too common: one is asked for nevertheless
        ({"a": 500, "b": 300}, "bc"),  # a word that is nowhere takes nobody's place
    ],
)
def test_the_words_that_say_most(counts, chosen):
    assert rarest(frozenset("abc"), counts, most=100) == frozenset(chosen)
