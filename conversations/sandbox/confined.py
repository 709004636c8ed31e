"""A command in the sandbox as asyncio sees it: read it, write to it, wait for its end, end it."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from django.conf import settings

from conversations.sandbox import detection
from conversations.sandbox.box import Box
from conversations.sandbox.levels import Level
from conversations.sandbox.limits import Limits, disk_is_full
from conversations.sandbox.start import SandboxError, Started, start

GRACE_SECONDS = 5.0

_PIECE = 64 * 1024
# After a full piece: one command that writes without end must not take the event loop from the others.
_PAUSE_SECONDS = 0.002
_WATCH_SECONDS = 0.2
_STDIN_SECONDS = 5.0
# Its threads live as long as this process: see `start`.
_threads = ThreadPoolExecutor(8, thread_name_prefix="sandbox")


class Confined:
    """Made by `confine`. `wait` returns when nothing of the command is left."""

    def __init__(self, started: Started, root: Path, limits: Limits) -> None:
        self._started = started
        self._root = root
        self._limits = limits
        self._process_gone = asyncio.Event()
        self._all_gone = asyncio.Event()
        self._reader = asyncio.StreamReader(_PIECE)
        self._transport: asyncio.BaseTransport | None = None
        self.ran_out_of_disk = False
        self._end = asyncio.create_task(self._attend())

    async def read(self) -> bytes:
        """The next piece of stdout and stderr; empty once nobody can write any more."""
        data = await self._reader.read(_PIECE)
        if len(data) == _PIECE:
            await asyncio.sleep(_PAUSE_SECONDS)
        return data

    async def write(self, data: bytes) -> None:
        """To its stdin; BrokenPipeError when it reads no more, TimeoutError when it does not read."""
        if self._started.stdin is None:
            raise BrokenPipeError
        until = time.monotonic() + _STDIN_SECONDS
        while data:
            try:
                data = data[os.write(self._started.stdin, data) :]
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError from None
                await asyncio.sleep(0.01)

    def close_stdin(self) -> None:
        if self._started.stdin is not None:
            os.close(self._started.stdin)
            self._started.stdin = None

    @property
    def exit_code(self) -> int | None:
        """None while anything of it runs."""
        return self._end.result() if self._end.done() else None

    async def wait(self) -> int:
        """The exit code: 128 + n where signal n ended it."""
        return await asyncio.shield(self._end)

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> int:
        """SIGTERM to all of it, SIGKILL to what is left after the grace.

        When cancelled, it does without the rest of the grace; it never returns before all is gone.
        """
        try:
            if not self._process_gone.is_set() and grace_seconds > 0:
                await asyncio.get_running_loop().run_in_executor(_threads, self._started.terminate)
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace_seconds):
                        await self._all_gone.wait()
        finally:
            if not self._all_gone.is_set():
                self._started.kill()
            await self._see_the_end()
        return self._end.result()

    async def _see_the_end(self) -> None:
        cancelled: asyncio.CancelledError | None = None
        while not self._end.done():
            try:
                await asyncio.shield(self._end)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled:
            raise cancelled

    async def _attend(self) -> int:
        loop = asyncio.get_running_loop()
        started = self._started
        loop.add_reader(started.process_end, self._mark, started.process_end, self._process_gone)
        loop.add_reader(started.namespace_end, self._mark, started.namespace_end, self._all_gone)
        pipe = os.fdopen(started.output, "rb", 0)
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader, loop=loop), pipe
        )
        if started.stdin is not None:
            os.set_blocking(started.stdin, False)
        while not self._process_gone.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._process_gone.wait()
            if not self.ran_out_of_disk and disk_is_full(self._root, self._limits):
                self.ran_out_of_disk = True
                started.kill()
        started.kill()  # what the command has left behind
        await self._all_gone.wait()
        self.close_stdin()
        return await loop.run_in_executor(_threads, started.clean_up)

    def _mark(self, descriptor: int, gone: asyncio.Event) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        gone.set()


async def confine(
    command: Sequence[str],
    box: Box,
    *,
    limits: Limits,
    stdin: bool = False,
    level: Level | None = None,
) -> Confined:
    """Starts the command at the level of this machine, or at another one. Raises SandboxError."""
    starting = asyncio.get_running_loop().run_in_executor(
        _threads, partial(_begin, command, box, limits, stdin=stdin, level=level)
    )
    try:
        started = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end_early(starting, box.root, limits)
        raise
    return Confined(started, box.root, limits)


def _begin(command: Sequence[str], box: Box, limits: Limits, *, stdin: bool, level: Level | None) -> Started:
    if disk_is_full(box.root, limits):
        raise SandboxError("The disk is nearly full, so no commands can be started.")
    level = detection.level() if level is None else level
    data_dir = settings.PENGUIN_DATA_DIR
    return start(command, box, level=level, limits=limits, data_dir=data_dir, stdin=stdin)


async def _end_early(starting: asyncio.Future[Started], root: Path, limits: Limits) -> None:
    """It starts whatever we want by now: so it is ended as soon as it has. By then it may have begun its work."""
    grace_seconds = GRACE_SECONDS
    with suppress(SandboxError):
        while not starting.done():
            try:
                await asyncio.shield(starting)
            except asyncio.CancelledError:
                grace_seconds = 0.0  # who cancels again does not want to wait
        await Confined(starting.result(), root, limits).stop(grace_seconds)
