"""The same interface over pydantic-ai's model layer, for every wire that is not chat-completions.

Importing it costs a second or two: `registry` does so when the first such model is asked for.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import Any, cast
from weakref import WeakKeyDictionary

import httpx2
import orjson
from pydantic_ai import exceptions
from pydantic_ai.direct import model_request_stream
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from conversations.llm import failures
from conversations.llm.chat_chunks import tokens
from conversations.llm.context_windows import reasons
from conversations.llm.http_session import CONNECT_SECONDS, READ_IDLE_SECONDS, certificates
from conversations.llm.library_messages import LibraryEvents, as_library_messages
from conversations.llm.wire import Finished, FinishReason, ModelEvent, ModelFailure, ModelRequest, Usage

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_call": "tool_calls",
}

_TIMEOUT = httpx2.Timeout(READ_IDLE_SECONDS, connect=CONNECT_SECONDS)
# They would log a line for every request.
for _name in ("httpx2", "google_genai.models"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# The HTTP responses of the call that this task makes: the packages in between hand out none.
_responses: ContextVar[list[httpx2.Response]] = ContextVar("responses")


async def _note(response: httpx2.Response) -> None:
    _responses.get([]).append(response)


class LibraryClient:
    """Asks `provider:model`. `make_provider` is for servers that no environment variable leads to."""

    def __init__(
        self,
        provider: str,
        model: str,
        *,
        label: str,
        key_names: str = "",
        make_provider: Callable[[str, httpx2.AsyncClient], Provider[Any]] | None = None,
    ) -> None:
        self._name = f"{provider}:{model}"
        self._label = label
        self._key_names = key_names
        self._make_provider = make_provider or _provider_from_environment
        # Connections belong to the event loop that opened them.
        self._models: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Model, httpx2.AsyncClient]]
        self._models = WeakKeyDictionary()
        self._settings = _settings(provider, model)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `ModelClient.stream`."""
        settings = self._settings
        if request.max_output_tokens is not None:
            settings = {**settings, "max_tokens": request.max_output_tokens}
        parameters = ModelRequestParameters(
            function_tools=[
                ToolDefinition(
                    name=tool.name, description=tool.description, parameters_json_schema=tool.parameters
                )
                for tool in request.tools
            ]
        )
        reader = LibraryEvents()
        responses: list[httpx2.Response] = []
        _responses.set(responses)
        began = False
        try:
            async with model_request_stream(
                self._model(),
                as_library_messages(request.messages),
                model_settings=settings,
                model_request_parameters=parameters,
            ) as stream:
                began = True
                try:
                    async for library_event in stream:
                        for event in reader.read(library_event):
                            yield event
                finally:
                    # Google's package leaves the connection open, and the meter running, until it is collected.
                    for response in responses:
                        await response.aclose()
                if stream.finish_reason is None:
                    raise failures.cut_off(self._label)
                for event in (*reader.held(), *_ending(stream, reader.has_calls)):
                    yield event
        except (exceptions.AgentRunError, exceptions.UserError, httpx2.HTTPError, ValueError) as error:
            raise self._failure(error, began) from None  # the library's texts hold whole bodies

    async def close(self) -> None:
        """Closes the running loop's connections; the next request opens new ones."""
        _, client = self._models.pop(asyncio.get_running_loop(), (None, None))
        if client is not None:
            await client.aclose()

    def _model(self) -> Model:
        loop = asyncio.get_running_loop()
        if loop not in self._models:
            # Of the idle connections the library keeps, it looks at every one for every request: so keep few.
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=10)
            client = httpx2.AsyncClient(
                limits=limits, timeout=_TIMEOUT, verify=certificates(), event_hooks={"response": [_note]}
            )
            try:
                model = infer_model(
                    self._name, provider_factory=lambda name: self._make_provider(name, client)
                )
            except ImportError as error:
                raise ModelFailure("provider_error", str(error).splitlines()[0], retryable=False) from None
            self._models[loop] = (model, client)
        return self._models[loop][0]

    def _failure(self, error: Exception, began: bool) -> ModelFailure:
        label = self._label
        if isinstance(error, exceptions.ModelHTTPError):
            return self._from_http_error(error)
        if isinstance(
            error, exceptions.ModelTimeoutError | exceptions.ModelRequestTimeout | httpx2.TimeoutException
        ):
            return failures.timed_out(label, "to answer")
        if isinstance(error, exceptions.ModelConnectionError | httpx2.TransportError):
            return failures.cut_off(label) if began else failures.unreachable(label, error.__cause__ or error)
        if isinstance(error, exceptions.ModelAPIError) and not isinstance(error.__cause__, ValueError):
            return failures.from_error_object(
                error.body or error.message, provider=label, key_names=self._key_names
            )
        if isinstance(error, exceptions.UserError):
            return ModelFailure(
                "provider_error", f"{label} cannot be asked: {error.message}", retryable=False
            )
        return failures.unreadable(label)

    def _from_http_error(self, error: exceptions.ModelHTTPError) -> ModelFailure:
        body = error.body if isinstance(error.body, str) else orjson.dumps(error.body, default=str).decode()
        failure = failures.from_status(
            error.status_code,
            body,
            provider=self._label,
            key_names=self._key_names,
            retry_after=error.retry_after,
        )
        if isinstance(error, exceptions.ModelContextWindowExceededError):
            failure.kind, failure.retryable = "context_overflow", False
        if isinstance(error, exceptions.ModelQuotaExceededError):
            failure.retryable = False
        return failures.inside_stream(failure) if error.in_stream else failure


def _settings(provider: str, model: str) -> ModelSettings:
    # A retry is the run's to make: it tells the client of it.
    settings: dict[str, Any] = {"max_retries": 0}
    if provider in ("google", "google-cloud"):
        # Google's client takes its time limits from the HTTP client alone. Thoughts are paid for in any case.
        if reasons(model):
            settings["google_thinking_config"] = {"include_thoughts": True}
    else:
        settings["timeout"] = _TIMEOUT
    return cast(ModelSettings, settings)


def _provider_from_environment(name: str, client: httpx2.AsyncClient) -> Provider[Any]:
    provider_class: Any = infer_provider_class(name)
    return provider_class(http_client=client)


def _ending(stream: StreamedResponse, has_calls: bool) -> tuple[ModelEvent, ...]:
    reason = _REASONS.get(stream.finish_reason or "", "other")
    # Google says "stop" in both cases.
    finished = Finished("tool_calls" if has_calls and reason == "stop" else reason)
    usage = stream.usage
    return (_usage(usage), finished) if usage.has_values() else (finished,)


def _usage(usage: RequestUsage) -> Usage:
    details = usage.details
    return Usage(
        input_tokens=tokens(usage.input_tokens),
        output_tokens=tokens(usage.output_tokens),
        reasoning_tokens=tokens(details.get("reasoning_tokens") or details.get("thoughts_tokens")),
        cache_read_tokens=tokens(usage.cache_read_tokens),
        cache_write_tokens=tokens(usage.cache_write_tokens),
    )
