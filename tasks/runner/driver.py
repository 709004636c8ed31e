"""The driver: beside the runs of a worker it sees to it that executions and project runs go on.

It only looks at the tables, so it may be killed at any point and there may be any number of it: `advance` takes locks,
or leaves an execution to whoever has them. It looks when something has happened, and every second.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from psycopg_pool import PoolTimeout

from conversations.live.tasks import TaskSet
from tasks import advance, diffs, project_runs
from tasks.runner import due
from tasks.runner.due import Due
from tasks.runner.first_trees import FirstTrees

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# After something has happened, so long is waited for more of it.
_PAUSE_SECONDS = 0.02
# So many executions are advanced side by side; each needs a thread and a connection for some milliseconds.
_SIDE_BY_SIDE = 4
# The database is away, or chose this transaction to end a deadlock: the next look finds everything as it was. What it
# refuses for any other reason is a mistake of ours.
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError, PoolTimeout)

_in_thread = partial(database_sync_to_async, thread_sensitive=False)


class Driver:
    def __init__(self, news: asyncio.Event) -> None:
        self._news = news
        self._at_work: set[UUID] = set()
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._tasks = TaskSet()
        self._trees = FirstTrees()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                self._news.clear()
                try:
                    await self._look()
                except _LOST as error:
                    logger.warning("Executions could not be looked at: %s", str(error).strip())
                await asyncio.sleep(_PAUSE_SECONDS)
                try:
                    await asyncio.wait_for(self._news.wait(), POLL_SECONDS)
                except TimeoutError:
                    pass
        finally:
            await self._tasks.stop()
            await self._trees.close()

    async def _look(self) -> None:
        for found in await _in_thread(due.find_due)():
            if found.execution_id not in self._at_work:
                self._at_work.add(found.execution_id)
                self._tasks.start(self._attend(found), name=f"execution {found.execution_id}")
        for project_run_id in await _in_thread(project_runs.find_due)():
            await self._advance_project_run(project_run_id)

    async def _attend(self, found: Due) -> None:
        execution_id = found.execution_id
        try:
            tree: str | None = ""
            if found.directory:
                tree = await self._trees.take(execution_id, Path(found.directory))
                if tree is None:
                    return
            async with self._room:
                await self._advance(execution_id, tree)
            if tree:
                await self._trees.release(execution_id)
            await self._see_the_end(execution_id)
        except _LOST as error:
            logger.warning("Execution %s could not be advanced: %s", execution_id, str(error).strip())
        finally:
            self._at_work.discard(execution_id)

    async def _advance(self, execution_id: UUID, tree: str) -> None:
        try:
            await _in_thread(advance.advance)(execution_id, now=timezone.now(), base_tree=tree)
        except _LOST:
            raise
        except Exception:
            # A mistake of ours must neither end the worker nor leave the execution as if it were at work.
            logger.exception("Execution %s failed inside the server.", execution_id)
            await _in_thread(advance.fail)(execution_id, now=timezone.now())

    async def _see_the_end(self, execution_id: UUID) -> None:
        end = await _in_thread(due.find_end)(execution_id)
        if end is None:
            return
        self._news.set()  # a project run may go on
        if end.tree and end.directory:
            diff = await diffs.diff_since(execution_id, Path(end.directory), end.tree)
            await _in_thread(diffs.store_diff)(execution_id, diff, now=timezone.now())

    async def _advance_project_run(self, project_run_id: UUID) -> None:
        try:
            await _in_thread(project_runs.advance)(project_run_id, now=timezone.now())
        except _LOST:
            raise
        except Exception:
            logger.exception("Project run %s failed inside the server.", project_run_id)
            await _in_thread(project_runs.fail)(project_run_id, now=timezone.now())


async def work(news: asyncio.Event) -> None:
    await Driver(news).run()
