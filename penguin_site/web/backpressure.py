"""Tells a sender when its reader keeps up: a gate that the transport closes while its buffer is full."""

import asyncio


class Gate:
    """A Twisted push producer that stands for whatever awaits `passed()` before it writes.

    Stock Daphne ignores the transport: `await send(...)` returns at once whatever the reader does, so a bounded queue
    behind it never fills and a reader that has stopped costs memory without end.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def passed(self) -> None:
        await self._open.wait()

    def pauseProducing(self) -> None:
        self._open.clear()

    def resumeProducing(self) -> None:
        self._open.set()

    # A connection that ends lets its writers go on: what they write is dropped.
    stopProducing = resumeProducing
