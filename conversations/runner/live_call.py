"""A tool call in the hands of this worker, and what is stored of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from conversations.core.ids import uuid7
from conversations.core.tool_calls import OPEN, OUTCOMES, CallStatus, Effect, may_move
from conversations.core.tool_results import MOST_IN_LOG, action_result, iso_z, shown_arguments


@dataclass(slots=True, eq=False)
class LiveCall:
    step: int  # the model call that made it
    place: int
    provider_call_id: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    raw_arguments: str | None = None  # what the model wrote, where that is no JSON object
    id: str = field(default_factory=lambda: str(uuid7()))
    round: int = 0
    origin_id: str | None = None  # of a later round: the call that the model made
    edited_arguments: dict[str, Any] | None = None
    effect: Effect = Effect.AT_MOST_ONCE
    status: CallStatus = CallStatus.PROPOSED
    attempt: int | None = None
    effects: list[dict[str, str]] = field(default_factory=list)
    result: str = ""  # as the model gets it
    truncated: bool = False
    artifact_id: str | None = None
    message_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    approved_digest: str | None = None  # of the approval it has
    approval_id: str | None = None
    answered: bool = False  # ask_user: a person has answered, or the time was up

    @property
    def current_arguments(self) -> dict[str, Any]:
        """What would be carried out: a person may have edited it."""
        return self.arguments if self.edited_arguments is None else self.edited_arguments

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def part_id(self) -> str:
        """Its place in the answer: that of the call the model made."""
        return self.origin_id or self.id

    def gist(self) -> str:
        """The call in a few words."""
        text = orjson.dumps(self.current_arguments).decode()
        return text if len(text) <= 200 else f"{text[:200]}…"

    def move(self, target: CallStatus) -> None:
        assert may_move(self.status, target), f"{self.status} -> {target}"
        self.status = target

    def part(self) -> dict[str, Any]:
        """As it stands in the answer's parts. What became of it stands in the tool message."""
        return {
            "id": self.id,
            "type": "tool",
            "call": self.step,
            "tool": self.name,
            "arguments": self.arguments if self.raw_arguments is None else self.raw_arguments,
            "provider_call_id": self.provider_call_id,
            "status": "complete",
        }

    def described(self) -> dict[str, Any]:
        """What events say of it before it has ended."""
        arguments = shown_arguments(self.current_arguments)
        return {"tool_call_id": self.id, "tool": self.name, "arguments": arguments}

    def action_result(self) -> dict[str, Any]:
        return action_result(
            call_id=self.id,
            name=self.name,
            arguments=self.current_arguments,
            outcome=OUTCOMES[self.status],
            result=self.result,
            started_at=iso_z(self.started_at) if self.started_at else None,
            finished_at=iso_z(self.finished_at) if self.finished_at else None,
            truncated=self.truncated,
            artifact_id=self.artifact_id,
        )

    def signature(self) -> str:
        """Equal for calls that asked for the same and got the same."""
        return orjson.dumps(
            [self.name, self.current_arguments, self.status.value, self.result], option=orjson.OPT_SORT_KEYS
        ).decode()

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "step": self.step,
            "place": self.place,
            "round": self.round,
            "provider_call_id": self.provider_call_id,
            "name": self.name,
            "arguments": self.arguments,
            "raw_arguments": self.raw_arguments,
            "effect": self.effect.value,
            "status": self.status.value,
            "attempt": self.attempt,
            "effects": self.effects,
            "message_id": self.message_id,
            "summary": self.result[:MOST_IN_LOG],
            "truncated": self.truncated,
            "artifact_id": self.artifact_id,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }
