"""Charts of the dashboard: values by day as chart.js draws them, with the numbers and links that stand beside them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

# Set in staff.css, for light and dark.
COLORS = ("--pg-chart-1", "--pg-chart-2", "--pg-chart-3", "--pg-chart-4", "--pg-chart-5", "--pg-chart-6")
_TICKS = {"color": "#8b95a5", "maxTicksLimit": 6, "precision": 0}


@dataclass(frozen=True, slots=True)
class Series:
    """A line or the bars of one colour. `link` leads to the list behind it; in it stands `{made}` for the time."""

    name: str
    values: Sequence[float | None]
    link: str = ""
    total: float | None = None  # of all days, where that is not the sum of the values


@dataclass(frozen=True, slots=True)
class Row:
    """What stands beside a chart of one series: today, all days, and where they lead."""

    name: str
    color: str
    today: str
    whole: str
    today_link: str
    whole_link: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`shown` makes a value readable: `1,234`, `$5.60`, `0.8 s`."""

    title: str
    days: Sequence[date]
    series: Sequence[Series]
    shown: Callable[[float | None], str]
    kind: str = "bar"

    @property
    def data(self) -> str:
        """chart.js's `data`, as JSON."""
        sets = []
        for place, series in enumerate(self.series):
            color = f"var({COLORS[place % len(COLORS)]})"
            sets.append(
                {
                    "label": series.name,
                    "data": list(series.values),
                    "backgroundColor": color,
                    "borderColor": color,
                }
            )
        return json.dumps({"labels": [f"{day:%d %b}" for day in self.days], "datasets": sets})

    @property
    def options(self) -> str:
        is_stacked = self.kind == "bar"
        axis = {"stacked": is_stacked, "border": {"display": False}}
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "spanGaps": True,
                "interaction": {"mode": "index", "intersect": False},
                "elements": {"line": {"borderWidth": 2, "tension": 0.2}, "point": {"radius": 1.5}},
                "datasets": {"bar": {"maxBarThickness": 18, "borderRadius": 2}},
                "plugins": {"legend": {"display": False}},
                "scales": {
                    "x": {**axis, "grid": {"display": False}, "ticks": {**_TICKS, "maxRotation": 0}},
                    "y": {**axis, "grid": {"color": "#8b95a5"}, "beginAtZero": True, "ticks": _TICKS},
                },
            }
        )

    @property
    def is_empty(self) -> bool:
        return not any(value for series in self.series for value in series.values)

    @property
    def rows(self) -> list[Row]:
        made = [
            (series, f"var({COLORS[place % len(COLORS)]})", _whole(series))
            for place, series in enumerate(self.series)
        ]
        return [
            Row(
                series.name,
                color,
                self.shown(series.values[-1]),
                self.shown(whole),
                _at(series.link, f"{self.days[-1]:%Y-%m-%d}"),
                _at(series.link, "30"),
            )
            for series, color, whole in made
        ]

    @property
    def table(self) -> list[tuple[date, list[tuple[str, str]]]]:
        """The same numbers by day, newest first, each with its link."""
        return [
            (
                day,
                [
                    (self.shown(series.values[place]), _at(series.link, f"{day:%Y-%m-%d}"))
                    for series in self.series
                ],
            )
            for place, day in reversed(list(enumerate(self.days)))
            if any(series.values[place] for series in self.series)
        ]


def _whole(series: Series) -> float | None:
    return sum(value or 0 for value in series.values) if series.total is None else series.total


def _at(link: str, made: str) -> str:
    return link.replace("{made}", made)


def by_day(days: Sequence[date], found: dict[Any, Any], default: Any = 0) -> list[Any]:
    return [found.get(day, default) for day in days]
