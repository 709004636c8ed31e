"""Hands live output to the readers of this process, and reads from the tables what a hint did not bring.

A reader is a `Subscription`: a position in one conversation and a function that sends. It is registered before it reads
the log, so that nothing falls between; what arrives while it reads waits in a short queue. Who follows everything of
an owner has one of them for each conversation in which something happens (`owner_feeds.py`).
"""

import asyncio
import logging
from collections.abc import Mapping

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from conversations.core.log_events import Event, Piece
from conversations.core.position import Gap
from conversations.live import wire
from conversations.live.bus import Bus
from conversations.live.log_reader import LogPage, read_heads, read_log
from conversations.live.owner_feeds import OwnerFeeds
from conversations.live.subscription import GONE, LOG_GAP, SYNCED, Subscription, Synced
from conversations.live.tasks import TaskSet

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RETRY_SECONDS = 0.5


class Hub:
    """All readers of this process, by conversation."""

    def __init__(self, pool: AsyncConnectionPool, bus: Bus, tasks: TaskSet) -> None:
        self._pool = pool
        self._bus = bus
        self._tasks = tasks
        self._readers: dict[int, set[Subscription]] = {}
        self._expected: dict[str, Subscription] = {}  # by run, before its conversation is known
        self.owners = OwnerFeeds(self, pool, bus, tasks)

    # Opening and closing

    def expect(self, subscription: Subscription, run_id: str) -> None:
        """A reader of a run that is about to be accepted: registered first, so that its first piece is not missed."""
        subscription.run_id = run_id
        self._expected[run_id] = subscription

    async def follow(self, subscription: Subscription, conversation_id: int, *, after: int) -> None:
        """The run was accepted; its events begin behind `after`."""
        self._expected.pop(subscription.run_id or "", None)
        heard_from_the_start = await self._register(subscription, conversation_id)
        subscription.start(after)
        if not heard_from_the_start or not subscription.release():
            self._repair(subscription)

    async def attach(
        self, subscription: Subscription, conversation_id: int, *, after: int, parts: Mapping[str, int]
    ) -> None:
        """Replays what lies behind `after`, then `SYNCED`, then live output."""
        await self._register(subscription, conversation_id)
        subscription.start(after, parts)
        self._tasks.start(self._read(subscription, then=SYNCED), name="attach")

    def join(self, subscription: Subscription, conversation_id: int, *, after: int) -> None:
        """`attach` for code that cannot wait, without `SYNCED`: items are heard from now on."""
        subscription.conversation_id = conversation_id
        subscription.start(after)
        self._readers.setdefault(conversation_id, set()).add(subscription)
        self._tasks.start(self._watch_and_read(subscription, conversation_id), name="join")

    async def _watch_and_read(self, subscription: Subscription, conversation_id: int) -> None:
        await self._bus.watch(conversation_id)
        await self._read(subscription)

    def close(self, subscription: Subscription) -> None:
        self._expected.pop(subscription.run_id or "", None)
        conversation_id = subscription.conversation_id
        subscription.conversation_id = None
        if conversation_id is None or (readers := self._readers.get(conversation_id)) is None:
            return
        readers.discard(subscription)
        if not readers:
            del self._readers[conversation_id]
            self._tasks.start(self._unwatch(conversation_id), name="unwatch")

    async def _register(self, subscription: Subscription, conversation_id: int) -> bool:
        """Returns whether items of this conversation have been arriving since before this call."""
        subscription.conversation_id = conversation_id
        known = conversation_id in self._readers
        self._readers.setdefault(conversation_id, set()).add(subscription)
        return await self._bus.watch(conversation_id) or known

    async def _unwatch(self, conversation_id: int) -> None:
        if conversation_id not in self._readers:
            await self._bus.unwatch(conversation_id)

    # Live items

    def receive(self, raw: wire.Item) -> None:
        """An item from the bus."""
        self.owners.hear(raw)
        readers = self._readers.get(raw[1])
        if raw[0] == "d":
            self._deleted(raw[1])
            return
        if readers is None and not self._expected:
            return
        item = wire.item_of(raw)
        if item is not None and (expected := self._expected.get(item.run_id or "")):
            expected.hold(item)
        for subscription in list(readers or ()):
            if not subscription.is_live:
                subscription.hold(item)
            elif item is None:
                self._repair(subscription)
            else:
                try:
                    subscription.take(item)
                except Gap:
                    self._repair(subscription, item)

    def _deleted(self, conversation_id: int) -> None:
        for subscription in list(self._readers.get(conversation_id, ())):
            self.close(subscription)
            subscription.send(GONE)

    # Repair

    def _repair(self, subscription: Subscription, item: Event | Piece | None = None) -> None:
        subscription.hold(item)
        self._tasks.start(self._read(subscription), name="repair")

    async def _read(self, subscription: Subscription, *, then: Synced | None = None) -> None:
        """Sends what the tables hold behind the position, then goes live."""
        while (
            conversation_id := subscription.conversation_id
        ) is not None and subscription.position is not None:
            if subscription.room:
                await subscription.room()
            try:
                page = await read_log(self._pool, conversation_id, after=subscription.position.seq)
            except (psycopg.Error, PoolTimeout) as error:
                logger.warning("The log could not be read: %s", str(error).strip())
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if subscription.conversation_id is None:
                return
            if page is None:
                self._deleted(conversation_id)
                return
            if not self._take_page(subscription, page):
                continue
            if then:
                subscription.send(then)
                then = None
            if subscription.release():
                return
            await asyncio.sleep(0.02)  # an item came whose predecessor is not visible yet

    def _take_page(self, subscription: Subscription, page: LogPage) -> bool:
        """Returns whether this was the last page."""
        position = subscription.position
        assert position is not None
        subscription.answers |= page.answers
        if position.seq < page.kept_after:
            position.seq = subscription.sent_seq = page.kept_after
            subscription.send(LOG_GAP)
            return False
        for event in page.events:
            subscription.take(event)
        if not page.is_last:
            return False
        position.remember_closed(page.closed_parts)
        for piece in page.open_parts:
            subscription.take(piece)
        return True

    async def poll(self) -> None:
        """Every second, one statement for all conversations: finds what lost hints did not tell."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._check_heads()
                await self.owners.check()
            except (psycopg.Error, PoolTimeout) as error:
                logger.warning("Heads could not be read: %s", str(error).strip())

    async def _check_heads(self) -> None:
        conversation_ids = list(self._readers)
        if not conversation_ids:
            return
        heads = await read_heads(self._pool, conversation_ids)
        for conversation_id in conversation_ids:
            if conversation_id not in heads:
                self._deleted(conversation_id)
                continue
            for subscription in list(self._readers.get(conversation_id, ())):
                position = subscription.position
                if subscription.is_live and position and position.seq < heads[conversation_id]:
                    self._repair(subscription)
