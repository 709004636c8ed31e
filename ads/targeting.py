"""Whom campaigns want to reach and when they run, as arrays: one look for all units of the inventory."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ads.models import Campaign

_ALWAYS, _NEVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_WISHES = {
    "countries": "country",
    "languages": "language",
    "platforms": "platform",
    "placements": "placement",
}


@dataclass(frozen=True, slots=True)
class Targeting:
    """Row i is the campaign of unit i. `wishes`: by field of the request, who takes anybody, and rows by value."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    wishes: dict[str, tuple[NDArray[np.bool_], dict[str, NDArray[np.int32]]]]

    def reaches(self, now: datetime, said: Mapping[str, str]) -> NDArray[np.bool_]:
        """Which units may be shown now to a user of whom `said` tells; a wish that nothing is said about is not met."""
        moment = microseconds(now)
        fits = (self.starts <= moment) & (moment < self.ends)
        for name, (takes_anybody, rows) in self.wishes.items():
            meets = takes_anybody.copy()
            meets[rows.get(said[name].lower(), _NO_ROWS)] = True
            fits &= meets
        return fits


_NO_ROWS = np.zeros(0, dtype=np.int32)


def targeting_of(campaigns: Sequence[Campaign]) -> Targeting:
    return Targeting(
        starts=np.array([_moment(c.starts_at, _ALWAYS) for c in campaigns], dtype=np.int64),
        ends=np.array([_moment(c.ends_at, _NEVER) for c in campaigns], dtype=np.int64),
        wishes={
            # Where no campaign has such a wish there is nothing to look at.
            asked: _wish([getattr(campaign, wished) for campaign in campaigns])
            for wished, asked in _WISHES.items()
            if any(getattr(campaign, wished) for campaign in campaigns)
        },
    )


def rows_by(pairs: Iterable[tuple[Any, int]]) -> dict[Any, NDArray[np.int32]]:
    """The rows of each key."""
    index = defaultdict(list)
    for key, row in pairs:
        index[key].append(row)
    return {key: np.array(rows, dtype=np.int32) for key, rows in index.items()}


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _moment(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else microseconds(moment)


def _wish(wanted: list[list[str]]) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.int32]]]:
    takes_anybody = np.array([not words for words in wanted], dtype=bool)
    return takes_anybody, rows_by((word.lower(), row) for row, words in enumerate(wanted) for word in words)
