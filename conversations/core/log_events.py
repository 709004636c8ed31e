"""What the log of a conversation tells, and the pieces that travel between its events.

An `Event` is a row of the log. A `Piece` is text that is being written: it is stored as fragments and never stands in
the log; the event that completes its part carries the whole text again. Readers (`position.py`) merge both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_UPDATED = "conversation.updated"
    CONTEXT_LOADED = "context.loaded"
    RUN_QUEUED = "run.queued"  # {message_id, answer_id, position, created?, title?, hold?}
    RUN_STARTED = "run.started"  # {attempt}
    # {reason: drained | worker_lost | decided | resumed | moderation_passed | moderation_review}
    RUN_REQUEUED = "run.requeued"
    RUN_WAITING = "run.waiting"  # {status: waiting_approval | waiting_input}
    RUN_PAUSED = "run.paused"  # {reason: asked | budget_tokens | budget_cost}
    RUN_RETRYING = "run.retrying"  # {code, message, provider_attempt, delay_seconds}
    RUN_COMPACTING = "run.compacting"
    RUN_CANCELLING = "run.cancelling"
    RUN_ENDED = "run.ended"  # {status, answer_id, usage, error?, aborted, include_reasoning, session_status?}
    PART_COMPLETED = "part.completed"  # {part_id, kind, text, length}
    PART_INTERRUPTED = "part.interrupted"  # {part_id, kind, length}
    MESSAGE_STEERED = "message.steered"  # {message_id}
    MESSAGE_MODERATED = "message.moderated"  # {message_id, role, hidden?, warning?}
    TOOL_PROPOSED = "tool.proposed"  # {tool_call_id, tool, arguments, call, answer_id, status}
    TOOL_STARTED = "tool.started"  # {tool_call_id, tool, arguments}
    # {tool_call_id, tool, arguments, status, result, truncated, artifact_id, message_id, started_at, finished_at}
    TOOL_ENDED = "tool.ended"
    APPROVAL_ASKED = "approval.asked"  # {approval: as over REST}, and so the others
    APPROVAL_DECIDED = "approval.decided"
    APPROVAL_EXPIRED = "approval.expired"
    QUESTION_ASKED = "question.asked"  # {question: as over REST}, and so the others
    QUESTION_ANSWERED = "question.answered"
    QUESTION_EXPIRED = "question.expired"
    TODOS_UPDATED = "todos.updated"  # {todos}
    # Of work beyond runs that goes on in the conversation: {execution: as over REST}, {task: ...}
    EXECUTION_STARTED = "execution.started"
    EXECUTION_UPDATED = "execution.updated"
    EXECUTION_ENDED = "execution.ended"
    TASK_UPDATED = "task.updated"


class PartKind(StrEnum):
    TEXT = "text"
    REASONING = "reasoning"
    OUTPUT = "output"  # of a tool that is at work; the part's id is the call's


@dataclass(slots=True, eq=False)
class Event:
    """A row of the log. `payload` is None when only the hint of it arrived and the row has to be read."""

    seq: int
    type: str
    run_id: str | None
    payload: Mapping[str, Any] | None
    time: int | None = None  # milliseconds since 1970, as its row has it
    # The same event is sent to many readers: each projection of it is encoded once and kept here.
    encoded: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Piece:
    """Text from `offset` (code points before it in its part) of a part that is still open.

    `base` is an event that happened before the text did: who has not had that event yet must not get the text.
    """

    run_id: str
    part_id: str
    kind: str
    offset: int
    text: str
    base: int = 0
    encoded: dict[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.offset + len(self.text)

    def after(self, offset: int) -> "Piece":
        """What of this piece lies at or behind `offset`."""
        if offset <= self.offset:
            return self
        return Piece(
            self.run_id, self.part_id, self.kind, offset, self.text[offset - self.offset :], self.base
        )
