"""Reports of events that arrive at once share a statement, and so its transaction.

Whoever comes while nobody stores goes at once and alone. Those who come meanwhile wait, and the first of them then
stores all of theirs together. So nothing waits for a batch to fill, and the busier the process, the less each report
costs. A report is answered after its batch was committed.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import connection

from ads import event_records
from ads.event_records import Stored, TakeTheLongWay, TokenReport

logger = logging.getLogger("penguin.ads")

MOST = 64
Outcome = Stored | TakeTheLongWay | None
Store = Callable[[Sequence[TokenReport], str], Sequence[Outcome]]


@dataclass(slots=True)
class _Entry:
    """`turn` is set when the outcome is there, or when this one's thread is to store: then it has none."""

    report: TokenReport
    book: str
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome = None
    is_stored: bool = False
    is_alone: bool = False  # its batch has failed: it is tried without the others


class Batches:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: list[_Entry] = []
        self._is_busy = False

    def store(self, report: TokenReport, *, book: str) -> Stored | None:
        """None for a unit that was not shown. Raises TakeTheLongWay, and what the database says to a report."""
        entry = _Entry(report, book)
        with self._lock:
            if self._is_busy:
                self._waiting.append(entry)
            else:
                self._is_busy = True
                entry.turn.set()
        entry.turn.wait()
        if entry.is_alone:
            entry.outcome = self._store([report], book)[0]
        elif not entry.is_stored:
            self._store_with_others(entry)
        if isinstance(entry.outcome, TakeTheLongWay):
            raise entry.outcome
        return entry.outcome

    def _store_with_others(self, first: _Entry) -> None:
        batch = self._batch(first)
        others = batch[1:]
        try:
            outcomes = self._store([entry.report for entry in batch], first.book)
            for entry, outcome in zip(batch, outcomes, strict=True):
                entry.outcome, entry.is_stored = outcome, True
        except Exception:
            if not others:
                raise
            logger.warning(
                "A batch of %s reports was refused: each is tried alone.", len(batch), exc_info=True
            )
        finally:
            self._hand_over()
            for entry in others:
                entry.is_alone = not entry.is_stored
                entry.turn.set()
        if not first.is_stored:
            first.outcome = self._store([first.report], first.book)[0]

    def _batch(self, first: _Entry) -> list[_Entry]:
        """`first` and those that wait and can be stored beside it: one of each unit and of each event id."""
        with self._lock:
            chosen, left = [first], []
            units, names = {first.report.unit}, {_name(first)}
            for entry in self._waiting:
                fits = (
                    entry.book == first.book and entry.report.unit not in units and _name(entry) not in names
                )
                if fits and len(chosen) < MOST:
                    chosen.append(entry)
                    units.add(entry.report.unit)
                    names.add(_name(entry))
                else:
                    left.append(entry)
            self._waiting = left
        return chosen

    def _hand_over(self) -> None:
        with self._lock:
            if not self._waiting:
                self._is_busy = False
                return
            heir = self._waiting.pop(0)
        heir.turn.set()


def _name(entry: _Entry) -> tuple[str, str]:
    return entry.report.facts.agent_id, entry.report.event_id


_batches = Batches(lambda reports, book: event_records.store(reports, book=book))


def store(report: TokenReport, *, book: str) -> Stored | None:
    """As `Batches.store`. Inside of a transaction a report is stored alone: only its caller knows when it commits."""
    if not connection.in_atomic_block:
        return _batches.store(report, book=book)
    outcome = event_records.store([report], book=book)[0]
    if isinstance(outcome, TakeTheLongWay):
        raise outcome
    return outcome
