"""What providers say when something goes wrong, and what we make of it."""

import json
from datetime import UTC, datetime

import pytest

from conversations.llm import failures

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def openai(message: str, code: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "code": code}})


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, openai("bad temperature"), "provider_error", False),
        (402, openai("no credits"), "provider_error", False),
        (404, openai("no such model"), "provider_error", False),
        (408, "", "provider_timeout", True),
        (409, "", "provider_error", True),
        (429, openai("slow down"), "provider_rate_limited", True),
        (429, openai("You exceeded your current quota", "insufficient_quota"), "provider_rate_limited", False),
        (500, "<html>oops</html>", "provider_error", True),
        (502, "", "provider_error", True),
        (503, "", "provider_error", True),
        (504, "", "provider_timeout", True),
        (529, '{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "provider_error", True),
        (401, openai("Incorrect API key provided: sk-12345678"), "provider_error", False),
        (403, openai("forbidden"), "provider_error", False),
        # How providers and servers say that a prompt is too long
        (400, openai("too long", "context_length_exceeded"), "context_overflow", False),
        (400, openai("This model's maximum context length is 8192 tokens"), "context_overflow", False),
        (400, openai("prompt is too long: 210000 tokens > 200000 maximum"), "context_overflow", False),
        (400, openai("The input token count (9) exceeds the maximum number of tokens"), "context_overflow", False),
        (400, openai("request (6031 tokens) exceeds the available context size"), "context_overflow", False),
        (422, '{"detail": "`inputs` tokens + `max_new_tokens` must be <= 4096"}', "context_overflow", False),
        (400, openai("Please reduce the length of the messages or completion."), "context_overflow", False),
        (413, openai("Request too large"), "provider_error", False),
        (400, '{"message": "Input is too long for requested model."}', "context_overflow", False),
    ],
)  # fmt: skip
def test_kinds(status: int, body: str, kind: str, retryable: bool) -> None:
    failure = failures.from_status(status, body, provider="P", key_names="P_KEY", secret="sk-12345678")
    assert (failure.kind, failure.retryable, failure.status) == (kind, retryable, status)
    assert "sk-12345678" not in failure.message


def test_refused_credentials_name_the_variable_and_hide_the_key() -> None:
    failure = failures.from_status(
        401, openai("Incorrect API key: sk-12345678"), provider="P", key_names="P_KEY", secret="sk-12345678"
    )
    assert failure.message == "P refused the credentials (HTTP 401). Check P_KEY."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (openai("simple"), "simple"),
        ('{"message": "m"}', "m"),
        ('{"detail": [{"msg": "first"}]}', "first"),
        ('[{"error": {"message": "google"}}]', "google"),
        ("plain\n text", "plain text"),
        ('{"error": "word"}', "word"),
        ('{"error": {"message": "key sk-12345678 is bad"}}', "key *** is bad"),
        ('{"error": {"message": "nul \\u0000"}}', "nul \ufffd"),
    ],
)
def test_the_provider_is_quoted(body: str, said: str) -> None:
    failure = failures.from_status(400, body, provider="P", secret="sk-12345678")
    assert failure.message == f"P answered HTTP 400: {said}"


def test_a_long_body_is_cut() -> None:
    assert len(failures.from_status(400, "x" * 10_000, provider="P").message) < 600


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"code": 429, "message": "slow"}, "provider_rate_limited", True),  # OpenRouter
        ({"code": "rate_limit_exceeded"}, "provider_rate_limited", True),
        ({"type": "overloaded_error", "message": "busy"}, "provider_error", True),
        ({"type": "invalid_request_error", "message": "bad"}, "provider_error", False),
        ({"code": "context_length_exceeded", "message": "too long"}, "context_overflow", False),
        ({"message": "maximum context length is 8"}, "context_overflow", False),
        ({"message": "something broke"}, "provider_error", True),
        ("something broke", "provider_error", True),
        ({"code": True, "status": None}, "provider_error", True),
    ],
)
def test_errors_inside_a_stream(error: object, kind: str, retryable: bool) -> None:
    failure = failures.from_error_object(error, provider="P")
    assert (failure.kind, failure.retryable, failure.status) == (kind, retryable, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0.0),  # past
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict, seconds: float | None) -> None:
    assert failures.retry_after_seconds(headers, now=NOW) == seconds
