"""A client of the event stream that believes nothing: it checks each event, and keeps texts by their offsets."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.stack import KEY, Process

Event = dict[str, Any]


@dataclass(slots=True)
class Texts:
    """What a program would show: the text of each part, by the rule that what follows an offset is replaced."""

    parts: dict[str, str] = field(default_factory=dict)
    cursors: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if event["id"]:
            assert event["id"] not in self.cursors, "an entry of the log twice"
            self.cursors.append(event["id"])
        properties = event["properties"]
        if "delta" in properties:
            known = self.parts.get(properties["partID"], "")
            assert properties["offset"] <= len(known), "text is missing"
            self.parts[properties["partID"]] = known[: properties["offset"]] + properties["delta"]

    @property
    def text(self) -> str:
        return "".join(self.parts.values())


class LiveClient:
    def __init__(self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        self.response = response
        self.comments: list[str] = []
        self.retry = 0
        self.events: list[Event] = []
        self._connection = connection
        self._orders: dict[str, int] = {}

    def lines(self, *, seconds: float = 40) -> list[bytes]:
        """The lines of the next block; empty at the end of the stream."""
        if self._connection.sock:
            self._connection.sock.settimeout(seconds)
        lines: list[bytes] = []
        while line := self.response.readline():
            if line == b"\n":
                return lines
            lines.append(line.rstrip(b"\n"))
        return lines

    def receive(self, *, seconds: float = 40) -> Event | None:
        """The next event; None when the stream has ended."""
        while lines := self.lines(seconds=seconds):
            names = dict(line.split(b": ", 1) for line in lines if not line.startswith(b":"))
            self.comments += [line[2:].decode() for line in lines if line.startswith(b":")]
            if b"retry" in names:
                self.retry = int(names[b"retry"])
            if b"data" in names:
                event: Event = json.loads(names[b"data"])
                self._check(event, names.get(b"id"))
                self.events.append(event)
                return event
        return None

    def _check(self, event: Event, sse_id: bytes | None) -> None:
        assert list(event) == ["id", "order", "time", "type", "properties"]
        assert event["id"] == (sse_id.decode() if sse_id else None)
        assert isinstance(event["time"], int)
        if event["order"] is not None:
            session_id = event["properties"]["sessionID"]
            assert event["order"] >= self._orders.get(session_id, -1)
            self._orders[session_id] = event["order"]

    def until(self, kind: str, *, seconds: float = 40, **wanted: Any) -> list[Event]:
        """The events up to the first of this type with these properties."""
        found: list[Event] = []
        while event := self.receive(seconds=seconds):
            found.append(event)
            properties = event["properties"]
            if event["type"] == kind and all(properties.get(key) == value for key, value in wanted.items()):
                return found
        raise AssertionError(f"The stream ended without {kind}: {found}, {self.comments}")

    def until_idle(self, *session_ids: str) -> None:
        """Until a run of each of these has ended; it may have done so already."""
        waiting = set(session_ids)
        while True:
            ended = [e["properties"] for e in self.events if e["type"] == "session.status"]
            waiting -= {properties["sessionID"] for properties in ended if properties["status"] == "idle"}
            if not waiting:
                return
            assert self.receive(), f"The stream ended without {waiting}."

    def quiet(self, *, seconds: float = 0.4) -> bool:
        """Whether nothing comes for a while; nothing can be read afterwards."""
        try:
            return self.receive(seconds=seconds) is None
        except TimeoutError:
            return True


@contextmanager
def live_client(
    web: Process, *, key: str = KEY, headers: dict[str, str] | None = None, **query: str
) -> Iterator[LiveClient]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=40)
    try:
        address = f"/api/v1/events/sse?{urlencode(query)}" if query else "/api/v1/events/sse"
        connection.request("GET", address, headers={**({"X-API-Key": key} if key else {}), **(headers or {})})
        yield LiveClient(connection.getresponse(), connection)
    finally:
        connection.close()


def run_of(events: list[Event]) -> list[Event]:
    """Without what is said about the stream."""
    return [event for event in events if not event["type"].startswith("server.")]


def types(events: list[Event], keep: Callable[[Event], bool] = lambda event: True) -> list[str]:
    return [event["type"] for event in events if keep(event)]
