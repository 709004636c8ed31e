"""Carries live output from where it is written to every web process: by Postgres NOTIFY, or by Redis.

What a bus carries are hints: they may be lost or repeated, and every reader repairs that from the tables. The wake-up
of workers always goes through Postgres.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import orjson
import psycopg
from django.conf import settings
from psycopg import AsyncConnection
from redis import asyncio as redis
from redis.exceptions import RedisError

from conversations import async_database
from conversations.live import wire

logger = logging.getLogger(__name__)

LIVE_CHANNEL = "penguin_live"
WAKE_CHANNEL = "penguin_wake"
RECONNECT_SECONDS = 0.5

Receive = Callable[[wire.Item], None]


class Bus(Protocol):
    """The receiving side, in a web process. `ready` is set once it hears."""

    ready: asyncio.Event

    async def listen(self, receive: Receive) -> None:
        """Calls `receive` for every item that arrives, until it is cancelled; reconnects by itself."""

    async def watch(self, conversation_id: int) -> bool:
        """From now on items of this conversation arrive; True when they did before this call, too."""

    async def unwatch(self, conversation_id: int) -> None: ...

    async def watch_all(self) -> None:
        """From now on all events (not the text between them) of all conversations arrive."""

    async def unwatch_all(self) -> None: ...


async def listen_on(
    channel: str, application_name: str, receive: Callable[[str], None], ready: asyncio.Event | None = None
) -> None:
    """Calls `receive` with each payload of a Postgres channel; an empty one after each (re)connect."""
    while True:
        connection: AsyncConnection | None = None
        try:
            connection = await async_database.connect(application_name)
            await connection.execute(f"LISTEN {channel}")
            receive("")
            if ready:
                ready.set()
            async for notification in connection.notifies():
                receive(notification.payload)
        except psycopg.Error as error:
            logger.warning("Listening on %s was interrupted: %s", channel, str(error).strip())
        finally:
            if connection:
                await connection.close()
        await asyncio.sleep(RECONNECT_SECONDS)


class PostgresBus:
    """One LISTEN connection hears everything of this database."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    async def listen(self, receive: Receive) -> None:
        def on_payload(payload: str) -> None:
            for item in wire.items(payload) if payload else ():
                receive(item)

        await listen_on(LIVE_CHANNEL, "penguin-web-live", on_payload, self.ready)

    async def watch(self, conversation_id: int) -> bool:
        if self.ready.is_set():
            return True
        await self.ready.wait()
        return False

    async def unwatch(self, conversation_id: int) -> None:
        return None

    async def watch_all(self) -> None:
        await self.ready.wait()

    async def unwatch_all(self) -> None:
        return None


# Carries all events, for webs whose readers follow everything of an owner. Text goes over the conversations' own.
REDIS_EVENTS = "penguin:live:events"


def redis_channel(conversation_id: int) -> str:
    return f"penguin:live:{conversation_id}"


def redis_messages(items: Iterable[wire.Item]) -> Iterator[tuple[str, str]]:
    """(channel, payload) of all that is to be published."""
    by_channel: dict[str, list[wire.Item]] = {}
    for item in items:
        by_channel.setdefault(redis_channel(item[1]), []).append(item)
        if item[0] != "p":
            by_channel.setdefault(REDIS_EVENTS, []).append(item)
    for channel, batch in by_channel.items():
        for payload in wire.payloads(batch):
            yield channel, payload


class RedisBus:
    """One channel a conversation: a web hears only what its own sockets read."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._watched: set[int] = set()
        self.ready = asyncio.Event()

    async def listen(self, receive: Receive) -> None:
        # A channel of its own keeps the connection subscribed while nobody watches anything.
        await self._subscribe("penguin:live:idle")
        self.ready.set()
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
                for item in wire.items(message["data"]) if message else ():
                    receive(item)
            except RedisError as error:
                logger.warning("Redis live output was interrupted: %s", error)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _subscribe(self, channel: str) -> None:
        try:
            await self._pubsub.subscribe(channel)
        except RedisError as error:
            # The client subscribes again when it reconnects; until then the poll of the heads keeps readers going.
            logger.warning("Redis cannot be reached: %s", error)

    async def watch(self, conversation_id: int) -> bool:
        if conversation_id in self._watched:
            return True
        self._watched.add(conversation_id)
        await self._subscribe(redis_channel(conversation_id))
        return False

    async def unwatch(self, conversation_id: int) -> None:
        self._watched.discard(conversation_id)
        await self._unsubscribe(redis_channel(conversation_id))

    async def watch_all(self) -> None:
        await self._subscribe(REDIS_EVENTS)

    async def unwatch_all(self) -> None:
        await self._unsubscribe(REDIS_EVENTS)

    async def _unsubscribe(self, channel: str) -> None:
        try:
            await self._pubsub.unsubscribe(channel)
        except RedisError as error:
            logger.warning("Redis cannot be reached: %s", error)


def make_bus() -> PostgresBus | RedisBus:
    return RedisBus(settings.REDIS_URL) if settings.REDIS_URL else PostgresBus()


class RedisPublisher:
    """The sending side on an event loop; a failure is logged and costs a hint, never a run."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    async def publish(self, items: Iterable[wire.Item]) -> None:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for channel, payload in redis_messages(items):
                    pipeline.publish(channel, payload)
                await pipeline.execute()
        except RedisError as error:
            logger.warning("Live output was not published: %s", error)


def notify_sql(items: Iterable[wire.Item], *, wake: Iterable[str] = ()) -> tuple[str, dict[str, Any]]:
    """One statement that sends all of it."""
    return (
        "SELECT pg_notify(%(live)s, payload) FROM json_array_elements_text(%(payloads)s) payload"
        " UNION ALL SELECT pg_notify(%(wake_channel)s, payload) FROM json_array_elements_text(%(wake)s) payload",
        {
            "live": LIVE_CHANNEL,
            "payloads": orjson.dumps(list(wire.payloads(items))).decode(),
            "wake_channel": WAKE_CHANNEL,
            "wake": orjson.dumps(list(wake)).decode(),
        },
    )
