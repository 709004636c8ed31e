"""Streams of `AsyncPenguinClient`: events as an asynchronous iterator."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Self, Unpack

from penguin_sdk import _conversations
from penguin_sdk._config import Config
from penguin_sdk._following import Connect, Following, Hear, Say, follow
from penguin_sdk._socket import refused_handshake, socket_options
from penguin_sdk._steps import Pause
from penguin_sdk._stream import Stream
from penguin_sdk.errors import APIRequestError, NetworkError, PenguinError
from penguin_sdk.events import Completed, StreamEvent, TaskEnded
from penguin_sdk.types import chat

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


class AsyncEventStream:
    """Events of one run or execution, as they come. Iterate over it once; `async with` closes it early.

    Leaving it stops nothing on the server: `cancel` does.
    """

    def __init__(
        self, run: Callable[[Any], Coroutine[Any, Any, Any]], config: Config, stream: Stream
    ) -> None:
        self._run = run
        self._config = config
        self._stream = stream
        self._socket: ClientConnection | None = None
        self._events = self._follow()

    @property
    def text(self) -> str:
        """The answer so far, without parts that were dropped."""
        return self._stream.text

    @property
    def session_id(self) -> str | None:
        return self._stream.session_id

    @property
    def run_id(self) -> str | None:
        return self._stream.run_id

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events

    async def __anext__(self) -> StreamEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._events.aclose()
        await self._disconnect()

    async def cancel(self) -> None:
        """Asks for the end; the stream goes on to its last event. May be called from another task."""
        self._stream.is_cancelled = True
        if self._stream.has_begun:
            await self._say(json.dumps(self._stream.cancel_frame()))

    async def approve(
        self, approval: str | chat.Approval, **fields: Unpack[chat.ApproveFields]
    ) -> chat.Approval:
        """Lets a tool call run: once, or for what `scope` says."""
        decided: chat.Approval = await self._run(_conversations.approve(approval, **fields))
        return decided

    async def deny(self, approval: str | chat.Approval, **fields: Unpack[chat.DenyFields]) -> chat.Approval:
        """Refuses a tool call."""
        decided: chat.Approval = await self._run(_conversations.deny(approval, **fields))
        return decided

    async def answer(self, question: str | chat.Question, answer: str) -> chat.Question:
        """Answers what the agent asked."""
        answered: chat.Question = await self._run(_conversations.answer_question(question, answer))
        return answered

    async def _last(self) -> StreamEvent:
        async for _ in self._events:
            pass
        if self._stream.end is None:
            raise PenguinError("The stream was closed before its end.")
        return self._stream.end

    # The socket

    async def _follow(self) -> AsyncGenerator[StreamEvent, None]:
        steps, answer = follow(self._stream, self._config), None
        try:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration:
                    return
                answer = None
                if isinstance(step, StreamEvent):
                    yield step
                else:
                    answer = await self._do(step)
        finally:
            await self._disconnect()

    async def _do(self, step: Following) -> Any:
        match step:
            case Connect(path):
                await self._disconnect()
                return await self._connect(path)
            case Say(text):
                await self._say(text)
            case Hear():
                return await self._hear()
            case Pause(seconds):
                import asyncio

                await asyncio.sleep(seconds)
        return None

    async def _connect(self, path: str) -> NetworkError | APIRequestError | None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        try:
            self._socket = await connect(self._config.socket_url(path), **socket_options(self._config))
        except InvalidStatus as error:
            return refused_handshake(error.response.status_code)
        except (OSError, EOFError, WebSocketException) as error:
            return NetworkError(str(error) or type(error).__name__)
        return None

    async def _say(self, text: str) -> None:
        from websockets.exceptions import ConnectionClosed

        socket = self._socket  # may be another one in a moment
        try:
            if socket:
                await socket.send(text)
        except ConnectionClosed:
            pass  # heard when it is read from

    async def _hear(self) -> str | bytes | None:
        from websockets.exceptions import ConnectionClosed

        try:
            return await self._socket.recv() if self._socket else None
        except ConnectionClosed:
            return None

    async def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket:
            await socket.close()


class AsyncChatEvents(AsyncEventStream):
    async def result(self) -> Completed:
        """Reads on to the end and returns the last event."""
        last = await self._last()
        assert isinstance(last, Completed)
        return last


class AsyncTaskEvents(AsyncEventStream):
    async def result(self) -> TaskEnded:
        """Reads on to the end and returns the last event."""
        last = await self._last()
        assert isinstance(last, TaskEnded)
        return last
