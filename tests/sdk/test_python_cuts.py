"""A stream that is cut twenty times: the network breaks, webs and a worker are killed. Not a letter is lost."""

import asyncio
import threading
from random import Random
from typing import Any
from uuid import uuid4

from penguin_sdk import AsyncPenguinClient, PenguinClient, events

from tests.model_script import token_texts
from tests.processes import eventually
from tests.sdk.fault_proxy import FaultProxy
from tests.stack import KEY, Stack

TOKENS = 600
FIRST = ["network"] * 5 + ["web"] * 2
REST = ["network"] * 12


class Reader:
    """Reads one answer, and does as its events say."""

    def __init__(self, name: str, url: str) -> None:
        self.text = f"{name} {uuid4().hex}"
        self.options: dict[str, Any] = {"chat_api_key": KEY, "base_url": url, "reconnect_ms": 120_000}
        self.parts: dict[str, str] = {}
        self.dropped = 0
        self.end: events.StreamEvent | None = None
        self.streamed = ""
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self.run)

    @property
    def message(self) -> str:
        return f"{self.text} [[tokens={TOKENS} delay=50]]"

    def run(self) -> None:
        try:
            self.read()
        except BaseException as error:
            self.failure = error

    def read(self) -> None:
        raise NotImplementedError

    def take(self, event: events.StreamEvent) -> None:
        if isinstance(event, events.Token):
            had = self.parts.get(event.part_id, "")
            assert event.offset == len(had)
            self.parts[event.part_id] = had + event.text
        elif isinstance(event, events.PartDropped):
            self.parts.pop(event.part_id, None)
            self.dropped += 1
        self.end = event


class Blocking(Reader):
    def read(self) -> None:
        with PenguinClient(**self.options) as client, client.chat.stream(self.message) as stream:
            for event in stream:
                self.take(event)
            self.streamed = stream.text


class Waiting(Reader):
    def read(self) -> None:
        asyncio.run(self._read())

    async def _read(self) -> None:
        async with AsyncPenguinClient(**self.options) as client, client.chat.stream(self.message) as stream:
            async for event in stream:
                self.take(event)
            self.streamed = stream.text


def cut(kind: str, stack: Stack, proxy: FaultProxy) -> None:
    if kind == "network":
        proxy.cut_sockets()
    elif kind == "web":
        stack.kill(stack.webs[0])
        proxy.port = stack.start_web(wait=False).port
    else:
        stack.kill(stack.workers[0])
        stack.start_worker(wait=False)


def test_a_stream_that_is_cut_twenty_times_has_exactly_the_text(stack: Stack, proxy: FaultProxy) -> None:
    random = Random(7)
    # Webs first, as they take long to come back; the worker's death lets the answer begin anew, with time for the rest.
    order = [*random.sample(FIRST, len(FIRST)), "worker", *REST]
    assert len(order) == 20
    readers: list[Reader] = [Blocking("one", proxy.url), Waiting("other", proxy.url)]
    for reader in readers:
        reader.thread.start()
    for kind in order:
        before = [(dict(reader.parts), reader.dropped) for reader in readers]

        def have_got_on(before: list[Any] = before) -> bool:
            return all(
                reader.failure or (reader.parts, reader.dropped) != known
                for reader, known in zip(readers, before, strict=True)
            )

        eventually(have_got_on, seconds=90)
        threading.Event().wait(random.uniform(0, 0.2))
        assert not any(isinstance(reader.end, events.Completed) for reader in readers)
        cut(kind, stack, proxy)
    for reader in readers:
        reader.thread.join(180)
        assert reader.failure is None, reader.failure
        expected = "".join(token_texts(reader.text, TOKENS))
        assert isinstance(reader.end, events.Completed)
        assert "".join(reader.parts.values()) == reader.streamed == reader.end.response == expected
        assert reader.dropped == 1
    assert proxy.sockets_opened >= 2 * 19
