"""What a client may send on the socket of tasks, checked: a frame, or the error that says what is wrong with it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from rest_framework.serializers import ValidationError

from conversations.api.decision_frames import TYPES, Answer, Decide, parse_decision
from conversations.api.frames import InvalidFrame, Ping, UnknownFrame, read_frame, read_place
from conversations.core.cursors import Cursor
from penguin_site.errors import InvalidField
from tasks.api.execution_shapes import ExecuteInput


@dataclass(frozen=True, slots=True)
class Execute:
    """Have an agent do something: the fields of `POST /tasks/execute`."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attach:
    execution_id: UUID
    after: Cursor | None
    parts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """The named execution, else the one that is watched."""

    execution_id: UUID | None


ClientFrame = Answer | Attach | Cancel | Decide | Execute | Ping


def parse_frame(text: str | None) -> ClientFrame:
    """The frame; raises InvalidFrame, InvalidField or UnknownFrame."""
    frame = read_frame(text)
    match frame.get("type", "execute"):
        case "execute":
            return Execute(_task(frame))
        case "attach":
            return Attach(_execution_id(frame), *read_place(frame))
        case "cancel":
            return Cancel(_execution_id(frame) if frame.get("execution_id") is not None else None)
        case "ping":
            return Ping()
        case kind if kind in TYPES:
            return parse_decision(frame)
        case other:
            known = f"execute, attach, cancel, ping, {', '.join(TYPES)}"
            raise UnknownFrame(f"There is no frame of type {str(other)[:50]!r}. Known: {known}.")


def _task(frame: dict[str, Any]) -> dict[str, Any]:
    fields = ExecuteInput(data=frame)
    try:
        fields.is_valid(raise_exception=True)
    except ValidationError as error:
        name, problems = next(iter(error.detail.items()))
        while isinstance(problems, dict | list) and problems:
            problems = next(iter(problems.values())) if isinstance(problems, dict) else problems[0]
        raise InvalidField(str(name), str(problems)) from None
    return dict(fields.validated_data)


def _execution_id(frame: dict[str, Any]) -> UUID:
    try:
        return UUID(frame["execution_id"])
    except KeyError:
        raise InvalidFrame("Name the execution: execution_id.") from None
    except (AttributeError, TypeError, ValueError):
        raise InvalidField("execution_id", "this is not the id of an execution.") from None
