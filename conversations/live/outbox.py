"""Frames on their way to one socket or stream: a bounded queue with a task only while there is something in it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from conversations.live.tasks import TaskSet

MOST_FRAMES = 1_000
MOST_CHARACTERS = 4 * 1024 * 1024
# A replay goes on when the queue has shrunk to this, and gives up when that takes too long.
ROOM_FRAMES = 50
ROOM_CHARACTERS = 256 * 1024
ROOM_SECONDS = 30.0


class Outbox:
    """`overflow` is called once, when the reader is too slow; from then on everything is dropped."""

    __slots__ = ("_characters", "_frames", "_overflow", "_room", "_send", "_sending", "_tasks", "closed")

    def __init__(
        self, send: Callable[[Any], Awaitable[None]], overflow: Callable[[], None], tasks: TaskSet
    ) -> None:
        self._send = send
        self._overflow = overflow
        self._tasks = tasks
        self._frames: deque[str | bytes] = deque()
        self._characters = 0
        self._sending = False
        self._room: asyncio.Event | None = None
        self.closed = False

    def put(self, text: str | bytes, *, bounded: bool = True) -> None:
        """Queues a frame. A replay, which `room` slows down, is not `bounded`."""
        if self.closed:
            return
        if bounded and (len(self._frames) >= MOST_FRAMES or self._characters >= MOST_CHARACTERS):
            self.close()
            self._overflow()
            return
        self._frames.append(text)
        self._characters += len(text)
        if not self._sending:
            self._sending = True
            self._tasks.start(self._drain(), name="outbox")

    async def room(self) -> None:
        """Waits until a replay may add its next page; overflows when the reader takes nothing for long."""
        if self._has_room():
            return
        self._room = self._room or asyncio.Event()
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), ROOM_SECONDS)
        except TimeoutError:
            if not self.closed:
                self.close()
                self._overflow()

    def close(self) -> None:
        self.closed = True
        self._frames.clear()
        self._characters = 0
        if self._room:
            self._room.set()

    def _has_room(self) -> bool:
        return len(self._frames) <= ROOM_FRAMES and self._characters <= ROOM_CHARACTERS

    async def _drain(self) -> None:
        try:
            while self._frames:
                text = self._frames.popleft()
                self._characters -= len(text)
                await self._send(text)
                if self._room and self._has_room():
                    self._room.set()
        except Exception:
            # A frame is lost, and nothing may follow it: the client has to attach again, at its cursor.
            self.close()
            self._overflow()
            raise
        finally:
            self._sending = False
