"""What goes to a model and what comes back: the same plain values for every provider."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from conversations.core.token_estimate import schema_tokens

Role = Literal["system", "user", "assistant", "tool"]
FailureKind = Literal["provider_error", "provider_rate_limited", "provider_timeout", "context_overflow"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "other"]


@dataclass(frozen=True, slots=True)
class Image:
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made; `arguments` is the JSON text exactly as it wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ToolSpec:
    """A tool the model may call; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]

    @cached_property
    def tokens(self) -> int:
        """About how much of a request it takes; the same tools go with every request."""
        return schema_tokens(f"{self.name}{self.description}{self.parameters}")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model. `model` is a name that `registry.resolve` has returned."""

    model: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the tool call at `index`: id and name come with its first piece and are empty in the others."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. Input includes what was read from or written to a cache, output includes reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of an answer that is complete."""

    reason: FinishReason


ModelEvent = TextDelta | ReasoningDelta | ToolCallDelta | Usage | Finished


class ModelFailure(Exception):
    """The model's provider did not give an answer, or not the whole of it.

    `retryable` says whether the same request may succeed later; `message` is for people and holds no credentials.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        retryable: bool,
        retry_after_seconds: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.status = status


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model without asking its provider."""

    name: str
    provider: str
    context_window: int
    vision: bool
    tools: bool
    reasoning: bool
    is_local: bool


class ModelClient(Protocol):
    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, piece by piece, as it comes: at most one `Usage`, then `Finished` as the last event.

        Raises ModelFailure. Closing the generator (or cancelling the task that reads it) ends the request at once.
        """
        ...
