"""Turns what a relevance model measures into relevance: 0 to 10,000, where 2,500 means "worth showing".

Models measure on scales of their own. A curve is a monotone broken line through whole-number knots and has a version,
which is written into every decision: floors keep their meaning when the model or the curve changes.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from ads.core.auction import SCALE


@dataclass(frozen=True, slots=True)
class Calibration:
    """`knots` are (measured, relevance) in ten-thousandths, measured ascending and relevance never falling."""

    version: str
    knots: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if len(self.knots) < 2 or not all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(self.knots)):
            raise ValueError("a calibration needs two knots or more, ascending")
        if not all(0 <= relevance <= SCALE for _, relevance in self.knots):
            raise ValueError("relevance is from 0 to 10,000")

    def relevance(self, measured: int) -> int:
        """Relevance of a measurement in ten-thousandths; flat beyond the first and the last knot, rounded down."""
        if measured <= self.knots[0][0]:
            return self.knots[0][1]
        if measured >= self.knots[-1][0]:
            return self.knots[-1][1]
        index = bisect_right(self.knots, measured, key=lambda knot: knot[0])
        (x0, y0), (x1, y1) = self.knots[index - 1], self.knots[index]
        return y0 + (measured - x0) * (y1 - y0) // (x1 - x0)
