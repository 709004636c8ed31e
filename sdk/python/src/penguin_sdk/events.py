"""What streams yield. `data` has the whole frame, as the server sent it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from penguin_sdk.errors import NetworkError
from penguin_sdk.types.ads import Ad
from penguin_sdk.types.chat import Approval, Question, RunError, RunUsage

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """What all of them have. An event that this version does not know comes as this class itself."""

    event: str
    data: Data = field(repr=False)
    session_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(StreamEvent):
    """The run was accepted; `message_id` is the answer's."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(StreamEvent):
    """A piece of the answer. `offset` counts the code points before it in its part."""

    text: str
    part_id: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning(StreamEvent):
    """A piece of what the model thinks."""

    text: str
    part_id: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDropped(StreamEvent):
    """What came of this part does not count: its model call is made again in a new part."""

    part_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted(StreamEvent):
    tool_call_id: str
    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput(StreamEvent):
    """A piece of what a command prints."""

    tool_call_id: str
    output: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded(StreamEvent):
    tool_call_id: str
    action: str
    arguments: Mapping[str, Any]
    status: str
    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEvent(StreamEvent):
    """A tool call waits for a person (`asked`), or does not wait any more."""

    phase: Literal["asked", "decided", "expired"]
    approval: Approval


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionEvent(StreamEvent):
    """The agent asks a person, or does not ask any more."""

    phase: Literal["asked", "answered", "expired"]
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Todos(StreamEvent):
    """The agent's list, whenever it changes."""

    todos: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(StreamEvent):
    """`queued`, `retrying`, `compacting`, `steered`, `waiting_approval`, `waiting_input`, `paused`, `cancelling`."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(StreamEvent):
    """The run has failed; its `Completed` follows."""

    code: str
    message: str
    status: int
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(StreamEvent):
    """The last event of a chat stream. `response` is the text of the last model call."""

    message_id: str
    response: str
    status: Literal["completed", "failed", "cancelled", "timed_out"]
    aborted: bool
    usage: RunUsage
    action_results: list[dict[str, Any]]
    reasoning: str | None = None
    sponsored: list[Ad] | None = None
    error: RunError | None = None


# Of tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(StreamEvent):
    execution_id: str
    task_id: str
    name: str
    execution: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage(StreamEvent):
    """The answer of a run, as it stands in the conversation."""

    message_id: str
    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClarificationNeeded(StreamEvent):
    """The agent asks: answer with `stream.answer(event.question["id"], ...)`."""

    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress(StreamEvent):
    """`kind`: execution, task, run, status, todos or clarification; the rest stands in `data`."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(StreamEvent):
    """The last event of a task's stream."""

    execution_id: str
    task_id: str
    name: str
    status: Literal["completed", "failed", "cancelled", "timed_out"]
    stop_reason: str
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    execution: Mapping[str, Any]


_PIECE = {"token": "text"}
_TOOLS: dict[str, type[StreamEvent]] = {"start": ToolStarted, "progress": ToolOutput, "end": ToolEnded}
_BY_EVENT: dict[str, type[StreamEvent]] = {
    "start": Started,
    "token": Token,
    "reasoning": Reasoning,
    "approval": ApprovalEvent,
    "question": QuestionEvent,
    "todos": Todos,
    "status": Status,
    "error": RunFailed,
    "complete": Completed,
    "task_started": TaskStarted,
    "message": TaskMessage,
    "clarification_needed": ClarificationNeeded,
    "task_progress": TaskProgress,
    "task_completed": TaskEnded,
    "task_failed": TaskEnded,
    "task_cancelled": TaskEnded,
    "time_limit_reached": TaskEnded,
}


def event_of(name: str, data: Data) -> StreamEvent:
    """The event of a frame. Fields that this version does not know are in `data` alone."""
    kind = _TOOLS.get(str(data.get("phase"))) if name == "tool" else _BY_EVENT.get(name)
    if data.get("status") == "interrupted" and "part_id" in data:
        kind = PartDropped
    kind = kind or StreamEvent
    named = {_PIECE.get(key, key): value for key, value in data.items()}
    known = {each.name for each in fields(kind)} - {"event", "data"}
    try:
        return kind(event=name, data=data, **{key: value for key, value in named.items() if key in known})
    except TypeError:
        raise NetworkError(f"A frame {name!r} lacks what it must have.") from None
