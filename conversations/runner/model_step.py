"""One model call of a run: streamed into parts, tried again when the provider fails before anything was shown."""

import asyncio
import random
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass, field

from conversations.core import usage
from conversations.core.action_xml import VisibleText
from conversations.core.log_events import EventType, PartKind
from conversations.core.retries import retry_delay_seconds
from conversations.core.token_estimate import message_tokens, request_tokens, text_tokens
from conversations.llm import pricing, registry
from conversations.llm.wire import (
    Finished,
    ModelFailure,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from conversations.runner.flusher import Flusher
from conversations.runner.live_run import LiveRun, Part
from conversations.runner.records import CallRow, NewEvent, Record


def prompt_tokens(request: ModelRequest) -> int:
    """About how many tokens its messages and tools are."""
    messages = [
        message_tokens(
            [m.content, *(text for call in m.tool_calls for text in (call.name, call.arguments))],
            images=len(m.images),
        )
        for m in request.messages
    ]
    return request_tokens(messages, tools=[tool.tokens for tool in request.tools])


@dataclass(slots=True)
class _Streamed:
    """A tool call that is being streamed."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ModelStep:
    """The call that is being made. What it has produced is in `run`, also when it ends by an error or a cancel."""

    def __init__(
        self, run: LiveRun, flusher: Flusher, request: ModelRequest, text_filter: VisibleText | None = None
    ) -> None:
        self._run = run
        self._flusher = flusher
        self._request = request
        self._text_filter = text_filter
        self._calls: dict[int, _Streamed] = {}
        self.tool_calls: list[ToolCall] = []  # known when the stream has ended
        self.call = CallRow(model=request.model, step=run.step)
        self._usage: Usage | None = None
        self._began = time.monotonic()

    async def stream(self) -> None:
        """Streams the answer into the run's parts; raises ModelFailure when the provider gave none."""
        client = registry.client_for(self._request.model)
        tries = 0
        while True:
            tries += 1
            try:
                # Closing the stream at once ends the request, and with it the bill, when the run is cancelled.
                async with aclosing(client.stream(self._request)) as events:
                    async for event in events:
                        self._take(event)
                self._end_of_stream()
                return
            except ModelFailure as failure:
                delay = retry_delay_seconds(
                    tries=tries,
                    retryable=failure.retryable,
                    shown=self.call.first_token_ms is not None,
                    retry_after_seconds=failure.retry_after_seconds,
                    jitter=random.random(),
                )
                if delay is None:
                    raise
                await self._tell_retry(failure, tries + 1, delay)
                await asyncio.sleep(delay)

    def _take(self, event: object) -> None:
        match event:
            case TextDelta(text):
                self._write(PartKind.TEXT, self._text_filter.feed(text) if self._text_filter else text)
            case ToolCallDelta():
                self._see_first()
                call = self._calls.setdefault(event.index, _Streamed())
                call.id, call.name = call.id or event.id, call.name or event.name
                call.arguments.append(event.arguments)
            case ReasoningDelta(text):
                self._write(PartKind.REASONING, text)
            case Usage():
                self._usage = event
            case Finished():
                pass

    def _see_first(self) -> None:
        if self.call.first_token_ms is None:
            self.call.first_token_ms = (time.monotonic() - self._began) * 1000
            self._run.has_begun.set()

    def _end_of_stream(self) -> None:
        if self._text_filter:
            self._write(PartKind.TEXT, self._text_filter.finish())
            self.tool_calls = [
                ToolCall("", call.name, call.arguments_text) for call in self._text_filter.calls
            ]
        else:
            self.tool_calls = [
                ToolCall(call.id, call.name, "".join(call.arguments))
                for _, call in sorted(self._calls.items())
            ]

    def _write(self, kind: PartKind, text: str) -> None:
        run = self._run
        self._see_first()
        if not text:  # held back: it may become a tool call
            return
        if run.open_part and run.open_part.kind != kind:
            record = Record(run)
            close_open_part(record)
            self._flusher.record(record)
        if run.open_part is None:
            run.open_part = Part(kind, run.step)
        self._flusher.write(run, run.open_part, text)

    async def _tell_retry(self, failure: ModelFailure, next_try: int, delay: float) -> None:
        event = NewEvent(
            EventType.RUN_RETRYING,
            {
                "code": failure.kind,
                "message": failure.message,
                "attempt": next_try,
                "delay_seconds": round(delay, 3),
            },
        )
        await self._flusher.record(Record(self._run, [event]))

    def settle(self, record: Record, *, status: str, error_kind: str = "") -> None:
        """Adds what the call used and cost to a record. Without figures of the provider they are estimated."""
        run, call = self._run, self.call
        used = self._usage
        if used is None:
            call.estimated = True
            output = sum(text_tokens(part.get("text", "")) for part in run.parts if part["call"] == call.step)
            output += sum(text_tokens(f"{made.name}{made.arguments}") for made in self.tool_calls)
            asked = call.first_token_ms is not None
            used = Usage(prompt_tokens(self._request) if asked else 0, output)
        call.status, call.error_kind = status, error_kind
        call.tokens = asdict(used)
        call.cost_micros = pricing.cost_micros(call.model, used)
        run.usage = usage.added(run.usage, call.tokens, call.cost_micros)
        record.call = call
        record.step_started = False


# Longer texts stand in the message alone; the event refers to it.
MOST_INLINE = 64_000


def close_open_part(record: Record, *, status: str = "complete") -> bool:
    """Adds the end of the run's open part, if it has one, to a record: into the log and the answer, no fragments.

    `complete` texts count, `interrupted` ones are kept in the answer's parts only.
    """
    run = record.run
    part, run.open_part = run.open_part, None
    if part is None:
        return False
    text = part.text
    payload = {"part_id": part.id, "kind": part.kind.value, "length": len(text), "answer_id": run.answer_id}
    if status == "complete":
        inline = len(text.encode()) <= MOST_INLINE
        event = NewEvent(
            EventType.PART_COMPLETED, {**payload, "text": text if inline else None}, live=payload
        )
    else:
        event = NewEvent(EventType.PART_INTERRUPTED, payload)
    run.parts.append(part.stored(status))
    record.events.append(event)
    record.closed_parts.append(part.id)
    record.save_answer = True
    return True
