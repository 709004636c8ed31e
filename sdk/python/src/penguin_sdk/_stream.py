"""What a stream knows, without a socket: what it has had, what it says after a lost connection, which frames are news.

The server replays from a cursor (the last entry of the log that arrived) and, of each part that is still being written,
from the number of code points that arrived. So nothing is lost and nothing comes twice, whenever a connection ends.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penguin_sdk.errors import APIRequestError, NetworkError, StreamLostError
from penguin_sdk.events import (
    Completed,
    PartDropped,
    Reasoning,
    RunFailed,
    StreamEvent,
    TaskEnded,
    TaskMessage,
    Token,
    ToolOutput,
    event_of,
)

CONTROL = frozenset({"synced", "pong"})
LOST = frozenset({"replay_gap", "cursor_reset"})
# Only parts that are still open matter to a resumption; they are the newest ones.
MOST_PARTS_TOLD = 200
_FAILURE = "failure"


class OutOfStep(Exception):
    """A piece does not follow what there is: connect again, and it will."""


class Stream:
    """One run, or one execution. `path` is the socket's, `hello` what to say on it."""

    path = ""

    def __init__(self) -> None:
        self.session_id: str | None = None
        self.run_id: str | None = None
        self.cursor: str | None = None
        self.end: StreamEvent | None = None
        self.is_said = False  # a hello went out: the server may have heard it
        self.is_cancelled = False
        self._parts: dict[str, str] = {}  # of text, in order
        self._lengths: dict[str, int] = {}  # of all that is written piece by piece
        self._dropped: set[str] = set()
        self._said: set[str] = set()

    @property
    def text(self) -> str:
        """The answer so far, without parts that were dropped."""
        return "".join(self._parts.values())

    @property
    def has_begun(self) -> bool:
        raise NotImplementedError

    def hello(self) -> list[dict[str, Any]]:
        """The frames to send on a new connection."""
        raise NotImplementedError

    def cancel_frame(self) -> dict[str, Any]:
        raise NotImplementedError

    def place(self) -> dict[str, Any]:
        """Where an `attach` goes on."""
        told = dict(list(self._lengths.items())[-MOST_PARTS_TOLD:])
        return ({"after": self.cursor} if self.cursor else {}) | ({"parts": told} if told else {})

    def take(self, raw: str | bytes) -> StreamEvent | None:
        """The event that a frame is, None where it is no news.

        APIRequestError for a wish that was refused, StreamLostError where the story cannot go on, OutOfStep.
        """
        name, data = _frame_of(raw)
        if name in CONTROL:
            return None
        if name in LOST:
            raise StreamLostError(
                "The server does not keep so much of the past.",
                session_id=self.session_id,
                run_id=self.run_id,
            )
        if name == "error" and data.get("run_id") is None:
            self._refused(data)
            return None
        if not self.concerns(name, data):
            return None
        event = self._news(event_of(name, data))
        if event is None:
            return None
        if cursor := data.get("cursor"):
            self.cursor = cursor
        if isinstance(event, Completed | TaskEnded):
            self.end = event
        return event

    def concerns(self, name: str, data: Mapping[str, Any]) -> bool:
        raise NotImplementedError

    def _news(self, event: StreamEvent) -> StreamEvent | None:
        """What of it is new."""
        match event:
            case ToolOutput():
                new, offset = self._rest(event.tool_call_id, event.output, event.offset)
                return replace(event, output=new, offset=offset) if new else None
            case Token() | Reasoning():
                new, offset = self._rest(event.part_id, event.text, event.offset)
                if new and isinstance(event, Token):
                    self._parts[event.part_id] = self._parts.get(event.part_id, "") + new
                return replace(event, text=new, offset=offset) if new else None
            case PartDropped(part_id=part_id):
                self._dropped.add(part_id)
                self._parts.pop(part_id, None)
                self._lengths.pop(part_id, None)
            case TaskMessage(message_id=name):
                return event if self._is_first(name) else None
            case RunFailed():
                return event if self._is_first(_FAILURE) else None
        return event

    def _is_first(self, name: str) -> bool:
        """Of what has no cursor and may come again."""
        is_first = name not in self._said
        self._said.add(name)
        return is_first

    def _rest(self, part_id: str, text: str, offset: int) -> tuple[str, int]:
        """What of a piece follows what there is of its part, and where."""
        had = self._lengths.get(part_id, 0)
        if part_id in self._dropped:
            return "", offset
        if offset > had:
            raise OutOfStep
        new = text[had - offset :]
        self._lengths[part_id] = had + len(new)
        return new, had

    def _refused(self, data: Mapping[str, Any]) -> None:
        """An answer to one of our frames. A cancel that comes too late is none to speak of."""
        status = int(data.get("status", 500))
        if self.has_begun and status == 409:
            return
        raise APIRequestError(str(data.get("message")), status=status, code=data.get("code"), body=dict(data))


class ChatStream(Stream):
    """One message and its answer."""

    path = "/chat/stream"

    def __init__(self, message: dict[str, Any]) -> None:
        super().__init__()
        self._message = message

    @property
    def has_begun(self) -> bool:
        return self.run_id is not None and self.cursor is not None

    def hello(self) -> list[dict[str, Any]]:
        # What nobody has confirmed is said again: by its `client_message_id` it is the same message.
        if not self.has_begun:
            return [self._message]
        attach = {"type": "attach", "session_id": self.session_id, **self.place()}
        return [attach, self.cancel_frame()] if self.is_cancelled else [attach]

    def cancel_frame(self) -> dict[str, Any]:
        return {"type": "cancel", "run_id": self.run_id}

    def concerns(self, name: str, data: Mapping[str, Any]) -> bool:
        """Who attaches hears the whole conversation: other runs, and what is of no run, are somebody else's."""
        if self.run_id is None and data.get("run_id"):
            self.run_id, self.session_id = data["run_id"], data.get("session_id")
        return self.run_id is not None and data.get("run_id") == self.run_id


class TaskStream(Stream):
    """One execution, from its beginning."""

    path = "/tasks/stream"

    def __init__(self, execution_id: str) -> None:
        super().__init__()
        self.execution_id = execution_id

    @property
    def has_begun(self) -> bool:
        return self.cursor is not None

    def hello(self) -> list[dict[str, Any]]:
        attach = {"type": "attach", "execution_id": self.execution_id, **self.place()}
        return [attach, self.cancel_frame()] if self.is_cancelled else [attach]

    def cancel_frame(self) -> dict[str, Any]:
        return {"type": "cancel", "execution_id": self.execution_id}

    def concerns(self, name: str, data: Mapping[str, Any]) -> bool:
        self.session_id = data.get("session_id") or self.session_id
        self.run_id = data.get("run_id") or self.run_id
        return data.get("execution_id") == self.execution_id


def _frame_of(raw: str | bytes) -> tuple[str, dict[str, Any]]:
    try:
        frame = json.loads(raw)
        name, data = frame["event"], frame["data"]
    except (ValueError, TypeError, KeyError):
        raise NetworkError("What came over the socket is no frame of Penguin.") from None
    return name, data if isinstance(data, dict) else {}
