"""The chunks of a chat-completions stream, turned into events."""

import json
from typing import Any

from conversations.llm.event_stream import UnreadableStream
from conversations.llm.mended_text import MendedText, storable
from conversations.llm.wire import (
    Finished,
    FinishReason,
    ModelEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)

MOST_TOKENS = 2**31 - 1
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class ErrorInStream(Exception):
    """The provider reported an error after the answer had begun."""

    def __init__(self, error: Any) -> None:
        super().__init__("error in the stream")
        self.error = error


class ChunkReader:
    """Reads one answer. `finish_reason` is None until the provider has said that the answer is complete."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._text = MendedText()
        self._reasoning = MendedText()
        self._usage: dict[str, Any] | None = None
        self._call_ids: dict[int, str] = {}
        self._arguments: dict[int, MendedText] = {}

    def read(self, chunk: Any) -> list[ModelEvent]:
        """The events in one chunk, usually one. Raises ErrorInStream, and UnreadableStream for what is no chunk."""
        try:
            return self._read(chunk)
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise UnreadableStream("A chunk of the answer has another shape.") from error

    def _read(self, chunk: dict[str, Any]) -> list[ModelEvent]:
        if chunk.get("error"):
            raise ErrorInStream(chunk["error"])
        if usage := chunk.get("usage"):
            self._usage = usage
        choices = chunk.get("choices")
        if not choices:
            return []
        choice = choices[0]
        if choice.get("error"):
            raise ErrorInStream(choice["error"])
        events: list[ModelEvent] = []
        # A server that does not stream sends the whole answer as `message`.
        delta = choice.get("delta") or choice.get("message")
        if delta:
            self._read_delta(delta, events)
        reason = choice.get("finish_reason")
        if reason:
            self.finish_reason = str(reason)
        return events

    def end(self) -> list[ModelEvent]:
        """What closes a complete answer: the usage, when it was reported, and `Finished`."""
        events = self.held()
        if self._usage:
            events.append(usage_from(self._usage))
        reason = _REASONS.get(self.finish_reason or "stop", "other")
        events.append(Finished("tool_calls" if self._call_ids and reason == "stop" else reason))
        return events

    def held(self) -> list[ModelEvent]:
        """Replacements of half surrogate pairs that nothing followed."""
        events: list[ModelEvent] = []
        if rest := self._reasoning.end():
            events.append(ReasoningDelta(rest))
        if rest := self._text.end():
            events.append(TextDelta(rest))
        for index, arguments in self._arguments.items():
            if rest := arguments.end():
                events.append(ToolCallDelta(index, "", "", rest))
        return events

    def _read_delta(self, delta: dict[str, Any], events: list[ModelEvent]) -> None:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning and isinstance(reasoning, str) and (piece := self._reasoning.add(reasoning)):
            events.append(ReasoningDelta(piece))
        content = delta.get("content")
        if content:
            if isinstance(content, str):
                if piece := self._text.add(content):
                    events.append(TextDelta(piece))
            else:
                self._read_parts(content, events)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            events.append(TextDelta(storable(refusal)))
        if calls := delta.get("tool_calls"):
            for call in calls:
                self._read_call(call, events)

    def _read_parts(self, parts: Any, events: list[ModelEvent]) -> None:
        """Mistral sends `content` as a list of text and thinking parts."""
        for part in parts if isinstance(parts, list) else ():
            if not isinstance(part, dict):
                continue
            if part.get("type") == "thinking":
                inner = part.get("thinking")
                for item in inner if isinstance(inner, list) else [{"text": inner}]:
                    if isinstance(item, dict) and (piece := self._reasoning.add(str(item.get("text") or ""))):
                        events.append(ReasoningDelta(piece))
            elif piece := self._text.add(str(part.get("text") or "")):
                events.append(TextDelta(piece))

    def _read_call(self, call: Any, events: list[ModelEvent]) -> None:
        if not isinstance(call, dict):
            return
        function = call.get("function") or {}
        call_id, name, arguments = call.get("id") or "", function.get("name") or "", function.get("arguments")
        index = self._index_of(call.get("index"), call_id, name)
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
        piece = self._arguments.setdefault(index, MendedText()).add(arguments)
        if index not in self._call_ids:
            self._call_ids[index] = call_id or f"call_{index}"
            events.append(ToolCallDelta(index, storable(self._call_ids[index]), storable(name), piece))
        elif piece:
            events.append(ToolCallDelta(index, "", "", piece))

    def _index_of(self, index: Any, call_id: str, name: str) -> int:
        """Some servers leave the index out, or number every call 0: a new id then begins a new call."""
        known = self._call_ids
        if isinstance(index, int) and (index not in known or not call_id or known[index] == call_id):
            return index
        for place, taken in known.items():
            if call_id and taken == call_id:
                return place
        if call_id or name or not known:
            return max(known, default=-1) + 1
        return max(known)


def usage_from(usage: dict[str, Any]) -> Usage:
    """Usage as OpenAI reports it, with the other names under which servers report cached tokens."""
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=tokens(usage.get("prompt_tokens")),
        output_tokens=tokens(usage.get("completion_tokens")),
        reasoning_tokens=tokens(completion.get("reasoning_tokens") or usage.get("reasoning_tokens")),
        cache_read_tokens=tokens(prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")),
        cache_write_tokens=tokens(prompt.get("cache_write_tokens") or prompt.get("cache_creation_tokens")),
    )


def tokens(value: Any) -> int:
    """A count as a provider gave it, in what the database can hold."""
    return min(max(int(value), 0), MOST_TOKENS) if isinstance(value, (int, float)) and value == value else 0
