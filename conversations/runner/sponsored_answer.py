"""An ad for the answer that a run is writing: found beside it, in a thread, and waited for only a moment."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async

from ads.house_agent import Suggestion
from conversations import sponsored
from conversations.live.tasks import TaskSet
from conversations.runner.live_run import LiveRun

# The first words are on their way to readers before the search begins, which needs the processor for some milliseconds.
PAUSE_SECONDS = 0.05
# After the first words; what is not there by then is not shown.
WAIT_SECONDS = 1.0

# Threads cannot be stopped: what outlives its run ends here.
_searches = TaskSet()


class SponsoredAnswer:
    """Of one run. It does nothing where its conversation allows no ads."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._answer = sponsored.Answer(run.conversation_id, UUID(run.answer_id), UUID(run.input_message_id))
        self._until = 0.0
        self._search: asyncio.Task[Suggestion | None] | None = None

    def begin(self) -> None:
        """Searches as soon as the model has begun to speak."""
        if self._run.sponsored and self._search is None:
            self._search = _searches.start(self._find(), name=f"sponsored {self._run.id}")

    async def _find(self) -> Suggestion | None:
        await self._run.has_begun.wait()
        self._until = time.monotonic() + WAIT_SECONDS
        await asyncio.sleep(PAUSE_SECONDS)
        suggest = database_sync_to_async(sponsored.suggest, thread_sensitive=False)
        return await suggest(self._answer, until=self._until, now=datetime.now(UTC))

    async def units(self) -> list[dict[str, Any]] | None:
        """What the answer carries, now that it has ended; None: nothing."""
        if self._search is None or not self._run.has_begun.is_set():
            return None
        await asyncio.sleep(0)  # it may have been told in this very moment that the model speaks
        done, _ = await asyncio.wait([self._search], timeout=max(self._until - time.monotonic(), 0.0))
        found = self._search.result() if done and not self._search.cancelled() else None
        if found is None:
            return None
        return await database_sync_to_async(sponsored.take, thread_sensitive=False)(self._answer, found)

    def stop(self) -> None:
        if self._search:
            self._search.cancel()
