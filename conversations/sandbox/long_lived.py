"""Commands that outlive the call that started them: their output is kept until somebody asks for it."""

import asyncio

from conversations.sandbox.box import Box
from conversations.sandbox.command import shell_line
from conversations.sandbox.confined import Confined, confine
from conversations.sandbox.limits import limits_for
from conversations.sandbox.output import Output

# Characters of either half of what was not asked for yet.
_KEPT = 128 * 1024
_FIRST_LOOK_SECONDS = 0.01


class LongLived:
    """Made by `start`."""

    def __init__(self, line: str, confined: Confined) -> None:
        self.line = line
        self._confined = confined
        self._output = Output(_KEPT)
        self._news = asyncio.Event()
        self._following = asyncio.create_task(self._follow())

    @classmethod
    async def start(cls, line: str, box: Box, *, seconds: float) -> "LongLived":
        """`seconds` bounds its processor time; how long it may live is up to whoever started it."""
        confined = await confine(shell_line(line), box, limits=limits_for(seconds), stdin=True)
        return cls(line, confined)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._confined.exit_code if self._following.done() else None

    @property
    def ran_out_of_disk(self) -> bool:
        return self._confined.ran_out_of_disk

    async def news(self, *, wait_seconds: float) -> str:
        """What it has written since the last call; waits so long for the first of it, or for its end."""
        try:
            async with asyncio.timeout(max(wait_seconds, _FIRST_LOOK_SECONDS)):
                await self._news.wait()
        except TimeoutError:
            pass
        if not self._following.done():
            self._news.clear()
        return self._output.take()

    async def write(self, text: str, *, close: bool = False) -> None:
        """BrokenPipeError, TimeoutError: it reads no more, or not now."""
        if text:
            await self._confined.write(text.encode())
        if close:
            self._confined.close_stdin()

    async def stop(self, grace_seconds: float) -> None:
        await self._confined.stop(grace_seconds)
        await self._following

    async def _follow(self) -> None:
        while data := await self._confined.read():
            self._output.add(data)
            self._news.set()
        self._output.add(b"", final=True)
        await self._confined.wait()
        self._news.set()
