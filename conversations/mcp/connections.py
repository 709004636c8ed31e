"""The connections of this process to MCP servers: one to each, made when its tools are first asked for.

A connection has a task of its own, which enters and leaves the session of the `mcp` package; runs ask through it from
their tasks. What ends the session (a crash, a broken message, a time that is up) ends that task alone: the server's
tools are missing then, `problem` says why, and a later run tries again, after a while that doubles each time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import mcp_types
from mcp import Client, MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

from conversations.mcp import http
from conversations.mcp.allowance import Allowance
from conversations.mcp.config import McpServer
from conversations.mcp.stdio import StdioServer

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

CONNECT_SECONDS = 60.0  # until the tools are listed; some programs are installed by their first start
# How long a run waits for that: once, and for a server that has failed or was waited for already.
FIRST_PATIENCE_SECONDS = 10.0
PATIENCE_SECONDS = 2.0
# Lists are asked for again when they are older.
LIST_SECONDS = 60.0
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 120.0
# A connection that lasted so long was a good one.
GOOD_SECONDS = 60.0
CLOSE_SECONDS = 6.0
MOST_TOOLS = 200
_MOST_PAGES = 50


class ServerFailed(Exception):
    """The server gave no answer; the message says why. `may_have_acted`: it was asked to act, and nobody knows."""

    def __init__(self, message: str, *, may_have_acted: bool = False) -> None:
        super().__init__(message)
        self.may_have_acted = may_have_acted


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server describes it."""

    name: str
    description: str
    schema: dict[str, Any]


