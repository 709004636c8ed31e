"""Django's sync requests under ASGI in one fixed thread pool; waits and event streams that hold no thread.

Django's own ASGI handler makes a thread for each request and keeps it, with its database connection, until the answer
is sent. Here a request gets a thread of the pool for as long as its view runs. A view that has to wait returns a
response with an attribute `waiting`:

    async def wait(self) -> None               runs on the event loop; cancelled when the client disconnects
    def finish(self) -> tuple[int, object]     then makes status and JSON body, in the thread pool

A view that opens an event stream returns a response with an attribute `stream`; its body is not sent, its headers are:

    async def open(self, write, ended) -> None      `await write(bytes)` waits for a slow reader; who sets the future
                                                    `ended` ends the stream, with its result as the last words
    def close(self) -> None                         called once, however it ends

So a stream is let in like any other request, by the same middleware, authentication and error handling, and from then
on lives on the event loop alone, without a thread or a connection to the database.

Whoever sees only the response (WSGI, Django's test client, a client at the moment this process stops) gets it as it is.
"""

import asyncio
import logging
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import IO, Any, Protocol

import orjson
from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from penguin_site.web.error_responses import SERVER_ERROR, error_response

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_THREADS = 8
_BODY_IN_MEMORY_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


_waits: set[asyncio.Future[None]] = set()
_streams: set[asyncio.Future[bytes]] = set()


def end_waits() -> None:
    """The process stops: whoever waits gets the first response at once, and streams end."""
    for wait in list(_waits):
        wait.cancel()
    for stream in list(_streams):
        _end(stream, b": the server restarts\n\n")


def _end(stream: asyncio.Future[bytes], last_words: bytes) -> None:
    if not stream.done():
        stream.set_result(last_words)


class Waiting(Protocol):
    async def wait(self) -> None: ...

    def finish(self) -> tuple[int, Any]: ...


class Stream(Protocol):
    async def open(
        self, write: Callable[[bytes], Awaitable[None]], ended: "asyncio.Future[bytes]"
    ) -> None: ...
    def close(self) -> None: ...


class OpenStream:
    """An event stream, for the watcher that ends those whose way in is gone."""

    __slots__ = ("_ended", "principal")

    def __init__(self, principal: Any, ended: "asyncio.Future[bytes]") -> None:
        self.principal = principal
        self._ended = ended

    async def revoke(self) -> None:
        _end(self._ended, b": signed out\n\n")


