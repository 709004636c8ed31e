"""Our messages as pydantic-ai has them, and its events as ours."""

from collections.abc import Sequence

import orjson
from pydantic_ai import messages as library

from conversations.llm.mended_text import MendedText, storable
from conversations.llm.wire import ChatMessage, ModelEvent, ReasoningDelta, TextDelta, ToolCallDelta


def as_library_messages(messages: Sequence[ChatMessage]) -> list[library.ModelMessage]:
    """What is said to the model between two answers becomes one request, as the library expects it."""
    found: list[library.ModelMessage] = []
    parts: list[library.ModelRequestPart] = []
    tool_names: dict[str, str] = {}
    for message in messages:
        if message.role == "assistant":
            if parts:
                found.append(library.ModelRequest(parts=parts))
                parts = []
            tool_names.update({call.id: call.name for call in message.tool_calls})
            found.append(_answer(message))
        else:
            parts.append(_request_part(message, tool_names))
    if parts:
        found.append(library.ModelRequest(parts=parts))
    return found


def _answer(message: ChatMessage) -> library.ModelResponse:
    parts: list[library.ModelResponsePart] = [library.TextPart(message.content)] if message.content else []
    for call in message.tool_calls:
        parts.append(library.ToolCallPart(call.name, call.arguments, tool_call_id=call.id))
    return library.ModelResponse(parts=parts)


def _request_part(message: ChatMessage, tool_names: dict[str, str]) -> library.ModelRequestPart:
    if message.role == "system":
        return library.SystemPromptPart(message.content)
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        return library.ToolReturnPart(
            tool_names.get(call_id, "unknown"), message.content, tool_call_id=call_id
        )
    if not message.images:
        return library.UserPromptPart(message.content)
    content: list[library.UserContent] = [message.content] if message.content else []
    content += [library.BinaryContent(image.data, media_type=image.media_type) for image in message.images]
    return library.UserPromptPart(content)


class LibraryEvents:
    """Reads one answer's events. Tool calls are numbered in the order they begin."""

    def __init__(self) -> None:
        self._text = MendedText()
        self._reasoning = MendedText()
        self._calls: dict[int, int] = {}

    @property
    def has_calls(self) -> bool:
        return bool(self._calls)

    def read(self, event: object) -> list[ModelEvent]:
        if isinstance(event, library.PartDeltaEvent):
            return self._delta(event.index, event.delta)
        if isinstance(event, library.PartStartEvent):
            return self._start(event.index, event.part)
        return []

    def held(self) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        if rest := self._reasoning.end():
            events.append(ReasoningDelta(rest))
        if rest := self._text.end():
            events.append(TextDelta(rest))
        return events

    def _start(self, index: int, part: library.ModelResponsePart) -> list[ModelEvent]:
        if isinstance(part, library.TextPart):
            return self._said(part.content)
        if isinstance(part, library.ThinkingPart):
            return self._thought(part.content)
        if isinstance(part, library.ToolCallPart):
            number = self._calls.setdefault(index, len(self._calls))
            return [
                ToolCallDelta(number, storable(part.tool_call_id), storable(part.tool_name), _json(part.args))
            ]
        return []

    def _delta(self, index: int, delta: library.ModelResponsePartDelta) -> list[ModelEvent]:
        if isinstance(delta, library.TextPartDelta):
            return self._said(delta.content_delta)
        if isinstance(delta, library.ThinkingPartDelta):
            return self._thought(delta.content_delta or "")
        if isinstance(delta, library.ToolCallPartDelta) and delta.args_delta:
            number = self._calls.setdefault(index, len(self._calls))
            return [ToolCallDelta(number, "", "", _json(delta.args_delta))]
        return []

    def _said(self, text: str) -> list[ModelEvent]:
        text = self._text.add(text)
        return [TextDelta(text)] if text else []

    def _thought(self, text: str) -> list[ModelEvent]:
        text = self._reasoning.add(text)
        return [ReasoningDelta(text)] if text else []


def _json(arguments: object) -> str:
    if isinstance(arguments, str):
        return storable(arguments)
    return orjson.dumps(arguments).decode() if arguments else ""
