"""What a benchmark prints: figure, bar, verdict, each on one line, with the machine above."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. Without a `bar` it is only stated. `note` says what it compares to or consists of."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return "-"
        return (
            "ok" if self.value <= self.bar else f"MISSED by {self.value - self.bar:.3g} {self.unit}".rstrip()
        )

    def row(self) -> tuple[str, str, str, str, str]:
        bar = "-" if self.bar is None else f"<= {_number(self.bar)} {self.unit}".rstrip()
        return self.name, f"{_number(self.value)} {self.unit}".rstrip(), bar, self.verdict, self.note


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def machine() -> str:
    """Cores, processor, Python: without them no figure says anything."""
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {model or platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def table(figures: Iterable[Figure]) -> str:
    rows = [("figure", "measured", "bar", "verdict", "note"), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        " | ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
    lines.insert(1, "-|-".join("-" * width for width in [*widths, 4]))
    return "\n".join(line.rstrip() for line in lines)


def show(title: str, figures: Sequence[Figure]) -> None:
    print(f"\n{title}\n{machine()}\n{table(figures)}", flush=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"
