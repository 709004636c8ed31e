"""Scores as the API shows them: decimal numbers of what the auction has ranked by."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from ads.core.auction import SCALE, WEIGHT_SCALE, Candidate

_FINAL_UNIT = Decimal(SCALE * SCALE * WEIGHT_SCALE * 100)


@dataclass(frozen=True, slots=True)
class ShownScore:
    """`bid` in dollars a click (the click equivalent), `final` rounded half to even to hundredths."""

    relevance: float
    quality: float
    bid: float
    final: float


def shown_score(candidate: Candidate) -> ShownScore:
    """For display only: each number is the nearest float of an exact decimal, and nothing is computed with it."""
    final = (Decimal(candidate.score) / _FINAL_UNIT).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
    return ShownScore(
        relevance=candidate.relevance / SCALE,
        quality=candidate.quality / SCALE,
        bid=candidate.bid_cents * candidate.weight / (100 * WEIGHT_SCALE),
        final=float(final),
    )
