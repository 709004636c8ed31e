"""A worker process: claims runs and drives many of them at once on one event loop."""

import asyncio
import gc
import logging
import os
import signal
import time
from uuid import UUID, uuid4

import psycopg
from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

from conversations import approvals, async_database
from conversations.core.log_events import EventType
from conversations.live import bus, wire
from conversations.live.tasks import TaskSet
from conversations.llm import local_model, registry
from conversations.mcp import states as mcp_states
from conversations.mcp import tools as mcp_tools
from conversations.runner import companions, leases, reaper
from conversations.runner.claims import claim_runs
from conversations.runner.flusher import Flusher
from conversations.runner.history import History, load_calls, load_histories
from conversations.runner.live_run import LiveRun
from conversations.runner.run_loop import RunLoop

logger = logging.getLogger(__name__)

# Claims: at once when it was quiet, at most one in this time when it is not.
CLAIM_INTERVAL_SECONDS = 0.020
# A wake-up that was lost costs no more than this.
POLL_SECONDS = 1.0


class Worker:
    def __init__(self) -> None:
        self.id = UUID(os.environ.get("PENGUIN_WORKER_ID") or str(uuid4()))
        self._tasks = TaskSet()
        self._loops: dict[str, RunLoop] = {}
        self._run_tasks: dict[str, asyncio.Task[None]] = {}
        self._work = asyncio.Event()
        self._reap = asyncio.Event()
        self._news: list[asyncio.Event] = []  # one for each companion
        self._draining = asyncio.Event()
        self._flusher: Flusher | None = None
        self._pool = async_database.make_pool("penguin-worker", most=8)
        self._lease_seconds = settings.PENGUIN_LEASE_SECONDS

    async def run(self) -> None:
        """Works until SIGTERM or SIGINT; then finishes or gives back what it has, within the drain time.

        Raises what ended it otherwise: its runs are then recovered by other workers.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._draining.set)
        await self._pool.open(wait=True)
        connections = [
            await async_database.connect(f"penguin-worker-{use}") for use in ("flush", "claim", "lease")
        ]
        flush, claim, lease = connections
        self._flusher = Flusher(flush, self.id)
        await leases.register(
            lease, self.id, concurrency=settings.PENGUIN_WORKER_CONCURRENCY, lease_seconds=self._lease_seconds
        )
        mcp_states.keep()
        logger.info("Worker %s is ready.", self.id)
        freeze_heap()
        try:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._flusher.run(), name="flusher"),
                    group.create_task(self._claim(claim), name="claims"),
                    group.create_task(self._keep_lease(lease), name="lease"),
                    group.create_task(self._recover(), name="reaper"),
                    group.create_task(
                        bus.listen_on(bus.WAKE_CHANNEL, "penguin-worker-wake", self._wake), name="wake"
                    ),
                    group.create_task(do_chores(), name="chores"),
                    *(
                        group.create_task(self._accompany(each), name=each.name)
                        for each in companions.all_of_them()
                    ),
                ]
                await self._draining.wait()
                await self._drain(lease)
                for task in background:
                    task.cancel()
        finally:
            await self._tasks.stop()
            await registry.close_clients()
            await mcp_tools.close()
            local_model.release()
            for connection in connections:
                await connection.close()
            await self._pool.close()

    def _wake(self, payload: str) -> None:
        command, _, run_id = payload.partition(":")
        if command == "cancel":
            self._cancel(run_id)
        elif command == "reap":
            self._reap.set()
        else:
            self._work.set()
            self._tell_companions()

    def _tell_companions(self) -> None:
        for news in self._news:
            news.set()

    async def _accompany(self, companion: companions.Companion) -> None:
        self._news.append(news := asyncio.Event())
        await companion.work(news)

    # Claiming

    async def _claim(self, connection: AsyncConnection) -> None:
        while not self._draining.is_set():
            started = time.monotonic()
            self._work.clear()
            free = settings.PENGUIN_WORKER_CONCURRENCY - len(self._loops)
            claimed = await claim_runs(connection, worker_id=self.id, most=free) if free > 0 else []
            if claimed:
                histories = await load_histories(connection, claimed)
                await load_calls(connection, claimed)
                for run in claimed:
                    self._start(run, histories.get(run.id, History()))
                await asyncio.sleep(max(CLAIM_INTERVAL_SECONDS - (time.monotonic() - started), 0))
                continue
            try:
                await asyncio.wait_for(self._work.wait(), POLL_SECONDS)
            except TimeoutError:
                pass

    def _start(self, run: LiveRun, history: History) -> None:
        assert self._flusher
        if run.id in self._loops:  # this worker was late with its lease, lost the run, and has it again
            self._abandon(run.id)
        loop = RunLoop(run, history, self._flusher, self._pool)
        self._loops[run.id] = loop
        self._flusher.tell(
            wire.event_item(
                run.conversation_id,
                run.base_seq,
                run.id,
                EventType.RUN_STARTED,
                {"attempt": run.attempt},
                created_at=run.base_time,
            )
        )
        task = self._tasks.start(loop.drive(), name=f"run {run.id}")
        self._run_tasks[run.id] = task
        task.add_done_callback(lambda _: self._ended(run, task))

    def _ended(self, run: LiveRun, task: "asyncio.Task[None]") -> None:
        if self._run_tasks.get(run.id) is task:
            del self._run_tasks[run.id], self._loops[run.id]
        self._work.set()
        self._tell_companions()

    def _cancel(self, run_id: str) -> None:
        loop = self._loops.get(run_id)
        if loop and not loop.cancel_asked:
            loop.cancel_asked = True
            self._run_tasks[run_id].cancel()

    # The lease

    async def _keep_lease(self, connection: AsyncConnection) -> None:
        while True:
            await asyncio.sleep(min(self._lease_seconds / 3, 10))
            held = dict(self._run_tasks)
            owned = await leases.renew(connection, self.id, lease_seconds=self._lease_seconds)
            for run_id, task in held.items():
                if (
                    run_id not in owned
                    and self._run_tasks.get(run_id) is task
                    and not self._loops[run_id].is_ending
                ):
                    self._abandon(run_id)
                elif owned.get(run_id) == "cancelling":
                    self._cancel(run_id)

    def _abandon(self, run_id: str) -> None:
        """The run is not ours any more: stop its work, store nothing."""
        self._loops[run_id].run.fenced = True
        self._run_tasks[run_id].cancel()

    async def _recover(self) -> None:
        while True:
            try:
                recovered = await database_sync_to_async(reaper.reap, thread_sensitive=False)(
                    now=timezone.now()
                )
                await database_sync_to_async(approvals.expire_due, thread_sensitive=False)(now=timezone.now())
                if recovered:
                    self._work.set()
            except (psycopg.Error, PoolTimeout) as error:
                logger.warning("Lost runs could not be looked for: %s", error)
            self._reap.clear()
            try:
                await asyncio.wait_for(self._reap.wait(), min(self._lease_seconds / 3, 10))
            except TimeoutError:
                pass

    # Ending

    async def _drain(self, connection: AsyncConnection) -> None:
        """Lets runs end for the drain time, then gives the rest back to the queue."""
        logger.info("Worker %s drains: %d runs are under way.", self.id, len(self._run_tasks))
        await leases.say_draining(connection, self.id)
        if self._run_tasks:
            await asyncio.wait(self._run_tasks.values(), timeout=settings.PENGUIN_DRAIN_SECONDS)
        for run_id, task in self._run_tasks.items():
            if not self._loops[run_id].cancel_asked:
                task.cancel()
        if self._run_tasks:
            await asyncio.wait(self._run_tasks.values(), timeout=5)
        await leases.sign_off(connection, self.id)


async def do_chores() -> None:
    """Periodic chores, shared among all workers; they need neither a run's slot nor its speed."""
    async with app.with_connector(app.connector.get_worker_connector()).open_async() as chores:
        await chores.run_worker_async(
            name="penguin", concurrency=1, install_signal_handlers=False, fetch_job_polling_interval=30
        )


def freeze_heap() -> None:
    """What is loaded by now stays: the cycle collector need not walk Django's classes again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
