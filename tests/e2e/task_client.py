"""A client of the socket of tasks that believes nothing: it checks each frame, over all its connections."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.stack import KEY, Process

Frame = tuple[str, dict[str, Any]]

ENDS = ("task_completed", "task_failed", "task_cancelled", "time_limit_reached")
CONTROL = ("synced", "pong", "replay_gap", "cursor_reset", "error")


@dataclass(slots=True)
class Story:
    """What a client has of one execution, whatever connections it came over."""

    execution_id: str = ""
    cursor: str = ""
    frames: list[Frame] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.frames]

    @property
    def text(self) -> str:
        return "".join(text for part, text in self.texts.items() if part not in self.dropped)

    @property
    def parts(self) -> dict[str, int]:
        return {part: len(text) for part, text in self.texts.items()}

    @property
    def messages(self) -> list[str]:
        """A message has an id and no cursor: who drops behind it gets it again."""
        return list({data["message_id"]: data["content"] for data in self.of("message")}.values())

    def of(self, event: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            data
            for name, data in self.frames
            if name == event and all(data.get(key) == value for key, value in wanted.items())
        ]

    def attach(self) -> dict[str, Any]:
        """The frame with which to go on."""
        known = {"after": self.cursor, "parts": self.parts} if self.cursor else {}
        return {"type": "attach", "execution_id": self.execution_id, **known}

    def take(self, name: str, data: dict[str, Any]) -> None:
        if name in CONTROL:
            return
        assert not set(self.names) & set(ENDS), f"{name} behind the end"
        assert (name == "task_started") == (not self.frames), f"{name} is frame {len(self.frames)}"
        self.execution_id = self.execution_id or data["execution_id"]
        assert data["execution_id"] == self.execution_id
        if cursor := data.get("cursor"):
            assert cursor not in [known.get("cursor") for _, known in self.frames], f"{name} twice"
            self.cursor = cursor
        if name == "token":
            known = self.texts.setdefault(data["part_id"], "")
            assert data["offset"] == len(known), f"text at {data['offset']}, known {len(known)}"
            self.texts[data["part_id"]] = known + data["token"]
        if data.get("status") == "interrupted":
            self.dropped.add(data["part_id"])
        self.frames.append((name, data))


class TaskSocket:
    def __init__(self, connection: ClientConnection, story: Story) -> None:
        self.connection = connection
        self.story = story

    def send(self, frame: object) -> None:
        self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def receive(self, *, seconds: float = 40) -> Frame:
        frame = json.loads(self.connection.recv(timeout=seconds))
        name, data = frame["event"], frame["data"]
        self.story.take(name, data)
        return name, data

    def until(self, event: str, **wanted: Any) -> dict[str, Any]:
        """The first frame of this name whose data has what is wanted."""
        while True:
            name, data = self.receive()
            if name == event and all(data.get(key) == value for key, value in wanted.items()):
                return data

    def until_closed(self) -> tuple[list[Frame], int]:
        """The rest of the frames, and the code with which the server closed."""
        frames: list[Frame] = []
        try:
            while True:
                frames.append(self.receive())
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return frames, closed.rcvd.code


@contextmanager
def task_socket(web: Process, story: Story | None = None, *, key: str = KEY) -> Iterator[TaskSocket]:
    address = f"ws://127.0.0.1:{web.port}/api/v1/tasks/stream"
    with connect(address, additional_headers={"X-API-Key": key}, max_size=None, proxy=None) as connection:
        yield TaskSocket(connection, story or Story())