class Connection:
    """What is known of one server, over all its sessions."""

    def __init__(self, server: McpServer, on_change: Callable[[], None]) -> None:
        self.server = server
        self.problem = ""
        self._on_change = on_change  # of `tools_known` or `problem`
        self._session: _Session | None = None
        self._failures = 0
        self._is_slow = False
        self._not_before = 0.0

    @property
    def tools_known(self) -> int | None:
        """How many tools it has; None while there is no connection."""
        session = self._session
        return len(session.tools) if session and session.is_ready else None

    async def tools(self) -> Sequence[RemoteTool]:
        """Its tools; none while it is not reached."""
        try:
            session = await self._connected()
            await session.refresh()
        except ServerFailed as failure:
            self.problem = self.problem or str(failure)
            return ()
        finally:
            self._on_change()
        return session.tools

    async def call(self, tool: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
        """Carries out a call. Raises ServerFailed. A cancelled call is cancelled at the server too."""
        session = await self._connected()
        return await session.call(tool, arguments)

    async def close(self) -> None:
        """Ends the session, and the program with it."""
        session, self._session = self._session, None
        if session is None:
            return
        session.stop()
        _, left = await asyncio.wait([session.task], timeout=CLOSE_SECONDS)
        if left:
            session.task.cancel()
            await asyncio.wait(left, timeout=1)

    async def _connected(self) -> "_Session":
        loop = asyncio.get_running_loop()
        if self._session is None:
            if loop.time() < self._not_before:
                raise ServerFailed(self.problem)
            self._session = _Session(self.server, self._ended)
        session = self._session
        if not session.ready.done():
            patience = PATIENCE_SECONDS if self._is_slow or self._failures else FIRST_PATIENCE_SECONDS
            await asyncio.wait(session.ends, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            self._is_slow = not any(end.done() for end in session.ends)
        if not session.is_ready:
            self.problem = self.problem or ("It does not answer yet." if self._is_slow else "It has ended.")
            raise ServerFailed(self.problem)
        self.problem = ""
        return session

    def _ended(self, session: "_Session", problem: str) -> None:
        """A session's task is over."""
        if session is not self._session:
            return
        loop = asyncio.get_running_loop()
        self._session = None
        lasted = loop.time() - session.began
        self._failures = 1 if session.is_ready and lasted > GOOD_SECONDS else self._failures + 1
        wait = min(RETRY_SECONDS * 2 ** min(self._failures - 1, 10), LONGEST_RETRY_SECONDS)
        self._not_before = loop.time() + wait
        self.problem = problem
        self._on_change()
        logger.warning("MCP server %s: %s Next try in %g s at the earliest.", self.server.name, problem, wait)


class _Session:
    """One session with a server, from its start to its end."""

    def __init__(self, server: McpServer, on_end: Callable[["_Session", str], None]) -> None:
        loop = asyncio.get_running_loop()
        self._server = server
        self._on_end = on_end
        self._allowance = Allowance()
        self._program = StdioServer(server, self._allowance) if server.command else None
        self._client: Client | None = None
        self._stopping = asyncio.Event()
        self._fault = ""  # why we ended it
        self._changed = False  # the server has said that its tools are others now
        self._listed_at = 0.0
        self._listing = asyncio.Lock()
        self.began = loop.time()
        self.tools: tuple[RemoteTool, ...] = ()
        self.ready: asyncio.Future[bool] = loop.create_future()  # False: it has failed
        self.task = asyncio.create_task(self._run(), name=f"mcp {server.name}")

    @property
    def ends(self) -> list[asyncio.Future[Any]]:
        """What ends the time in which it is being connected, well or not."""
        return [self.ready, *([self._program.ended] if self._program else [])]

    @property
    def is_ready(self) -> bool:
        return self.ready.done() and self.ready.result()

    def stop(self) -> None:
        self._stopping.set()

    async def _run(self) -> None:
        problem = ""
        try:
            await self._live()
        except asyncio.CancelledError:
            problem = self._fault or "It was stopped."
        except BaseExceptionGroup as group:
            problem = _reason(group)
        except Exception as error:
            problem = _reason(error)
        finally:
            if not self.ready.done():
                self.ready.set_result(False)
            if not self._stopping.is_set():
                self._on_end(self, self._explained(problem))

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.call_later(
            CONNECT_SECONDS, self._fail, f"It was not ready within {CONNECT_SECONDS:g} seconds."
        )
        try:
            async with Client(
                self._transport(), cache=None, message_handler=self._hear, client_info=_CLIENT
            ) as client:
                self._client = client
                await self._list()
                limit.cancel()
                self.ready.set_result(True)
                await self._until_it_ends()
        finally:
            limit.cancel()

    def _transport(self) -> AbstractAsyncContextManager[Any]:
        return self._program.connect() if self._program else http.connect(self._server, self._allowance)

    def _fail(self, fault: str) -> None:
        self._fault = fault
        self.task.cancel()

    async def _until_it_ends(self) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait(
                [stopping, *([self._program.ended] if self._program else [])],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            stopping.cancel()

    def _explained(self, problem: str) -> str:
        """Why it ended, with what a program has said of it."""
        program = self._program
        if program is None:
            return problem or "The connection has ended."
        reason = program.problem or problem
        if program.ended.done() and not program.problem and not self._fault:
            reason = f"It ended with exit code {program.exit_code}."
        words = program.last_words()
        return f"{reason} It said: {words}" if words else reason

    async def _hear(self, message: object) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self._changed = True

    # Requests. They come from the tasks of runs, while the session's own task only waits.

    async def refresh(self) -> None:
        """Lists the tools again, where the list may have changed. Raises ServerFailed; the session ends then."""
        async with self._listing:
            age = asyncio.get_running_loop().time() - self._listed_at
            if age < LIST_SECONDS and not self._changed:
                return
            try:
                async with asyncio.timeout(FIRST_PATIENCE_SECONDS):
                    await self._answered(self._list(), may_act=False)
            except TimeoutError:
                self._fail("It did not list its tools in time.")
                raise ServerFailed(self._fault) from None

    async def call(self, tool: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
        self._allowance.grant()
        assert self._client
        # Not `call_tool`: that would check the result by a schema of the server's, whose patterns may take for ever.
        request = mcp_types.CallToolRequest(
            params=mcp_types.CallToolRequestParams(name=tool, arguments=arguments)
        )
        answer = self._client.session.send_request(
            request, mcp_types.CallToolResult, request_read_timeout_seconds=self._server.timeout_seconds
        )
        return await self._answered(answer, may_act=True)

    async def _answered(self, answer: Awaitable[Result], *, may_act: bool) -> Result:
        """The answer, or ServerFailed when it says no, says nonsense, or the session ends before."""
        asking = asyncio.ensure_future(answer)
        try:
            await asyncio.wait([asking, self.task], return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                asking.cancel()
                raise ServerFailed("The connection has ended.", may_have_acted=may_act)
            return asking.result()
        except MCPError as error:
            if error.code == REQUEST_TIMEOUT:
                seconds = self._server.timeout_seconds
                raise ServerFailed(f"No answer within {seconds:g} seconds.", may_have_acted=may_act) from None
            if error.code == CONNECTION_CLOSED:
                raise ServerFailed("The connection has ended.", may_have_acted=may_act) from None
            if "session terminated" in error.message.lower():
                self._fail("It has forgotten the session.")  # an HTTP server that was started again
            raise ServerFailed(error.message[:2000] or f"Error {error.code}.") from None
        except ValueError as error:
            raise ServerFailed(
                f"Its answer is not understood: {_first_line(error)}", may_have_acted=may_act
            ) from None
        finally:
            if not asking.done():
                asking.cancel()

    async def _list(self) -> None:
        assert self._client
        self._changed = False
        found: dict[str, RemoteTool] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            self._allowance.grant()
            page = await self._client.list_tools(cursor=cursor)
            for tool in page.tools:
                found.setdefault(tool.name, RemoteTool(tool.name, tool.description or "", tool.input_schema))
            cursor = page.next_cursor
            if not cursor or len(found) >= MOST_TOOLS:
                break
        self.tools = tuple(found.values())[:MOST_TOOLS]
        self._listed_at = asyncio.get_running_loop().time()


_CLIENT = mcp_types.Implementation(name="penguin", version="1")


def _reason(error: BaseException) -> str:
    """A sentence for people, from the first error that is one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return f"It refused the connection: {error.message[:500]}"
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "It cannot be reached."
    if isinstance(error, httpx2.HTTPError):
        return f"The connection failed: {_first_line(error)}"
    if isinstance(error, OSError):
        return f"It cannot be started: {error.strerror or type(error).__name__}."
    return f"It is not understood: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
