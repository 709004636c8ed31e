"""A lean reader of the OpenAI-compatible chat-completions wire, which most model servers speak.

It exists because of its cost: it spends a small part of the processor time per token that the general library needs
(`benchmarks/model_reader.py`), and a worker reads hundreds of answers at once.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from conversations.llm import failures
from conversations.llm.chat_chunks import ChunkReader, ErrorInStream
from conversations.llm.event_stream import EventStream, PlainBody, UnreadableStream
from conversations.llm.http_session import certificates_for, proxy_for, session
from conversations.llm.wire import ChatMessage, ModelEvent, ModelFailure, ModelRequest

LONGEST_ERROR_BYTES = 64 * 1024
DRAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ChatServer:
    """Where and how to ask. `label` names the provider in messages, `key_names` the variable that holds its key."""

    base_url: str
    api_key: str = field(default="", repr=False)
    label: str = "The model provider"
    key_names: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    max_tokens_field: str = "max_tokens"
    reports_usage_unasked: bool = False


class ChatCompletionsClient:
    def __init__(self, server: ChatServer, model: str) -> None:
        self._server = server
        self._model = model
        self._url = f"{server.base_url.rstrip('/')}/chat/completions"
        self._proxy = proxy_for(self._url)
        self._ask_for_usage = not server.reports_usage_unasked

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `ModelClient.stream`."""
        reader = ChunkReader()
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._open(request)
            stream = PlainBody() if response.content_type == "application/json" else EventStream()
            piece = b"-"
            while piece and not stream.done:
                piece = await _next_piece(response, complete=reader.finish_reason is not None)
                for chunk in stream.feed(piece) if piece else stream.close():
                    for event in reader.read(chunk):
                        yield event
            if reader.finish_reason == "error" or (reader.finish_reason is None and not stream.done):
                raise failures.cut_off(self._server.label)
            for event in reader.end():
                yield event
            await _drain(response)
        except ErrorInStream as error:
            raise failures.from_error_object(error.error, **self._who()) from None
        except UnreadableStream as error:
            raise failures.unreadable(self._server.label) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._failure(error) from error
        finally:
            if response is not None:
                response.close()  # nothing to close when the body was read to its end

    async def _open(self, request: ModelRequest) -> aiohttp.ClientResponse:
        try:
            response = await self._post(request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # Most likely a kept connection that the server was just closing: ask again on another one.
            response = await self._post(request)
        if 200 <= response.status < 300 and response.content_type != "text/html":
            return response
        try:
            text = (await response.content.read(LONGEST_ERROR_BYTES)).decode("utf-8", "replace")
        finally:
            response.close()
        if response.status in (400, 422) and self._ask_for_usage and "stream_options" in text:
            self._ask_for_usage = False
            return await self._open(request)
        if response.status < 400:
            raise failures.not_this_wire(self._server.label, response.status)
        wait = failures.retry_after_seconds(response.headers, now=datetime.now(UTC))
        raise failures.from_status(response.status, text, retry_after=wait, **self._who())

    async def _post(self, request: ModelRequest) -> aiohttp.ClientResponse:
        return await session().post(
            self._url,
            data=self._body(request),
            headers=self._headers(),
            proxy=self._proxy,
            ssl=certificates_for(self._url),
            allow_redirects=False,
        )

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # A compressed stream would arrive in blocks instead of token by token.
            "Accept-Encoding": "identity",
            **self._server.headers,
        }
        if self._server.api_key:
            headers["Authorization"] = f"Bearer {self._server.api_key}"
        return headers

    def _body(self, request: ModelRequest) -> bytes:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [_as_json(message) for message in request.messages],
            "stream": True,
            **self._server.extra_body,
        }
        if self._ask_for_usage:
            body["stream_options"] = {"include_usage": True}
        if request.max_output_tokens is not None:
            body[self._server.max_tokens_field] = request.max_output_tokens
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in request.tools
            ]
        return orjson.dumps(body)

    def _who(self) -> dict[str, str]:
        return {
            "provider": self._server.label,
            "key_names": self._server.key_names,
            "secret": self._server.api_key,
        }

    def _failure(self, error: Exception) -> ModelFailure:
        label = self._server.label
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return failures.timed_out(label, "to connect")
        if isinstance(error, TimeoutError):
            return failures.timed_out(label, "to go on with the answer")
        if isinstance(error, aiohttp.ClientPayloadError):
            return failures.cut_off(label)
        hopeless = (
            aiohttp.InvalidURL,
            aiohttp.ClientConnectorCertificateError,
            aiohttp.ClientConnectorSSLError,
        )
        return failures.unreachable(label, error, retryable=not isinstance(error, hopeless))


async def _next_piece(response: aiohttp.ClientResponse, *, complete: bool) -> bytes:
    """The next bytes, empty at the end. A connection that breaks behind a complete answer has simply ended."""
    try:
        return await response.content.readany()
    except (aiohttp.ClientError, OSError):
        if complete:
            return b""
        raise


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Reads to the end of the body, so that the connection can be used again; briefly: some servers keep it open."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while await response.content.readany():
                pass
    except (aiohttp.ClientError, OSError):  # a timeout is an OSError too
        pass


def _as_json(message: ChatMessage) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
    if message.tool_calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    for image in message.images:
        url = f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": message.role, "content": parts}