class Watcher(Protocol):
    def add(self, connection: OpenStream) -> None: ...
    def discard(self, connection: OpenStream) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent first: a body, or chunks of one that are read as the client takes them."""

    status: int
    headers: Headers
    body: bytes = b""
    chunks: Iterator[bytes] | None = None
    waiting: Waiting | None = None
    stream: Stream | None = None
    principal: Any = None
    close: Callable[[], None] = lambda: None

    def headers_without_length(self) -> Headers:
        return [(name, value) for name, value in self.headers if name.lower() != b"content-length"]

    def header(self, name: bytes) -> str:
        return next((value.decode("latin1") for key, value in self.headers if key.lower() == name), "")


class Outcome(Enum):
    """How a wait ended."""

    OVER = auto()
    FAILED = auto()
    STOPPED = auto()  # this process is being stopped
    CLIENT_LEFT = auto()


class HttpHandler(BaseHandler):
    """The ASGI application for HTTP. One for a process: it owns the thread pool. `watcher` looks after its streams."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        super().__init__()
        self._watcher = watcher
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="request")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, self._first_answer, scope, body)
        if answer.chunks is not None:
            await self._send_chunks(answer, answer.chunks, send)
            return
        if answer.stream:
            await self._stream(answer, answer.stream, receive, send)
            return
        if answer.waiting:
            outcome = await self._wait(answer.waiting, receive)
            if outcome is Outcome.CLIENT_LEFT:
                return
            if outcome is not Outcome.STOPPED:
                answer = await loop.run_in_executor(self._threads, self._last_answer, answer, outcome)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _first_answer(self, scope: dict[str, Any], body: IO[bytes]) -> Answer:
        try:
            set_script_prefix(get_script_prefix(scope))
            signals.request_started.send(sender=type(self), scope=scope)
            request = ASGIRequest(scope, body)
            response = self.get_response(request)
            response._handler_class = type(self)  # the sender of request_finished
            if response.streaming and not _is_small(response):
                return Answer(
                    response.status_code, _headers(response), chunks=iter(response), close=response.close
                )
            content = b"".join(response) if response.streaming else response.content
            waiting = getattr(response, "waiting", None)
            answer = Answer(
                response.status_code,
                _headers(response),
                content,
                waiting=waiting,
                stream=getattr(response, "stream", None),
                principal=getattr(request, "principal", None),
            )
            response.close()  # gives the database connection back, before any waiting
            return answer
        except Exception:
            body.close()
            close_old_connections()
            return _server_error(uuid.uuid4().hex, scope["path"])

    def _last_answer(self, first: Answer, outcome: Outcome) -> Answer:
        """The answer of a wait that is over, with the first response's headers."""
        assert first.waiting is not None
        try:
            if outcome is Outcome.FAILED:
                raise RuntimeError("The wait of this request ended with an error, see above.")
            status, content = first.waiting.finish()
            body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
        except Exception:
            return _server_error(first.header(b"x-request-id"), "")
        finally:
            close_old_connections()
        headers = first.headers_without_length()
        return Answer(status, [*headers, (b"Content-Length", str(len(body)).encode())], body)

    async def _wait(self, waiting: Waiting, receive: Receive) -> Outcome:
        wait = asyncio.ensure_future(waiting.wait())
        gone = asyncio.ensure_future(receive())  # after the body nothing comes but the disconnect
        _waits.add(wait)
        try:
            await asyncio.wait((wait, gone), return_when=asyncio.FIRST_COMPLETED)
            if not wait.done():
                return Outcome.CLIENT_LEFT
            if wait.cancelled():
                return Outcome.STOPPED
            if error := wait.exception():
                logger.error("A waiting request failed.", exc_info=error)
                return Outcome.FAILED
            return Outcome.OVER
        finally:
            _waits.discard(wait)
            wait.cancel()
            gone.cancel()

    async def _stream(self, answer: Answer, stream: Stream, receive: Receive, send: Send) -> None:
        ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        connection = OpenStream(answer.principal, ended)

        async def write(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        headers = answer.headers_without_length()
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        gone = asyncio.ensure_future(receive())  # after the body nothing comes but the disconnect
        _streams.add(ended)
        if self._watcher and answer.principal:
            self._watcher.add(connection)
        try:
            await stream.open(write, ended)
            await asyncio.wait((ended, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stream.close()
            _streams.discard(ended)
            if self._watcher:
                self._watcher.discard(connection)
            gone.cancel()
        if ended.done():
            # Behind whatever is still being written, so not as the last body, which would not wait for the reader.
            await write(ended.result())
            await send({"type": "http.response.body"})

    async def _send_chunks(self, answer: Answer, chunks: Iterator[bytes], send: Send) -> None:
        # A thread of its own, always the same: an iterator over a query lives with its thread's connection, and
        # however slowly the client reads, it holds no thread that others need.
        loop = asyncio.get_running_loop()
        with _one_thread() as thread:
            try:
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
                )
                while (chunk := await loop.run_in_executor(thread, _next_chunk, chunks)) is not None:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body"})
            finally:
                thread.submit(answer.close)


async def _read_body(receive: Receive) -> IO[bytes] | None:
    """The whole body, which the server has limited; None when the client left before its end."""
    body = tempfile.SpooledTemporaryFile(max_size=_BODY_IN_MEMORY_BYTES)  # noqa: SIM115 - closed with the request
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            body.close()
            return None
        body.write(message.get("body", b""))
        if not message.get("more_body", False):
            body.seek(0)
            return body


@contextmanager
def _one_thread() -> Iterator[ThreadPoolExecutor]:
    thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
    try:
        yield thread
    finally:
        thread.shutdown(wait=False)  # after what was submitted


def _is_small(response: HttpResponseBase) -> bool:
    """A static file, mostly: not worth a stream."""
    length = response.headers.get("Content-Length", "")
    return length.isdigit() and int(length) <= _BODY_IN_MEMORY_BYTES


def _next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    """The next piece of a streamed response, small ones joined: each costs a way through the event loop."""
    pieces, size = [], 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= _CHUNK_BYTES:
            break
    return b"".join(pieces) if pieces else None


def _headers(response: HttpResponseBase) -> Headers:
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
    cookies = [
        (b"Set-Cookie", c.output(header="").strip().encode("ascii")) for c in response.cookies.values()
    ]
    return headers + cookies


def _server_error(request_id: str, path: str) -> Answer:
    """For the handler of an exception: logs it under the id that the client is told."""
    logger.exception("Request %s failed.", request_id)
    headers, body = error_response(500, SERVER_ERROR, path=path, request_id=request_id)
    return Answer(500, headers, body)
