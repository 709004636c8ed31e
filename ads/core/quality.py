"""How good a unit is: from 0 to 10,000, and 5,000 for one that nobody knows yet.

Four signals of its last thirty days of valid traffic, each smoothed by what is usual so that three lucky clicks prove
nothing. Whole numbers only; the formula has a version, which is stored with every result.
"""

from dataclasses import dataclass

from ads.core.auction import SCALE

QUALITY_VERSION = 1
NEUTRAL = SCALE // 2
LEAST = 500  # a unit is never shut out for good by its own past: it can still be looked at, and improve

# What is usual, and how many events of it a new unit starts with: (occurrences, opportunities).
_USUAL_CLICKS = (4, 200)
_USUAL_CONVERSIONS = (2, 40)
_USUAL_RATINGS = (15, 5)  # five ratings of 3
_PARTS = 10
_CLICK_PARTS, _CONVERSION_PARTS, _RATING_PARTS = 4, 3, 3
# One report costs as much as half a unit's quality at one report in twenty impressions.
_REPORT_USUAL_IMPRESSIONS = 100
_REPORT_WEIGHT = 10


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of valid events; `rating_sum` over `ratings` of 1 to 5."""

    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    ratings: int = 0
    rating_sum: int = 0
    reports: int = 0


def quality_of(traffic: Traffic) -> int:
    """More clicks, conversions and better ratings of the same opportunities raise it; reports lower it."""
    signals = (
        _CLICK_PARTS * _against_usual(traffic.clicks, max(traffic.impressions, traffic.clicks), _USUAL_CLICKS)
        + _CONVERSION_PARTS
        * _against_usual(traffic.conversions, max(traffic.clicks, traffic.conversions), _USUAL_CONVERSIONS)
        + _RATING_PARTS * _rating(traffic)
    ) // _PARTS
    penalty = (
        SCALE * _REPORT_WEIGHT * traffic.reports // (max(traffic.impressions, 1) + _REPORT_USUAL_IMPRESSIONS)
    )
    return min(SCALE, max(LEAST, signals - penalty))


def _against_usual(occurrences: int, opportunities: int, usual: tuple[int, int]) -> int:
    """5,000 at the usual rate, 10,000 at twice the usual rate and above."""
    usual_occurrences, usual_opportunities = usual
    rate_over_usual = (occurrences + usual_occurrences) * usual_opportunities * NEUTRAL
    return min(SCALE, rate_over_usual // ((opportunities + usual_opportunities) * usual_occurrences))


def _rating(traffic: Traffic) -> int:
    usual_sum, usual_count = _USUAL_RATINGS
    count = traffic.ratings + usual_count
    return (traffic.rating_sum + usual_sum - count) * SCALE // (4 * count)
