"""One client of live events, whatever carries them: what it follows on one side, encoded frames on the other.

Events are encoded once for all readers of a process: as JSON, and from that as frames of each transport.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from conversations.core import cursors, live_events
from conversations.core.live_events import Place
from conversations.core.log_events import Event, Piece
from conversations.live.hub import Hub
from conversations.live.opening import Opening
from conversations.live.outbox import Outbox
from conversations.live.owner_feeds import Known, OwnerFeed
from conversations.live.subscription import Gone, LogGap, Outcome, Subscription, Synced


class Transport(Protocol):
    """How an event is written: `name` tells the encodings of transports apart."""

    name: str

    def frame(self, cursor: str | None, json: bytes) -> str | bytes: ...


class LiveReader:
    """`finish` is called when nothing more will come: the one conversation that was followed is deleted."""

    def __init__(self, hub: Hub, outbox: Outbox, transport: Transport, finish: Callable[[], None]) -> None:
        self._hub = hub
        self._outbox = outbox
        self._transport = transport
        self._finish = finish
        self._subscription: Subscription | None = None
        self._feed: OwnerFeed | None = None

    async def open(self, opening: Opening) -> None:
        self._tell("server.connected")
        place = opening.place
        if place is None:
            await self._open_feed(opening)
            return
        if opening.reset_at:
            self._tell("server.cursor_reset", sessionID=place.session_id, cursor=opening.reset_at)
        subscription = Subscription(
            lambda outcome: self._take(place, subscription, outcome), room=self._outbox.room
        )
        self._subscription = subscription
        await self._hub.attach(subscription, opening.conversation_id, after=opening.after, parts={})

    async def _open_feed(self, opening: Opening) -> None:
        if opening.has_cursor:
            self._tell("server.replay_gap", snapshot="/api/v1/conversations")
        self._feed = OwnerFeed(opening.owner_id, self._take_of, room=self._outbox.room)
        await self._hub.owners.open(self._feed)
        self._tell("server.synced")

    def close(self) -> None:
        self._outbox.close()
        if self._subscription:
            self._hub.close(self._subscription)
        if self._feed:
            self._hub.owners.close(self._feed)

    def _take_of(self, known: Known, subscription: Subscription | None, outcome: Outcome) -> None:
        self._take(known.place, subscription, outcome)

    def _take(self, place: Place, subscription: Subscription | None, outcome: Outcome) -> None:
        match outcome:
            case Event() | Piece():
                assert subscription is not None
                for frame in frames_of(outcome, self._transport, place, subscription):
                    self._outbox.put(frame, bounded=subscription.is_live)
            case Synced():
                assert subscription is not None and subscription.position is not None
                cursor = cursors.encode(place.epoch, subscription.position.seq)
                self._tell("server.synced", sessionID=place.session_id, cursor=cursor)
            case LogGap():
                snapshot = f"/api/v1/conversations/{place.session_id}/snapshot"
                self._tell("server.replay_gap", sessionID=place.session_id, snapshot=snapshot)
            case Gone():
                info = {"id": place.session_id}
                self._tell("session.deleted", sessionID=place.session_id, info=info)
                if self._feed is None:
                    self._finish()

    def _tell(self, kind: str, **properties: Any) -> None:
        event = live_events.control(kind, now=time.time_ns() // 1_000_000, **properties)
        self._outbox.put(self._transport.frame(None, orjson.dumps(event)), bounded=False)


def frames_of(
    item: Event | Piece, transport: Transport, place: Place, subscription: Subscription
) -> list[str | bytes]:
    """The item as frames of a transport, encoded by whoever reads it first in this process."""
    # Readers of one process stand at the same entry when a piece of text arrives, except after a repair.
    after = subscription.sent_seq if isinstance(item, Piece) else 0
    name = f"{transport.name}:{after}"
    frames: list[str | bytes] | None = item.encoded.get(name)
    if frames is None:
        encoded = _encoded(item, place, after, subscription.answers)
        frames = item.encoded[name] = [transport.frame(cursor, json) for cursor, json in encoded]
    return frames


def _encoded(
    item: Event | Piece, place: Place, after: int, answers: dict[str, str]
) -> list[tuple[str | None, bytes]]:
    """(cursor, JSON) of each live event of an item."""
    name = f"live:{after}"
    known: list[tuple[str | None, bytes]] | None = item.encoded.get(name)
    if known is None:
        answer_id = answers.get(item.run_id or "")
        if isinstance(item, Piece):
            made = [live_events.of_piece(item, place=place, after=after, answer_id=answer_id)]
        else:
            made = live_events.of_event(item, place=place, answer_id=answer_id)
        known = item.encoded[name] = [(event["id"], orjson.dumps(event)) for event in made]
    return known
