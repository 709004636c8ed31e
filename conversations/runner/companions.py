"""What other apps have a worker process do beside its runs.

A companion looks at the tables for what there is to do, so it may be late, and any number of workers may have the same
one. Its event is set when something may have changed: a run has ended or waits, a worker was woken.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Companion:
    """`work` runs until it is cancelled; what it raises ends the worker."""

    name: str
    work: Callable[[asyncio.Event], Awaitable[None]]


_companions: dict[str, Companion] = {}


def add(companion: Companion) -> None:
    _companions[companion.name] = companion


def all_of_them() -> list[Companion]:
    return list(_companions.values())
