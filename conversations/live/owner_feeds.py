"""Readers of everything that is new in one owner's conversations, those that are made later included.

What arrives names its conversation, and nothing of its owner. So a process with such readers looks up each conversation
it hears of, once, many in one statement; a process without them does nothing. (Owners in every item would not save
that: session and epoch are needed too, and text flows that began before the reader came.) From then on the conversation
is read like any other: by a subscription of its own, with a position, repair from the tables, and the poll of heads.
"""

import asyncio
import logging
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from conversations.core.live_events import Place
from conversations.core.log_events import Event
from conversations.live import wire
from conversations.live.bus import Bus
from conversations.live.subscription import GONE, Gone, Outcome, Subscription
from conversations.live.tasks import TaskSet

logger = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_SECONDS = 0.5
# A feed follows so many conversations at once. Beyond, the quietest is let go; it is joined again when it is heard.
MOST_CONVERSATIONS = 100
_REMEMBERED = 10_000
# Of a deleted conversation nothing is new any more: hints of it may be repeated, ids are not.
_DELETED = sys.maxsize

OPEN_ONES = """
SELECT statement_timestamp(), (SELECT coalesce(json_agg(json_build_array(c.id, c.owner_id, c.session_id, c.epoch,
                                                                         c.head_seq)), '[]')
  FROM conversation c WHERE c.id IN (
    SELECT conversation_id FROM run WHERE owner_id = %s AND status IN (
      'queued', 'running', 'waiting_approval', 'waiting_input', 'paused', 'cancelling')))
"""
LOOK_UP = "SELECT id, owner_id, session_id, epoch, head_seq FROM conversation WHERE id = ANY(%s)"
# Found by the index on created_at: what all owners did in the last seconds, whatever the number of conversations.
NEW_EVENTS = """
SELECT c.id, c.owner_id, c.session_id, c.epoch, e.seq, e.created_at
FROM conversation_event e JOIN conversation c ON c.id = e.conversation_id
WHERE e.created_at > %s::timestamptz - interval '15 seconds' AND c.owner_id = ANY(%s) ORDER BY c.id, e.seq
"""
NOW = "SELECT statement_timestamp()"


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation, its owner and its place."""

    id: int
    owner_id: int
    place: Place


class Joins(Protocol):
    """Of the hub, what feeds need."""

    def join(self, subscription: Subscription, conversation_id: int, *, after: int) -> None: ...
    def close(self, subscription: Subscription) -> None: ...


class OwnerFeed:
    """One reader. `send` gets the outcomes of all conversations, with the subscription they came through."""

    def __init__(
        self,
        owner_id: int,
        send: Callable[[Known, Subscription | None, Outcome], None],
        *,
        room: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.owner_id = owner_id
        self.began: datetime | None = None
        self.subscriptions: dict[int, Subscription] = {}  # the quietest first
        self.left_at: dict[int, int] = {}  # conversations that were let go, and how far they had been read
        self._send = send
        self._room = room

    def subscription_for(self, known: Known) -> Subscription:
        subscription = Subscription(lambda outcome: self.take(known, subscription, outcome), room=self._room)
        self.subscriptions[known.id] = subscription
        return subscription

    def take(self, known: Known, subscription: Subscription | None, outcome: Outcome) -> None:
        if isinstance(outcome, Gone):
            if self.left_at.get(known.id) == _DELETED:
                return
            self.subscriptions.pop(known.id, None)
            _remember(self.left_at, known.id, _DELETED)
        elif isinstance(outcome, Event) and subscription is not None and known.id in self.subscriptions:
            self.subscriptions[known.id] = self.subscriptions.pop(known.id)
        self._send(known, subscription, outcome)

    def let_go(self) -> Subscription | None:
        """The quietest conversation, when there are too many and it is not in the middle of a replay."""
        if len(self.subscriptions) <= MOST_CONVERSATIONS:
            return None
        for conversation_id, subscription in self.subscriptions.items():
            if subscription.is_live and subscription.position:
                del self.subscriptions[conversation_id]
                _remember(self.left_at, conversation_id, subscription.position.seq)
                return subscription
        return None


class OwnerFeeds:
    """All feeds of this process."""

    def __init__(self, hub: Joins, pool: AsyncConnectionPool, bus: Bus, tasks: TaskSet) -> None:
        self._hub = hub
        self._pool = pool
        self._bus = bus
        self._tasks = tasks
        self._feeds: dict[int, set[OwnerFeed]] = defaultdict(set)
        self._known: dict[int, Known] = {}
        # Conversation -> the position before what was heard of it first.
        self._unknown: dict[int, int | None] = {}
        self._looking = False
        self._checked_at: datetime | None = None

    async def open(self, feed: OwnerFeed) -> None:
        """From the return of this on nothing is missed; of answers under way the text so far comes first."""
        self._feeds[feed.owner_id].add(feed)
        await self._bus.watch_all()
        async with self._pool.connection() as connection:
            row = await (await connection.execute(OPEN_ONES, (feed.owner_id,), prepare=True)).fetchone()
        assert row
        feed.began, open_ones = row
        if feed in self._feeds.get(feed.owner_id, ()):  # else its client has left meanwhile
            for *columns, head in open_ones:
                self._join(feed, self._remembered(columns), after=head)

    def close(self, feed: OwnerFeed) -> None:
        feeds = self._feeds.get(feed.owner_id, set())
        feeds.discard(feed)
        if not feeds:
            self._feeds.pop(feed.owner_id, None)
        for subscription in feed.subscriptions.values():
            self._hub.close(subscription)
        feed.subscriptions.clear()
        if not self._feeds:
            self._known.clear()
            self._unknown.clear()
            self._checked_at = None
            self._tasks.start(self._rest(), name="rest")

    async def _rest(self) -> None:
        if not self._feeds:
            await self._bus.unwatch_all()

    # What is heard

    def hear(self, raw: wire.Item) -> None:
        """An item from the bus, before the subscriptions of its conversation get it."""
        if not self._feeds:
            return
        if raw[0] == "d":
            self._deleted(raw)
            return
        conversation_id, after = raw[1], _position_before(raw)
        known = self._known.get(conversation_id)
        if known is not None and all(conversation_id in feed.subscriptions for feed in self._of(known)):
            return
        if known is not None and after is not None:
            self._found(known, after)
            return
        self._unknown.setdefault(conversation_id, after)
        if not self._looking:
            self._looking = True
            self._tasks.start(self._look_up(), name="look up")

    def _of(self, known: Known) -> list[OwnerFeed]:
        return list(self._feeds.get(known.owner_id, ()))

    def _found(self, known: Known, after: int) -> None:
        for feed in self._of(known):
            self._join(feed, known, after=after)

    def _join(self, feed: OwnerFeed, known: Known, *, after: int) -> None:
        if known.id in feed.subscriptions or feed.left_at.get(known.id) == _DELETED:
            return
        after = max(after, feed.left_at.pop(known.id, 0))
        self._hub.join(feed.subscription_for(known), known.id, after=after)
        if let_go := feed.let_go():
            self._hub.close(let_go)

    def _deleted(self, raw: wire.Item) -> None:
        """Those that follow it hear of it through their subscription; the others here."""
        _, conversation_id, owner_id, session_id = raw
        self._known.pop(conversation_id, None)
        for feed in list(self._feeds.get(owner_id, ())):
            if conversation_id not in feed.subscriptions:
                feed.take(Known(conversation_id, owner_id, Place(session_id, "")), None, GONE)

    async def _look_up(self) -> None:
        try:
            while self._unknown and self._feeds:
                wanted, self._unknown = self._unknown, {}
                try:
                    async with self._pool.connection() as connection:
                        cursor = await connection.execute(LOOK_UP, (list(wanted),), prepare=True)
                        rows = await cursor.fetchall()
                except (psycopg.Error, PoolTimeout) as error:
                    logger.warning("Conversations could not be looked up: %s", str(error).strip())
                    self._unknown = {**self._unknown, **wanted}
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                for *columns, head in rows:
                    after = wanted[columns[0]]
                    self._found(self._remembered(columns), head if after is None else after)
        finally:
            self._looking = False

    def _remembered(self, columns: Iterable[Any]) -> Known:
        conversation_id, owner_id, session_id, epoch = columns
        known = Known(conversation_id, owner_id, Place(session_id, epoch))
        _remember(self._known, known.id, known)
        return known

    # What was not heard

    async def check(self) -> None:
        """Finds events whose hints were lost, in conversations that a feed does not follow yet."""
        if not self._feeds:
            return
        async with self._pool.connection() as connection:
            row = await (await connection.execute(NOW, prepare=True)).fetchone()
            assert row
            since = self._checked_at or row[0]
            cursor = await connection.execute(NEW_EVENTS, (since, list(self._feeds)), prepare=True)
            rows = await cursor.fetchall()
        self._checked_at = row[0]
        for *columns, seq, created_at in rows:
            known = self._remembered(columns)
            for feed in self._of(known):
                is_new = feed.began is not None and created_at >= feed.began
                if is_new and seq > feed.left_at.get(known.id, 0):
                    self._join(feed, known, after=seq - 1)


def _position_before(raw: wire.Item) -> int | None:
    """Where a reader has to stand to be sent this item; None: at the end of the log."""
    match raw:
        case ["e", _, seq, *_]:
            return int(seq) - 1
        case ["p", *_, base]:
            return int(base)
    return None


def _remember(memory: dict[int, T], key: int, value: T) -> None:
    """Puts it last, and forgets the first when there are too many."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]
