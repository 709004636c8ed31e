"""The connection to a server behind an address: streamable HTTP, with the entry's headers and no other credentials."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp.client.streamable_http import streamable_http_client

from conversations.llm.http_session import certificates, proxy_for
from conversations.mcp.allowance import MOST_MESSAGE_BYTES, Allowance
from conversations.mcp.config import McpServer

_CONNECT_SECONDS = 10.0


@asynccontextmanager
async def connect(server: McpServer, allowance: Allowance) -> AsyncGenerator[tuple, None]:
    """The streams of a session. What the server may send is bounded."""
    transport = _Bounded(
        httpx2.AsyncHTTPTransport(verify=certificates(), proxy=proxy_for(server.url)), allowance
    )
    timeout = httpx2.Timeout(_CONNECT_SECONDS, read=server.timeout_seconds + _CONNECT_SECONDS)
    headers = {**server.headers, "Accept-Encoding": "identity"}
    async with (
        # Not `trust_env`: that would send what ~/.netrc says.
        httpx2.AsyncClient(headers=headers, timeout=timeout, transport=transport, trust_env=False) as client,
        streamable_http_client(
            server.url, http_client=client, max_sse_event_size=MOST_MESSAGE_BYTES
        ) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport, allowance: Allowance) -> None:
        self._inner, self._allowance = inner, allowance

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # A few packed bytes can stand for gigabytes.
            await response.aclose()
            raise httpx2.RemoteProtocolError("The answer is packed, which was not asked for.")
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        # A stream of events may go on for ever; each of its events is bounded by the client.
        most = None if is_stream else MOST_MESSAGE_BYTES
        response.stream = _BoundedStream(response.stream, self._allowance, most)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, allowance: Allowance, most: int | None) -> None:
        self._inner, self._allowance, self._most = inner, allowance, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._inner:
            received += len(chunk)
            if self._most is not None and received > self._most:
                raise httpx2.StreamError(f"The answer has more than {self._most} bytes.")
            await self._allowance.take(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
