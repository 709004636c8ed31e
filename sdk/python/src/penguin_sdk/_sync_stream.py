"""Streams of `PenguinClient`: events as a blocking iterator."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
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
    from websockets.sync.client import ClientConnection


class EventStream:
    """Events of one run or execution, as they come. Iterate over it once; `with` closes it early.

    Leaving it stops nothing on the server: `cancel` does.
    """

    def __init__(self, run: Callable[[Any], Any], config: Config, stream: Stream) -> None:
        self._run = run
        self._config = config
        self._stream = stream
        self._socket: ClientConnection | None = None
        self._exits = ExitStack()  # of the socket
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

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events

    def __next__(self) -> StreamEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self._events.close()
        self._disconnect()

    def cancel(self) -> None:
        """Asks for the end; the stream goes on to its last event. May be called from another thread."""
        self._stream.is_cancelled = True
        if self._stream.has_begun:
            self._say(json.dumps(self._stream.cancel_frame()))

    def approve(self, approval: str | chat.Approval, **fields: Unpack[chat.ApproveFields]) -> chat.Approval:
        """Lets a tool call run: once, or for what `scope` says."""
        decided: chat.Approval = self._run(_conversations.approve(approval, **fields))
        return decided

    def deny(self, approval: str | chat.Approval, **fields: Unpack[chat.DenyFields]) -> chat.Approval:
        """Refuses a tool call."""
        decided: chat.Approval = self._run(_conversations.deny(approval, **fields))
        return decided

    def answer(self, question: str | chat.Question, answer: str) -> chat.Question:
        """Answers what the agent asked."""
        answered: chat.Question = self._run(_conversations.answer_question(question, answer))
        return answered

    def _last(self) -> StreamEvent:
        for _ in self._events:
            pass
        if self._stream.end is None:
            raise PenguinError("The stream was closed before its end.")
        return self._stream.end

    # The socket

    def _follow(self) -> Generator[StreamEvent, None, None]:
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
                    answer = self._do(step)
        finally:
            self._disconnect()

    def _do(self, step: Following) -> Any:
        match step:
            case Connect(path):
                self._disconnect()
                return self._connect(path)
            case Say(text):
                self._say(text)
            case Hear():
                return self._hear()
            case Pause(seconds):
                time.sleep(seconds)
        return None

    def _connect(self, path: str) -> NetworkError | APIRequestError | None:
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        try:
            opening = connect(self._config.socket_url(path), **socket_options(self._config))
            self._socket = self._exits.enter_context(opening)
        except InvalidStatus as error:
            return refused_handshake(error.response.status_code)
        except (OSError, EOFError, WebSocketException) as error:
            return NetworkError(str(error) or type(error).__name__)
        return None

    def _say(self, text: str) -> None:
        from websockets.exceptions import ConnectionClosed

        socket = self._socket  # may be another one in a moment
        try:
            if socket:
                socket.send(text)
        except ConnectionClosed:
            pass  # heard when it is read from

    def _hear(self) -> str | bytes | None:
        from websockets.exceptions import ConnectionClosed

        try:
            return self._socket.recv() if self._socket else None
        except ConnectionClosed:
            return None

    def _disconnect(self) -> None:
        self._socket = None
        self._exits.close()


class ChatEvents(EventStream):
    def result(self) -> Completed:
        """Reads on to the end and returns the last event."""
        last = self._last()
        assert isinstance(last, Completed)
        return last


class TaskEvents(EventStream):
    def result(self) -> TaskEnded:
        """Reads on to the end and returns the last event."""
        last = self._last()
        assert isinstance(last, TaskEnded)
        return last
