"""A chat client that believes nothing: it checks the rules of the socket on every frame, and reconnects by them.

Of each run it keeps what a careful program would keep: the text of each part, which parts were dropped, and the last
cursor. After a lost connection it attaches with these, at the next of its addresses, and goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Self
from uuid import uuid4

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.stack import KEY

_RECONNECT_SECONDS = 0.1


class RuleBroken(AssertionError):
    """The server sent what it must not send."""


@dataclass(slots=True)
class Part:
    kind: str
    text: str = ""
    dropped: bool = False


@dataclass(slots=True)
class Answer:
    """What a client has of one run."""

    session_id: str
    client_message_id: str
    run_id: str = ""
    message_id: str = ""
    parts: dict[str, Part] = field(default_factory=dict)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    complete: dict[str, Any] | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)  # tool call -> its output so far
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # approvals and questions
    frames: int = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # there is text
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts.values() if part.kind == "token" and not part.dropped)

    @property
    def dropped(self) -> list[Part]:
        return [part for part in self.parts.values() if part.dropped]

    def take(self, event: str, data: dict[str, Any]) -> None:
        """A frame of this run; RuleBroken when it may not come here."""
        self.frames += 1
        if self.complete is not None:
            raise RuleBroken(f"{event} after complete: {data}")
        if (event == "start") == self.started.is_set():
            raise RuleBroken(f"{event}, started={self.started.is_set()}: {data}")
        match event:
            case "start":
                self.run_id, self.message_id = data["run_id"], data["message_id"]
                self.started.set()
            case "token" | "reasoning":
                self._take_text(event, data)
            case "status":
                self.statuses.append(data)
                if data["status"] == "interrupted":
                    self.parts.setdefault(data["part_id"], Part("token")).dropped = True
            case "error":
                self.errors.append(data)
            case "tool":
                self._take_tool(data)
            case "approval" | "question":
                self.asked.append((event, data))
            case "todos":
                pass
            case "complete":
                self._end(data)
            case _:
                raise RuleBroken(f"An event {event} of a run: {data}")

    def _take_text(self, kind: str, data: dict[str, Any]) -> None:
        part = self.parts.setdefault(data["part_id"], Part(kind))
        if data["offset"] != len(part.text) or part.dropped or part.kind != kind or not data["token"]:
            raise RuleBroken(f"{kind} at {data['offset']} where {len(part.text)} follows, {part}: {data}")
        part.text += data["token"]
        self.begun.set()

    def _take_tool(self, data: dict[str, Any]) -> None:
        call_id = data["tool_call_id"]
        if any(tool["phase"] == "end" and tool["tool_call_id"] == call_id for tool in self.tools):
            raise RuleBroken(f"More of a tool that has ended: {data}")
        if data["phase"] == "progress":
            output = self.outputs.get(call_id, "")
            if data["offset"] != len(output):
                raise RuleBroken(f"Output at {data['offset']} where {len(output)} follows: {data}")
            self.outputs[call_id] = output + data["output"]
        self.tools.append(data)

    def phases(self) -> list[tuple[str, str]]:
        """(tool, phase) of the starts and ends."""
        return [(tool["action"], tool["phase"]) for tool in self.tools if tool["phase"] != "progress"]

    def _end(self, data: dict[str, Any]) -> None:
        self.complete = data
        if self.tools:  # only the last model call's text is the response
            if not self.text.endswith(data["response"]) and not data["action_results"]:
                raise RuleBroken(f"The parts say {self.text!r}, complete says {data['response']!r}.")
        elif data["response"] != self.text:
            raise RuleBroken(f"The parts say {self.text!r}, complete says {data['response']!r}.")
        self.ended.set()


class ChatClient:
    """One socket at a time. `async with ChatClient(addresses) as client: await client.ask("...")`."""

    def __init__(self, addresses: Sequence[str], *, key: str = KEY) -> None:
        self._addresses = cycle(addresses)
        self._headers = {"X-API-Key": key}
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._by_session: dict[str, list[Answer]] = {}
        self._messages: dict[str, dict[str, Any]] = {}
        self._cursors: dict[str, str] = {}
        self.control: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()
        self.connections = 0
        self.close_codes: list[int] = []
        self.failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        await self._connect()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._reader:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        if self._socket:
            await self._socket.close()
        if self.failure and not exc_info[0]:
            raise self.failure

    # What a client does

    async def say(self, text: str, *, session_id: str = "", **fields: Any) -> Answer:
        """Sends a message and returns at once what will be its answer."""
        answer = Answer(session_id or f"chat-{uuid4().hex}", uuid4().hex)
        message = {
            "text": text,
            "session_id": answer.session_id,
            "client_message_id": answer.client_message_id,
        }
        self._by_session.setdefault(answer.session_id, []).append(answer)
        self._messages[answer.client_message_id] = {**message, **fields}
        await self.send(self._messages[answer.client_message_id])
        return answer

    async def follow(self, session_id: str) -> Answer:
        """Attaches to a conversation, before somebody else sends a message to it; returns the answer to that."""
        answer = Answer(session_id, "")
        self._by_session.setdefault(session_id, []).append(answer)
        await self.send({"type": "attach", "session_id": session_id})
        return answer

    async def ask(self, text: str, *, seconds: float = 30, **fields: Any) -> Answer:
        """Sends a message and waits for the end of its run."""
        answer = await self.say(text, **fields)
        await self.wait(answer, seconds=seconds)
        return answer

    async def wait(self, *answers: Answer, seconds: float = 40) -> None:
        """Until these runs have ended; raises what the client found wrong with the frames."""
        await self.until(*(answer.ended for answer in answers), seconds=seconds)

    async def until(self, *events: asyncio.Event, seconds: float = 40) -> None:
        await self._while_reading(asyncio.gather(*(event.wait() for event in events)), seconds=seconds)

    async def until_true(self, condition: Callable[[], object], *, seconds: float = 40) -> None:
        """Until a condition on what has arrived is true; it is looked at again with each frame."""

        async def wait() -> None:
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

        await self._while_reading(wait(), seconds=seconds)

    async def _while_reading(self, waiting: Awaitable[Any], *, seconds: float) -> None:
        assert self._reader
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait([task, self._reader], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self.failure:
                raise self.failure
            if not task.done():
                raise AssertionError(f"not within {seconds} s: {self.describe()}")
        finally:
            task.cancel()

    async def send(self, frame: dict[str, Any]) -> None:
        """A frame, unless the connection is just being lost: what matters is said again after it."""
        assert self._socket
        try:
            await self._socket.send(orjson.dumps(frame).decode())
        except ConnectionClosed:
            pass

    def describe(self) -> str:
        answers = [answer for group in self._by_session.values() for answer in group if not answer.complete]
        return "; ".join(
            f"{a.session_id} run {a.run_id or '-'}: {a.frames} frames, {len(a.text)} characters, {a.statuses}"
            for a in answers
        )

    # The socket

    async def _connect(self) -> None:
        while True:
            try:
                self._socket = await connect(
                    next(self._addresses),
                    additional_headers=self._headers,
                    compression=None,
                    max_size=None,
                    proxy=None,
                )
                break
            except (OSError, ConnectionClosed, InvalidMessage):  # lost, or cut in the handshake
                await asyncio.sleep(_RECONNECT_SECONDS)
        self.connections += 1

    async def _read(self) -> None:
        try:
            while True:
                assert self._socket
                try:
                    async for raw in self._socket:
                        frame = orjson.loads(raw)
                        self._take(frame["event"], frame["data"])
                        self._arrived.set()
                except ConnectionClosed:
                    pass
                self.close_codes.append(self._socket.close_code or 0)
                await self._connect()
                await self._resume()
        except Exception as error:
            self.failure = error

    async def _resume(self) -> None:
        """Attaches to what is open with what is there of it, and repeats what nobody has confirmed."""
        for session_id, answers in self._by_session.items():
            open_answers = [answer for answer in answers if not answer.complete]
            started = [answer for answer in open_answers if answer.started.is_set()]
            if started:
                offsets = {
                    part_id: len(part.text)
                    for answer in started
                    for part_id, part in answer.parts.items()
                    if not part.dropped
                }
                after = self._cursors[session_id]
                await self.send(
                    {"type": "attach", "session_id": session_id, "after": after, "parts": offsets}
                )
            for answer in open_answers:
                if not answer.started.is_set():
                    await self.send(self._messages[answer.client_message_id])

    def _take(self, event: str, data: dict[str, Any]) -> None:
        session_id, run_id = data.get("session_id"), data.get("run_id")
        if event in ("synced", "pong", "replay_gap", "cursor_reset"):
            self.control.append((event, data))
            return
        if not run_id:
            self.errors.append(data)
            return
        answer = self._answer_of(session_id or "", run_id, is_start=event == "start")
        if answer is None:
            raise RuleBroken(f"{event} of a run that this client has nothing to do with: {data}")
        if cursor := data.get("cursor"):
            self._move_cursor(session_id or "", cursor)
        answer.take(event, data)

    def _answer_of(self, session_id: str, run_id: str, *, is_start: bool) -> Answer | None:
        """Runs of a conversation start in the order of its messages."""
        for answer in self._by_session.get(session_id, ()):
            if answer.run_id == run_id or (is_start and not answer.started.is_set()):
                return answer
        return None

    def _move_cursor(self, session_id: str, cursor: str) -> None:
        seq, before = int(cursor.partition(":")[2]), self._cursors.get(session_id, ":0")
        if seq < int(before.partition(":")[2]):
            raise RuleBroken(f"The cursor goes back: {cursor} after {before}.")
        self._cursors[session_id] = cursor
