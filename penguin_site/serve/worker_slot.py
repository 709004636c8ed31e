"""One of the workers that should run: starts it, and starts it again when it has died."""

import logging
import time
import uuid
from collections.abc import Callable

from penguin_site.serve.children import Child

logger = logging.getLogger(__name__)

# A worker that lived this long was a healthy one, so its end says nothing about the next.
_HEALTHY_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0


class WorkerSlot:
    """`start_child(worker_id)` makes the process; `free_runs(worker_id)` is told of each that died."""

    def __init__(self, *, start_child: Callable[[str], Child], free_runs: Callable[[str], None]) -> None:
        self._start_child = start_child
        self._free_runs = free_runs
        self._quick_deaths = 0
        self._start_again_at = 0.0
        self._start()

    def _start(self) -> None:
        self._worker_id = str(uuid.uuid4())
        self.child: Child | None = self._start_child(self._worker_id)

    def tend(self) -> None:
        """Called a few times a second."""
        if self.child is None:
            if time.monotonic() >= self._start_again_at:
                self._start()
        elif not self.child.alive:
            self._bury(self.child)

    def _bury(self, child: Child) -> None:
        self._quick_deaths = 0 if child.age_seconds > _HEALTHY_SECONDS else self._quick_deaths + 1
        # The first one at once; one that dies again and again must not keep the machine busy with its start.
        pause = (
            0.0 if self._quick_deaths < 2 else min(2.0 ** (self._quick_deaths - 2), _LONGEST_PAUSE_SECONDS)
        )
        logger.error(
            "%s (process %d) %s after %.0f s; it is started again%s.",
            *(child.name, child.process.pid, child.end, child.age_seconds),
            f" in {pause:.0f} s" if pause else "",
        )
        child.end_descendants()
        self.child = None
        self._start_again_at = time.monotonic() + pause
        if not pause:
            dead = self._worker_id
            self._start()
            self._free_runs(dead)
        else:
            self._free_runs(self._worker_id)
