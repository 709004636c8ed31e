"""Event streams in this process, over real tables: heartbeat, lost hints, many conversations, slow readers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.test import Client

from conversations import log
from conversations.api import event_stream
from conversations.api.event_stream import EventStream
from conversations.core.log_events import EventType
from conversations.live import opening, owner_feeds, process
from conversations.models import Conversation, ConversationEvent
from penguin_site.models import User
from tests.factories import ConversationFactory, UserFactory

Event = dict[str, Any]


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    def run() -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()

    return await sync_to_async(run)()


class Stream:
    """What a client has of a stream so far."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.stops = False

    async def write(self, chunk: bytes) -> None:
        self.blocks.append(chunk)
        while self.stops:
            await asyncio.sleep(0.01)

    @property
    def events(self) -> list[Event]:
        data = (block.rpartition(b"data: ")[2] for block in self.blocks if b"data: " in block)
        return [json.loads(text) for text in data]

    async def until(self, condition: Callable[["Stream"], bool], *, seconds: float = 40) -> None:
        async with asyncio.timeout(seconds):
            while not condition(self):
                await asyncio.sleep(0.01)

    async def has(self, kind: str, session_id: str, times: int = 1) -> None:
        def count(stream: "Stream") -> bool:
            found = [
                e for e in stream.events if e["type"] == kind and e["properties"]["sessionID"] == session_id
            ]
            return len(found) >= times

        await self.until(count)


@pytest.fixture
async def live(transactional_db: None) -> AsyncIterator[process.Live]:
    await process.start()
    try:
        yield process.current()
    finally:
        await process.stop()
        await in_thread(lambda: None)


@asynccontextmanager
async def opened(live: process.Live, owner: User, **wanted: str) -> AsyncIterator[Stream]:
    found = await in_thread(
        opening.look_up, owner_id=owner.pk, **{"session_id": "", "last_event_id": "", **wanted}
    )
    stream, served = Stream(), EventStream(live, found)
    try:
        await served.open(stream.write, stream.ended)
        await stream.until(lambda s: any(event["type"] == "server.synced" for event in s.events))
        yield stream
    finally:
        served.close()


def rename(conversation: Conversation, title: str) -> None:
    with transaction.atomic():
        log.append(conversation.pk, EventType.CONVERSATION_UPDATED, {"title": title})


def happen_unheard(conversation: Conversation, *, title: str) -> None:
    """An event whose hint is lost: it stands in the log, and nobody is told."""
    conversation.refresh_from_db()
    conversation.head_seq += 1
    ConversationEvent.objects.create(
        conversation=conversation,
        seq=conversation.head_seq,
        type=EventType.CONVERSATION_UPDATED,
        payload={"title": title},
    )
    conversation.save(update_fields=["head_seq"])


async def test_a_comment_comes_when_nothing_else_does(
    live: process.Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert event_stream.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
    async with opened(live, await in_thread(UserFactory)) as stream:
        await stream.until(lambda s: s.blocks.count(b": heartbeat\n\n") >= 2)
    beats = len(stream.blocks)
    await asyncio.sleep(0.2)
    assert len(stream.blocks) == beats, "a closed stream still beats"


async def test_an_event_whose_hint_was_lost_is_found(live: process.Live) -> None:
    owner = await in_thread(UserFactory)
    old, new = [await in_thread(ConversationFactory, owner=owner) for _ in range(2)]
    foreign = await in_thread(ConversationFactory)
    await in_thread(happen_unheard, old, title="before anybody listened")
    async with opened(live, owner) as stream:
        for conversation in (new, foreign):
            await in_thread(happen_unheard, conversation, title="unheard")
        await stream.has("session.updated", new.session_id)
        await in_thread(happen_unheard, new, title="and again")
        await stream.has("session.updated", new.session_id, times=2)
    told = [e["properties"]["info"].get("title") for e in stream.events if e["type"] == "session.updated"]
    assert told == ["unheard", "and again"]


async def test_more_conversations_than_a_feed_follows_at_once(
    live: process.Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_feeds, "MOST_CONVERSATIONS", 2)
    owner = await in_thread(UserFactory)
    conversations = [await in_thread(ConversationFactory, owner=owner) for _ in range(5)]
    async with opened(live, owner) as stream:
        for number in range(3):
            for conversation in conversations:
                await in_thread(rename, conversation, f"title {number}")
                await stream.has("session.updated", conversation.session_id, times=number + 1)
        await asyncio.sleep(1.3)  # the poll finds nothing that was not sent
        followed = sum(len(readers) for readers in live.hub._readers.values())
    assert followed <= 3
    for conversation in conversations:
        own = [e for e in stream.events if e["properties"].get("sessionID") == conversation.session_id]
        assert [event["properties"]["info"]["title"] for event in own] == ["title 0", "title 1", "title 2"]
        assert len({event["id"] for event in own}) == 3


async def test_a_closed_stream_leaves_nothing(live: process.Live) -> None:
    owner = await in_thread(UserFactory)
    conversation = await in_thread(ConversationFactory, owner=owner)
    async with (
        opened(live, owner) as everything,
        opened(live, owner, session_id=conversation.session_id) as one,
    ):
        await in_thread(rename, conversation, "heard by both")
        for stream in (everything, one):
            await stream.has("session.updated", conversation.session_id)
        # Both were given the very same bytes.
        blocks = [next(b for b in stream.blocks if b"session.updated" in b) for stream in (everything, one)]
        assert json.loads(blocks[0].rpartition(b"data: ")[2])["id"]
        assert blocks[0] == blocks[1]
    assert live.hub._readers == {}
    assert not live.hub.owners._feeds
    await in_thread(rename, conversation, "heard by nobody")


async def test_a_reader_that_takes_nothing_is_given_up(
    live: process.Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.live.outbox.MOST_FRAMES", 5)
    owner = await in_thread(UserFactory)
    conversation = await in_thread(ConversationFactory, owner=owner)
    async with opened(live, owner, session_id=conversation.session_id) as stream:
        await in_thread(rename, conversation, "the last one that goes out")
        await stream.has("session.updated", conversation.session_id)
        stream.stops = True
        for number in range(12):
            await in_thread(rename, conversation, f"title {number}")
        await stream.until(lambda s: live.hub._readers == {})  # it costs nothing from here on
        assert not stream.ended.done()  # the frame that is being written comes first
        stream.stops = False
        last_words = await asyncio.wait_for(stream.ended, 40)
    last = [event["id"] for event in stream.events if event["id"]][-1]
    assert last_words == f": too slow, the last cursor was {last}\n\n".encode()


def test_without_live_output_the_client_is_told_so(api: Client) -> None:
    """Under WSGI, say. What is wrong with the request is said first."""
    answer = api.get("/api/v1/events/sse")
    assert (answer.status_code, answer.json()["code"]) == (421, "no_live_output")
    assert api.get("/api/v1/events/sse", {"session_id": "none-such"}).status_code == 404
    assert api.get("/api/v1/events/sse", {"last_event_id": "x"}).json()["code"] == "invalid_cursor"
    assert api.post("/api/v1/events/sse").status_code == 405
