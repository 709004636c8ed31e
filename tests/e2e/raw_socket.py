"""A socket without manners: sends what it is told and returns the frames that come, for tests of single rules."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.stack import KEY, Process

Frame = tuple[str, dict[str, Any]]


class RawSocket:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, frame: object) -> None:
        self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def receive(self, *, seconds: float = 40) -> Frame:
        frame = json.loads(self.connection.recv(timeout=seconds))
        return frame["event"], frame["data"]

    def until(self, event: str, *, seconds: float = 40, **wanted: Any) -> list[Frame]:
        """The frames up to the first `event` whose data has what is wanted."""
        frames: list[Frame] = []
        while True:
            frames.append(self.receive(seconds=seconds))
            name, data = frames[-1]
            if name == event and all(data.get(key) == value for key, value in wanted.items()):
                return frames

    def quiet(self, *, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        try:
            self.receive(seconds=seconds)
        except TimeoutError:
            return True
        return False


@contextmanager
def raw_socket(web: Process, *, key: str = KEY) -> Iterator[RawSocket]:
    with connect(web.socket, additional_headers={"X-API-Key": key}, max_size=None, proxy=None) as connection:
        yield RawSocket(connection)


def names(frames: list[Frame]) -> list[str]:
    return [name for name, _ in frames]


def text_of(frames: list[Frame], kind: str = "token") -> str:
    return "".join(data["token"] for name, data in frames if name == kind)
