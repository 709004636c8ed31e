"""The connection to a server that is a program: JSON-RPC, a line a message, over its standard input and output.

The `mcp` package has such a transport too. Ours bounds what it keeps of a line, ignores lines that are no messages,
gives the program the entry's environment and nothing else, and leaves no process behind however the worker ends.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from conversations.mcp.allowance import MOST_MESSAGE_BYTES, Allowance
from conversations.mcp.config import McpServer

_GUARDIAN = Path(__file__).with_name("guardian.py")
# Without these programs are not found, or do not start.
_KEPT = ("PATH", "HOME")
# For a server to end by itself once its input has ended.
_GRACE_SECONDS = 1.0
_MOST_ERROR_BYTES = 4096
_SHORTEST_SECRET = 6

_Streams = tuple[
    anyio.streams.memory.MemoryObjectReceiveStream[SessionMessage | Exception],
    anyio.streams.memory.MemoryObjectSendStream[SessionMessage],
]


class StdioServer:
    """One start of the program, and how it ended."""

    def __init__(self, server: McpServer, allowance: Allowance) -> None:
        self._server = server
        self._allowance = allowance
        self._errors = bytearray()  # the end of what it wrote to standard error
        # Done when it has closed its output, by its end mostly, or is not understood any more.
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.problem = ""
        self.exit_code: int | None = None

    def last_words(self) -> str:
        """The last line that it wrote to standard error, without the values that only it was to know."""
        lines = self._errors.decode(errors="replace").strip().splitlines()
        words = lines[-1].strip() if lines else ""
        for name, value in self._server.env.items():
            if len(value) >= _SHORTEST_SECRET:
                words = words.replace(value, f"<{name}>")
        return words[:300]

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[_Streams, None]:
        """Starts the program; at the end of the context it and all that it has started are gone."""
        lifeline, held = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_GUARDIAN), str(lifeline), *self._server.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._server.cwd,
                env={name: os.environ[name] for name in _KEPT if name in os.environ} | dict(self._server.env),
                pass_fds=(lifeline,),
                start_new_session=True,
                limit=MOST_MESSAGE_BYTES,
            )  # fmt: skip
        except BaseException:
            os.close(held)
            raise
        finally:
            os.close(lifeline)
        try:
            async with self._pumped(process) as streams:
                yield streams
        finally:
            ending = asyncio.ensure_future(self._end(process, held))
            _endings.add(ending)
            ending.add_done_callback(_endings.discard)
            await asyncio.shield(ending)

    @asynccontextmanager
    async def _pumped(self, process: asyncio.subprocess.Process) -> AsyncGenerator[_Streams, None]:
        to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        with to_session, from_server, to_server, from_session:
            async with anyio.create_task_group() as pumps:
                pumps.start_soon(self._read, process, to_session)
                pumps.start_soon(self._write, process, from_session)
                pumps.start_soon(self._listen_to_errors, process)
                try:
                    yield from_server, to_server
                finally:
                    pumps.cancel_scope.cancel()

    async def _read(
        self,
        process: asyncio.subprocess.Process,
        to_session: anyio.streams.memory.MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        assert process.stdout
        try:
            with to_session:
                while line := await process.stdout.readline():
                    await self._allowance.take(len(line))
                    try:
                        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                    except ValueError:
                        continue  # programs print this and that
                    await to_session.send(SessionMessage(message))
        except ValueError:
            self.problem = f"It sent a message of more than {MOST_MESSAGE_BYTES} bytes."
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass
        self._see_end()

    async def _write(
        self,
        process: asyncio.subprocess.Process,
        from_session: anyio.streams.memory.MemoryObjectReceiveStream[SessionMessage],
    ) -> None:
        assert process.stdin
        try:
            async for message in from_session:
                process.stdin.write(
                    message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
                )
                await process.stdin.drain()
        except (OSError, anyio.ClosedResourceError):
            self._see_end()

    def _see_end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    async def _listen_to_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr
        while words := await process.stderr.read(_MOST_ERROR_BYTES):
            self._errors += words
            del self._errors[:-_MOST_ERROR_BYTES]
            await asyncio.sleep(0.005)

    async def _end(self, process: asyncio.subprocess.Process, held: int) -> None:
        """Closing its input asks the server to end; closing the lifeline has the guardian see to it."""
        assert process.stdin
        process.stdin.close()
        await _wait_for_end(process, _GRACE_SECONDS)
        os.close(held)
        await _wait_for_end(process, 2 * _GRACE_SECONDS + 3)
        self.exit_code = process.returncode
        # Kills it, if need be, and drops what it has written and nobody reads any more; nothing public does that.
        process._transport.close()  # type: ignore[attr-defined]


async def _wait_for_end(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Not `process.wait()`: that waits for the end of its output too, which nobody may be reading."""
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


# Kept here until they are done, also when nobody waits for them any more.
_endings: set[asyncio.Future[None]] = set()
