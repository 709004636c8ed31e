"""A run in the hands of this worker: what was claimed, and what has come of it so far."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conversations.core import usage
from conversations.core.ids import uuid7
from conversations.core.log_events import PartKind
from conversations.runner.live_call import LiveCall

# Tool messages stand behind what steered the run and before its answer; see models.Message.
FIRST_TOOL_STEP = 10_000


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: str
    run_id: str | None
    turn: int
    step: int
    role: str
    content: str
    parts: list[dict[str, Any]]
    metadata: dict[str, Any]


@dataclass(slots=True, eq=False)
class Part:
    """A stretch of text or reasoning of one model call. Its text grows until it is completed."""

    kind: PartKind
    call: int  # the model call of the run that wrote it, from 1
    id: str = field(default_factory=lambda: str(uuid7()))
    chunks: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    committed: int = 0  # code points that are stored as fragments

    @property
    def text(self) -> str:
        return "".join(self.chunks)

    def take_unsent(self) -> tuple[int, str]:
        """(offset, text) of what has come since the last flush."""
        text = "".join(self.unsent)
        self.unsent.clear()
        offset, self.committed = self.committed, self.committed + len(text)
        return offset, text

    def stored(self, status: str = "complete") -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.kind.value,
            "text": self.text,
            "status": status,
            "call": self.call,
        }


@dataclass(slots=True, eq=False)
class LiveRun:
    id: str
    conversation_id: int
    owner_id: int
    session_id: str
    turn: int
    attempt: int
    options: dict[str, Any]
    input_message_id: str
    answer_id: str
    step: int
    steered: int
    active_seconds: float
    usage: dict[str, Any]
    base_seq: int  # the newest event of this run that this worker knows of
    base_time: datetime  # of the event that tells of the claim
    retried_ids: list[str] = field(default_factory=list)  # runs whose answers this one replaces
    directory: str | None = None
    directory_identity: tuple[int, int] | None = None  # (device, inode) when it was bound
    parts: list[dict[str, Any]] = field(default_factory=list)  # closed ones, as stored in the answer
    open_part: Part | None = None
    content: str = ""  # text of the last model call
    steers_seen: dict[str, int] = field(
        default_factory=dict
    )  # steering message -> first model call that had it
    claimed_at: float = field(default_factory=time.monotonic)
    pause_reason: str = ""  # why it is to pause before its next step, as far as this worker has heard
    fenced: bool = False  # another worker has it: nothing of this one is stored any more
    sponsored: bool = False  # its conversation allows ads beside answers
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)  # the model has said something
    has_new_steers: bool = False  # messages came in that this worker has not read yet
    calls: list[LiveCall] = field(default_factory=list)  # all tool calls of the run, in order
    loops_cleared: int = 0  # a person let the agent go on after this model call, though it went in circles
    next_tool_step: int = FIRST_TOOL_STEP  # of its next tool message
    results: list[StoredMessage] = field(default_factory=list)  # tool messages of this attempt

    def __post_init__(self) -> None:
        self.usage = self.usage or usage.empty()

    def tool_message(self, message_id: str, content: str, metadata: dict[str, Any]) -> None:
        """Remembers a tool message that is being stored: the next model call reads it."""
        place = (self.id, self.turn, self.next_tool_step)
        self.results.append(StoredMessage(message_id, *place, "tool", content, [], metadata))
        self.next_tool_step += 1

    @property
    def key(self) -> tuple[str, int]:
        """What no other claim of the run has."""
        return self.id, self.attempt

    @property
    def seconds_running(self) -> float:
        """In this attempt."""
        return time.monotonic() - self.claimed_at

    @property
    def call_text(self) -> str:
        """The text of the current model call so far."""
        closed = "".join(
            part["text"]
            for part in self.parts
            if part["type"] == "text" and part["call"] == self.step and part["status"] == "complete"
        )
        open_text = self.open_part.text if self.open_part and self.open_part.kind == PartKind.TEXT else ""
        return closed + open_text
