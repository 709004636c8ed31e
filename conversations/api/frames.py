"""What a client may send on the chat socket, checked: a frame, or the error that says what is wrong with it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from rest_framework.serializers import ValidationError

from conversations.api.decision_frames import TYPES, Answer, Decide, parse_decision
from conversations.api.message_input import MessageInput, checked
from conversations.core import cursors
from conversations.core.cursors import Cursor
from penguin_site.errors import InvalidField, InvalidRequest, PayloadTooLarge

MOST_BYTES = 1024 * 1024
MOST_PARTS = 1_000
MOST_OFFSET = 2**31 - 1


class InvalidFrame(InvalidRequest):
    """The frame is not valid."""

    code = "invalid_frame"


class UnknownFrame(InvalidFrame):
    """There is no such type of frame."""

    code = "unknown_type"


class FrameTooLarge(PayloadTooLarge):
    """A frame may have 1 MiB."""


@dataclass(frozen=True, slots=True)
class Attach:
    session_id: str
    after: Cursor | None
    parts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    run_id: UUID | None


@dataclass(frozen=True, slots=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True)
class Say:
    fields: dict[str, Any]


ClientFrame = Answer | Attach | Cancel | Decide | Ping | Say


def read_frame(text: str | None) -> dict[str, Any]:
    """The JSON object of a frame; InvalidFrame where there is none, FrameTooLarge."""
    if text is None:
        raise InvalidFrame("Send text frames that hold a JSON object.")
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise FrameTooLarge
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidFrame("The frame is not JSON.") from None
    if not isinstance(frame, dict):
        raise InvalidFrame("The frame is not a JSON object.")
    if "\\u0000" in text and _has_nul(frame):
        raise InvalidFrame("The frame holds a NUL character.")
    return frame


def parse_frame(text: str | None) -> ClientFrame:
    """The frame; raises InvalidFrame, InvalidField or UnknownFrame."""
    frame = read_frame(text)
    match frame.get("type", "message"):
        case "message":
            return Say(_message(frame))
        case "attach":
            return _attach(frame)
        case "cancel":
            return Cancel(_run_id(frame.get("run_id")))
        case "ping":
            return Ping()
        case kind if kind in TYPES:
            return parse_decision(frame)
        case other:
            known = f"message, attach, cancel, ping, {', '.join(TYPES)}"
            raise UnknownFrame(f"There is no frame of type {str(other)[:50]!r}. Known: {known}.")


def _message(frame: dict[str, Any]) -> dict[str, Any]:
    try:
        return checked(MessageInput, frame)
    except ValidationError as error:
        name, problems = next(iter(error.detail.items()))
        raise InvalidField(str(name), _first_text(problems)) from None


def _first_text(problems: Any) -> str:
    """The first sentence of DRF's nested errors."""
    while isinstance(problems, dict | list) and problems:
        problems = next(iter(problems.values())) if isinstance(problems, dict) else problems[0]
    return str(problems)


def _attach(frame: dict[str, Any]) -> Attach:
    session_id = frame.get("session_id", frame.get("conversation_id"))
    if not isinstance(session_id, str) or not session_id:
        raise InvalidField("session_id", "name the conversation to attach to.")
    return Attach(session_id, *read_place(frame))


def read_place(frame: dict[str, Any]) -> tuple[Cursor | None, dict[str, int]]:
    """Where a client stands that attaches: its cursor, and how much it has of each open part."""
    after, parts = frame.get("after"), frame.get("parts") or {}
    if after is not None:
        try:
            after = cursors.parse(after)
        except (TypeError, ValueError):
            raise InvalidField("after", "this is not a cursor of this server.") from None
    is_offsets = isinstance(parts, dict) and all(
        isinstance(offset, int) and not isinstance(offset, bool) and 0 <= offset <= MOST_OFFSET
        for offset in parts.values()
    )
    if not is_offsets or len(parts) > MOST_PARTS:
        raise InvalidField("parts", "an object of part ids and offsets (whole numbers from 0).")
    return after, parts


def _run_id(value: Any) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise InvalidField("run_id", "this is not the id of a run.") from None


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)
