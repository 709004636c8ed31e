"""The lean reader and the library's readers against a real HTTP server: the same scripts, the same events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from conversations.llm import http_session, registry
from conversations.llm.library import LibraryClient
from conversations.llm.wire import (
    ChatMessage,
    Finished,
    Image,
    ModelClient,
    ModelFailure,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
)
from tests.model_script import default_answer, token_texts
from tests.model_server import ModelServer

LEAN, LIBRARY, ANTHROPIC, GOOGLE = (
    "openai-chat:scripted",
    "library",
    "anthropic:claude-fable-5-1",
    "google:gemini-3-flash",
)
EVERY = [LEAN, LIBRARY, ANTHROPIC, GOOGLE]
KEY = "sk-very-secret"


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture(autouse=True)
async def _closed_connections() -> AsyncIterator[None]:
    yield
    await registry.close_clients()
    await asyncio.sleep(0)


@pytest.fixture(params=EVERY)
async def client(request, server, environment) -> AsyncIterator[ModelClient]:
    if request.param != LIBRARY:
        yield registry.client_for(request.param)
        return
    client = LibraryClient(
        "openai-chat", "scripted", label="The OpenAI-compatible server", key_names="OPENAI_API_KEY"
    )
    yield client
    await client.close()


@pytest.fixture
def environment(monkeypatch, server: ModelServer) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"{server.address}/anthropic")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"{server.address}/google")


@pytest.fixture
def lean(environment) -> ModelClient:
    return registry.client_for(LEAN)


def asking(text: str, **fields) -> ModelRequest:
    return ModelRequest(LEAN, (ChatMessage("system", "Be brief."), ChatMessage("user", text)), **fields)


async def answer(client: ModelClient, request: ModelRequest | str) -> list:
    request = asking(request) if isinstance(request, str) else request
    return [event async for event in client.stream(request)]


def text_of(events: list) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def failure_of(client: ModelClient, text: str) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        await answer(client, text)
    assert KEY not in str(caught.value)
    return caught.value


# What every wire has in common


async def test_text_comes_piece_by_piece_and_ends_with_usage(client: ModelClient) -> None:
    events = await answer(client, "nonce-7 [[tokens=40]] [[usage input=90 output=41 cached=30]]")
    assert events[:-2] == [TextDelta(text) for text in token_texts("nonce-7", 40)]
    assert events[-2:] == [Usage(90, 41, 0, 30), Finished("stop")]


async def test_the_default_answer_names_what_was_asked(client: ModelClient) -> None:
    events = await answer(client, "Grüße 🐧")
    assert text_of(events) == default_answer("Grüße 🐧")


async def test_text_that_postgres_would_refuse_is_mended(client: ModelClient) -> None:
    assert text_of(await answer(client, "[[mangled]]")) == "a🐧b\ufffd\ufffdend"


@pytest.mark.parametrize("framing", ["[[split=3]]", "[[crlf]][[split=5]]"])
async def test_bytes_cut_anywhere(client: ModelClient, framing: str) -> None:
    assert text_of(await answer(client, f"ü🐧 [[tokens=6]] {framing}")) == "".join(token_texts("ü🐧", 6))


async def test_reasoning_comes_apart_from_text(client: ModelClient) -> None:
    events = await answer(client, "r [[reasoning=2]][[tokens=1]][[usage input=5 output=9 reasoning=4]]")
    assert events[:3] == [
        ReasoningDelta("thought 0 🤔 "), ReasoningDelta("thought 1 🤔 "), TextDelta(token_texts("r", 1)[0]),
    ]  # fmt: skip


async def test_tool_calls(client: ModelClient) -> None:
    tool = ToolSpec("f", "does f", {"type": "object", "properties": {"a": {"type": "integer"}}})
    events = await answer(client, asking('[[tool name=f arguments={"a": 1, "b": "c d"}]]', tools=(tool,)))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert {call.index for call in calls} == {0}
    assert calls[0].name == "f"
    assert calls[0].id
    assert not any(call.name or call.id for call in calls[1:])
    assert json.loads("".join(call.arguments for call in calls)) == {"a": 1, "b": "c d"}
    assert events[-1] == Finished("tool_calls")


async def test_an_answer_cut_by_the_limit_says_so(client: ModelClient) -> None:
    assert (await answer(client, "[[finish=length]]"))[-1] == Finished("length")


@pytest.mark.parametrize(
    ("script", "kind", "retryable", "wait", "status"),
    [
        ("[[error=400]]", "provider_error", False, None, 400),
        ("[[error=401]]", "provider_error", False, None, 401),
        ("[[error=404]]", "provider_error", False, None, 404),
        ("[[error=429 retry_after=3]]", "provider_rate_limited", True, 3.0, 429),
        ("[[error=500]]", "provider_error", True, None, 500),
        ("[[error=503 retry_after=2]]", "provider_error", True, 2.0, 503),
        ("[[error=504]]", "provider_timeout", True, None, 504),
        ("[[overflow]]", "context_overflow", False, None, 400),
        ("[[tokens=2]][[cut]]", "provider_error", True, None, None),
        ("[[tokens=2]][[bad_json]]", "provider_error", True, None, None),
        ("[[tokens=2]][[stream_error=server_error]]", "provider_error", True, None, None),
    ],
)
async def test_failures(
    client, script: str, kind: str, retryable: bool, wait: float | None, status: int | None
) -> None:
    failure = await failure_of(client, f"f {script}")
    assert (failure.kind, failure.retryable, failure.retry_after_seconds) == (kind, retryable, wait)
    assert failure.status == status


@pytest.mark.parametrize("name", [LEAN, "openai-chat", "anthropic", "google"])
async def test_a_server_that_cannot_be_reached(name: str, environment, monkeypatch) -> None:
    for variable in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/v1")
    dead = registry.client_for(LEAN) if name == LEAN else LibraryClient(name, "x", label="Dead")
    failure = await failure_of(dead, "hello")
    assert (failure.kind, failure.retryable) == ("provider_error", True)
    if isinstance(dead, LibraryClient):
        await dead.close()


async def test_the_whole_conversation_and_images_are_sent(client: ModelClient, server: ModelServer) -> None:
    picture = Image("image/png", b"\x89PNG picture")
    call = ToolCall("call_9", "look", '{"at": "it"}')
    await answer(
        client,
        ModelRequest(
            LEAN,
            (
                ChatMessage("system", "system-words"),
                ChatMessage("user", "first-question", images=(picture,)),
                ChatMessage("assistant", "first-answer", tool_calls=(call,)),
                ChatMessage("tool", "tool-result", tool_call_id="call_9"),
                ChatMessage("assistant", "second-answer"),
                ChatMessage("user", "last-question"),
            ),
            max_output_tokens=77,
        ),
    )
    sent = server.requests()[-1]
    body = json.dumps(sent["body"])
    positions = [
        body.index(words) for words in ("first-question", "first-answer", "tool-result", "last-question")
    ]
    assert positions == sorted(positions)
    for words in ("system-words", "second-answer", "look", "iVBORyBwaWN0dXJl", "77"):
        assert words in body
    assert KEY in json.dumps(sent["headers"])


async def test_closing_ends_the_request_at_once(client: ModelClient, server: ModelServer) -> None:
    stream = client.stream(asking("close-me [[tokens=500 delay=20]]"))
    async for _ in stream:
        break
    await stream.aclose()
    assert await outcome(server, "close-me") == "client_gone"


async def test_cancelling_a_silent_model_ends_the_request_at_once(
    client: ModelClient, server: ModelServer
) -> None:
    reading = asyncio.create_task(answer(client, "cancel-me [[tokens=1]][[hang]]"))
    async with asyncio.timeout(40):
        while not server.requests(contains="cancel-me"):
            await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await outcome(server, "cancel-me") == "client_gone"


async def outcome(server: ModelServer, text: str) -> str:
    deadline = time.monotonic() + 2
    while (entry := server.requests(text)[-1])["outcome"] == "running" and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return entry["outcome"]


async def test_answers_at_once_are_not_mixed_up(client: ModelClient) -> None:
    answers = await asyncio.gather(*(answer(client, f"nonce-{i} [[tokens=10 delay=5]]") for i in range(30)))
    assert [text_of(events) for events in answers] == [
        "".join(token_texts(f"nonce-{i}", 10)) for i in range(30)
    ]


# What the chat-completions wire has of its own


@pytest.mark.parametrize(
    "framing", ["[[no_done]]", "[[no_blank]]", "[[comments]]", "[[plain]]", "[[no_blank]][[no_done]]"]
)
async def test_how_other_servers_frame_it(lean: ModelClient, framing: str) -> None:
    events = await answer(lean, f"framed {framing}")
    assert text_of(events) == default_answer("framed")
    assert isinstance(events[-2], Usage)
    assert events[-1] == Finished("stop")


async def test_a_silent_server_is_given_up(lean: ModelClient, monkeypatch) -> None:
    monkeypatch.setattr(http_session, "READ_IDLE_SECONDS", 0.2)
    failure = await failure_of(lean, "[[tokens=1]][[hang]]")
    assert (failure.kind, failure.retryable) == ("provider_timeout", True)


async def test_two_hundred_streams_at_once(lean: ModelClient) -> None:
    answers = await asyncio.gather(*(answer(lean, f"many-{i} [[tokens=5 delay=20]]") for i in range(200)))
    assert [text_of(events) for events in answers] == [
        "".join(token_texts(f"many-{i}", 5)) for i in range(200)
    ]


async def test_connections_are_used_again(lean: ModelClient, server: ModelServer) -> None:
    for number in range(5):
        await answer(lean, f"again {number}")
    assert len(http_session.session().connector._conns) == 1


async def test_a_web_page_instead_of_an_answer(lean, server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/page")
    failure = await failure_of(registry.client_for(LEAN), "hello")
    assert (failure.kind, failure.retryable) == ("provider_error", False)


async def test_a_server_that_refuses_stream_options_is_asked_without(lean, server: ModelServer) -> None:
    text = "options-refused [[error=400 times=1 code=bad message=stream_options]]"
    assert text_of(await answer(lean, text)) == default_answer("options-refused")
    assert ["stream_options" in entry["body"] for entry in server.requests("options-refused")] == [
        True,
        False,
    ]


async def test_a_connection_the_server_was_closing_is_replaced(environment, monkeypatch) -> None:
    """The server closes a kept connection when the next request is already on its way."""
    requests: list[bytes] = []
    whole = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"stream"))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(
            whole
        )
        writer.write(head + whole)
        await writer.drain()
        if len(requests) == 1:
            await reader.readuntil(b"chat/completions")  # the second request arrives and gets no answer
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1")
    client = registry.client_for(LEAN)
    assert [text_of(await answer(client, f"stale {n}")) for n in range(2)] == ["ok", "ok"]
    assert len(requests) == 2
    listener.close()
    await listener.wait_closed()
