"""Stacked bars as numbers for an SVG: the page draws rectangles and knows nothing of scales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of the plot's own units; the page stretches it to whatever room there is, so no text stands in it.
WIDTH, HEIGHT = 1000, 200
_GAP = 0.25  # of a bar's room
# So many series have a colour of their own; the smaller ones are one.
MOST_SERIES = 6
OTHER = "Others"


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar; `series` counts from 1, for its colour."""

    y: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    label: str
    total: float
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    number: int
    total: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`top` is the value at the upper edge."""

    bars: list[Bar]
    series: list[Series]
    top: float
    bar_width: float

    @property
    def total(self) -> float:
        return sum(bar.total for bar in self.bars)


def stacked(labels: Sequence[str], values: Mapping[str, Sequence[float]], *, by_size: bool = True) -> Chart:
    """One bar for each label. `values` has a number for each of them under the name of each series.

    The largest series stands lowest where `by_size`, else they keep their order; none has less than nothing.
    """
    names = sorted(values, key=lambda name: -sum(values[name])) if by_size else list(values)
    shown = names if len(names) <= MOST_SERIES else names[: MOST_SERIES - 1]
    rows = {name: list(values[name]) for name in shown}
    if rest := names[len(shown) :]:
        rows[OTHER] = [sum(values[name][place] for name in rest) for place in range(len(labels))]
    totals = [sum(row[place] for row in rows.values()) for place in range(len(labels))]
    top = nice_top(max(totals, default=0))
    room = WIDTH / max(len(labels), 1)
    bars = [
        Bar(
            x=round(place * room + room * _GAP / 2, 2),
            label=label,
            total=totals[place],
            segments=_segments([row[place] for row in rows.values()], top),
        )
        for place, label in enumerate(labels)
    ]
    series = [Series(name, number, sum(row)) for number, (name, row) in enumerate(rows.items(), start=1)]
    return Chart(bars, series, top, round(room * (1 - _GAP), 2))


def _segments(values: Sequence[float], top: float) -> list[Segment]:
    segments, below = [], 0.0
    for number, value in enumerate(values, start=1):
        if value <= 0:
            continue
        height = value / top * HEIGHT
        segments.append(Segment(round(HEIGHT - below - height, 2), round(height, 2), number))
        below += height
    return segments


def nice_top(largest: float) -> float:
    """The next round number that is no less (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, ...); 1 where there is nothing."""
    if largest <= 0:
        return 1
    step = 1e-9
    while True:
        for factor in (1, 1.5, 2, 3, 4, 5, 6, 8):
            if factor * step >= largest * (1 - 1e-12):
                return float(f"{factor * step:.3g}")
        step *= 10
