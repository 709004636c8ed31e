"""Hints that something was committed: coalesced on an event loop, one by one from sync code."""

import asyncio
import logging
from collections.abc import Callable

import psycopg
import redis as sync_redis
from django.conf import settings
from django.db import connection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from conversations.live import bus, wire
from conversations.live.tasks import TaskSet

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.010
# What a worker is told: there is something to claim.
WAKE = "claim"


class HintSender:
    """Sends at once when it was quiet, else at the next tick: one NOTIFY for all that came in between."""

    def __init__(self, pool: AsyncConnectionPool, tasks: TaskSet) -> None:
        self._pool = pool
        self._tasks = tasks
        self._redis = bus.RedisPublisher(settings.REDIS_URL) if settings.REDIS_URL else None
        self._items: list[wire.Item] = []
        self._wake: set[str] = set()
        self._sending = False

    def send(self, item: wire.Item | None = None, *, wake: str | None = WAKE) -> None:
        if item:
            self._items.append(item)
        if wake:
            self._wake.add(wake)
        if not self._sending:
            self._sending = True
            self._tasks.start(self._send(), name="hints")

    async def _send(self) -> None:
        try:
            while self._items or self._wake:
                items, self._items = self._items, []
                wake, self._wake = self._wake, set()
                if self._redis:
                    await self._redis.publish(items)
                    items = []
                statement, parameters = bus.notify_sql(items, wake=wake)
                try:
                    async with self._pool.connection() as database:
                        await database.execute(statement, parameters)
                except (psycopg.Error, PoolTimeout) as error:
                    logger.warning("Hints were not sent: %s", str(error).strip())
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            self._sending = False


Announce = Callable[[wire.Item | None, str | None], object]
_announce: Announce | None = None


def announce_through(announce: Announce | None) -> None:
    """In a web process hints of sync code go the way of all others: coalesced, and to its own readers at once."""
    global _announce
    _announce = announce


def announce(item: wire.Item | None, *, wake: str | None = WAKE) -> None:
    """From sync code, after the commit. Failing costs a poll, so it is logged and nothing else."""
    try:
        if _announce:
            _announce(item, wake)
        else:
            _send_now([item] if item else [], wake)
    except Exception:
        logger.exception("A hint was not sent.")


def _send_now(items: list[wire.Item], wake: str | None) -> None:
    if settings.REDIS_URL and items:
        with sync_redis.Redis.from_url(settings.REDIS_URL) as client:
            for channel, payload in bus.redis_messages(items):
                client.publish(channel, payload)
        items = []
    with connection.cursor() as cursor:
        cursor.execute(*bus.notify_sql(items, wake=[wake] if wake else []))
