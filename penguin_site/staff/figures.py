"""The figures of all apps, remembered for seconds by each process: badges and dashboard ask for them at every look."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ads.figures
import conversations.figures
import tasks.figures
from conversations import usage_reports
from conversations.core.moderation import FlagState
from conversations.models import ModerationFlag
from conversations.usage_reports import By, Line

NOW_SECONDS = 10.0
DAYS_SECONDS = 60.0
DAYS = 30
MOST_COUNTED = 1000

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_remembered: dict[str, tuple[float, Any]] = {}


def forget() -> None:
    """Makes the next look a fresh one."""
    _remembered.clear()


def of_conversations() -> conversations.figures.Now:
    return _ask("conversations", NOW_SECONDS, conversations.figures.now)


def of_tasks() -> tasks.figures.Now:
    return _ask("tasks", NOW_SECONDS, tasks.figures.now)


def open_flags() -> int:
    """Flags that wait for a moderator, up to MOST_COUNTED."""
    return _ask("flags", NOW_SECONDS, _count_flags)


def days_of_conversations() -> conversations.figures.Days:
    return _ask("conversation days", DAYS_SECONDS, lambda: conversations.figures.days(since=first_day()))


def days_of_ads() -> dict[Any, ads.figures.AdDay]:
    return _ask("ad days", DAYS_SECONDS, lambda: ads.figures.days(since=first_day()))


def used(by: By, *, days: int) -> list[Line]:
    """Tokens and cost of the last days."""
    since = datetime.now(UTC) - timedelta(days=days)
    return _ask(f"usage by {by}, {days} days", DAYS_SECONDS, lambda: usage_reports.used(by, since=since))


def first_day() -> datetime:
    """The midnight (UTC) with which the days begin, today being the last of DAYS."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=DAYS - 1)


def _count_flags() -> int:
    flags = ModerationFlag.objects.exclude(state=FlagState.DECIDED.value)
    return int(flags.order_by()[:MOST_COUNTED].count())


def _ask(name: str, seconds: float, ask: Callable[[], Any]) -> Any:
    # Of those who look at once one asks the database, and the others wait for its answer.
    with _locks[name]:
        until, value = _remembered.get(name, (0.0, None))
        if until < time.monotonic():
            value = ask()
            _remembered[name] = (time.monotonic() + seconds, value)
        return value
