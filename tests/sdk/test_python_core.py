"""The Python SDK's rules without a server: retries, settings, and what a stream makes of its frames."""

import json
import tomllib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from penguin_sdk import (
    APIRequestError,
    NetworkError,
    PenguinClient,
    StreamLostError,
    TimeoutError,
    ValidationError,
    __version__,
    events,
)
from penguin_sdk._following import Connect, Hear, Say, follow
from penguin_sdk._retry import backoff, pause_before, retry_after_seconds
from penguin_sdk._steps import Pause, Reply, error_of, json_of
from penguin_sdk._stream import ChatStream, OutOfStep, TaskStream

from tests.processes import ROOT


@pytest.mark.parametrize(
    ("attempt", "outcome", "least", "most"),
    [
        (0, NetworkError("lost"), 0.25, 0.5),
        (1, TimeoutError(5), 0.5, 1.0),
        (2, Reply(500, {}, b""), 1.0, 2.0),
        (9, Reply(503, {}, b""), 4.0, 8.0),  # never more than that
        (0, Reply(408, {}, b""), 0.25, 0.5),
        (0, Reply(429, {"retry-after": "7"}, b""), 7.0, 7.25),  # never sooner than the server wants
        (5, Reply(503, {"retry-after": "0"}, b""), 0.0, 0.25),
        (0, Reply(503, {"retry-after": "soon"}, b""), 0.25, 0.5),
    ],
)
def test_another_attempt_comes_after_a_time(attempt: int, outcome: Any, least: float, most: float) -> None:
    assert pause_before(attempt, outcome, chance=0.0) == pytest.approx(least)
    assert pause_before(attempt, outcome, chance=1.0) == pytest.approx(most)


@pytest.mark.parametrize(
    "outcome",
    [
        Reply(400, {}, b""),
        Reply(401, {}, b""),
        Reply(404, {"retry-after": "1"}, b""),
        Reply(409, {}, b""),
        Reply(301, {}, b""),
        Reply(429, {"retry-after": "61"}, b""),  # longer than anybody waits
    ],
)
def test_no_other_attempt(outcome: Reply) -> None:
    assert pause_before(0, outcome, chance=0.5) is None


def test_retry_after_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after_seconds(soon) or 0) <= 30
    assert retry_after_seconds("Fri, 01 Jan 2021 00:00:00 GMT") == 0
    assert retry_after_seconds(None) is None
    assert backoff(10_000, 1.0) == 8


@pytest.mark.parametrize(
    ("reply", "status", "code", "message", "request_id"),
    [
        (Reply(404, {}, b'{"code": "none", "message": "No.", "request_id": "r1"}'), 404, "none", "No.", "r1"),
        (Reply(409, {"x-request-id": "r2"}, b'{"code": "c", "detail": "D."}'), 409, "c", "D.", "r2"),
        (Reply(502, {}, b"<html>Bad gateway</html>"), 502, None, "HTTP 502", None),
        (Reply(500, {}, b"[1]"), 500, None, "HTTP 500", None),
        (Reply(500, {}, b'{"code": 7, "message": ""}'), 500, None, "HTTP 500", None),
    ],
)  # fmt: skip
def test_errors_are_read(
    reply: Reply, status: int, code: str | None, message: str, request_id: str | None
) -> None:
    error = error_of(reply)
    assert (error.status, error.code, str(error), error.request_id) == (status, code, message, request_id)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"x"', b"\xff"])
def test_an_answer_that_is_none_of_ours(content: bytes) -> None:
    with pytest.raises(APIRequestError) as refused:
        json_of(Reply(200, {}, content))
    assert (refused.value.status, refused.value.code) == (200, "invalid_response")


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "127.0.0.1:9000"},
        {"base_url": "ftp://host"},
        {"base_url": "http://user:secret-word@host"},
        {"base_url": "http://host?x=1"},
        {"api_key": "secret-word\n"},
        {"api_key": ""},
        {"chat_api_key": "schlüssel"},
        {"timeout_ms": 0},
        {"timeout_ms": float("nan")},
        {"max_retries": -1},
    ],
)
def test_settings_that_cannot_work(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        PenguinClient(**options)
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        (None, "http://127.0.0.1:9000"),
        ("http://host:1/", "http://host:1"),
        ("https://host/functions/v1", "https://host"),
        ("https://host/functions/v1/api-v1/", "https://host"),
        ("https://host/penguin/api/v1", "https://host/penguin"),
    ],
)
def test_addresses(base_url: str | None, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENGUIN_BASE_URL", raising=False)
    config = PenguinClient(base_url=base_url)._config
    assert config.url("ads", "/decide") == f"{origin}/functions/v1/decide"
    assert config.socket_url("/chat/stream") == f"ws{origin[4:]}/api/v1/chat/stream"
    monkeypatch.setenv("PENGUIN_BASE_URL", "http://elsewhere")
    expected = "http://elsewhere" if base_url is None else origin
    assert PenguinClient(base_url=base_url)._config.base_url == expected


@pytest.mark.parametrize(
    ("options", "ads", "agent"),
    [
        ({"api_key": "am_test_1"}, "am_test_1", None),
        ({"api_key": "other"}, None, "other"),
        ({"api_key": "am_test_1", "chat_api_key": "other"}, "am_test_1", "other"),
        ({"chat_api_key": "other"}, None, "other"),
        ({"api_key": "one", "chat_api_key": "other"}, "one", "other"),
        ({}, None, None),
    ],
)
def test_each_api_gets_its_own_key_alone(options: dict[str, Any], ads: str | None, agent: str | None) -> None:
    config = PenguinClient(supabase_anon_key="anon", **options)._config
    to_ads, to_agent = config.headers("ads"), config.headers("agent")
    assert (to_ads.get("X-AM-API-Key"), to_agent.get("X-API-Key")) == (ads, agent)
    assert to_ads["Authorization"] == "Bearer anon"
    assert to_ads.keys() & to_agent.keys() == {"User-Agent"}


# Streams


def frame(event: str, *, run_id: str | None = "r", **data: Any) -> str:
    return json.dumps({"event": event, "data": {"session_id": "s", "run_id": run_id, **data}})


# Of the conversation, not of the run.
OTHERS = (
    frame("moderated", run_id=None, message_id="m", role="user", hidden=True, cursor="e:1"),
    frame("execution", run_id=None, execution={}, cursor="e:1"),
)
START = frame("start", message_id="m", cursor="e:1")
COMPLETE = frame("complete", message_id="m", response="ab", status="completed", aborted=False, usage={},
                 action_results=[], cursor="e:9")  # fmt: skip


def token(text: str, offset: int, part_id: str = "p", run_id: str = "r") -> str:
    return frame("token", token=text, offset=offset, part_id=part_id, run_id=run_id)


def test_a_stream_takes_what_is_news_to_it() -> None:
    stream = ChatStream({"text": "x", "client_message_id": "c"})
    assert stream.hello() == [{"text": "x", "client_message_id": "c"}]
    assert [stream.take(other) for other in OTHERS] == [None, None]
    assert isinstance(stream.take(START), events.Started)
    assert [stream.take(other) for other in OTHERS] == [None, None]
    assert stream.take(token("a🐧", 0)) is not None
    assert stream.hello() == [{"type": "attach", "session_id": "s", "after": "e:1", "parts": {"p": 2}}]
    assert stream.take(token("a🐧", 0)) is None  # had before
    assert stream.take(token("b", 0, run_id="somebody else's")) is None
    assert stream.take(frame("synced", run_id=None)) is None
    longer = stream.take(token("🐧c", 1))  # part of it had before
    assert isinstance(longer, events.Token)
    assert (longer.text, longer.offset, stream.text) == ("c", 2, "a🐧c")
    with pytest.raises(OutOfStep):
        stream.take(token("d", 4))
    assert isinstance(
        stream.take(frame("status", status="interrupted", part_id="p", cursor="e:2")), events.PartDropped
    )
    assert (stream.text, stream.cursor) == ("", "e:2")
    assert stream.take(token("late", 2)) is None
    stream.take(token("ab", 0, part_id="q"))
    stream.is_cancelled = True
    assert stream.hello()[1] == {"type": "cancel", "run_id": "r"}
    failed = frame("error", message="m", code="c", status=502, retryable=False)
    assert isinstance(stream.take(failed), events.RunFailed)
    assert stream.take(failed) is None  # has no cursor, so it may come again
    unknown = stream.take(frame("something_new", cursor="e:8", more=1))
    assert (type(unknown), unknown and unknown.data["more"]) == (events.StreamEvent, 1)
    assert isinstance(stream.take(COMPLETE), events.Completed)
    assert (stream.text, stream.end is not None) == ("ab", True)


def test_what_a_stream_cannot_go_on_from() -> None:
    stream = ChatStream({"text": "x"})
    with pytest.raises(APIRequestError) as refused:
        stream.take(frame("error", run_id=None, message="No.", code="validation_error", status=400))
    assert (refused.value.status, refused.value.code) == (400, "validation_error")
    stream.take(START)
    assert stream.take(frame("error", run_id=None, message="Over.", code="run_ended", status=409)) is None
    with pytest.raises(StreamLostError) as lost:
        stream.take(frame("replay_gap", run_id=None, snapshot="/"))
    assert (lost.value.session_id, lost.value.run_id) == ("s", "r")
    for wrong in ("<html>", "[]", '{"event": 1}', frame("token", part_id="p")):
        with pytest.raises(NetworkError):
            stream.take(wrong)


def test_a_stream_of_a_task() -> None:
    stream = TaskStream("x")
    about = {"execution_id": "x", "task_id": "t", "name": "n"}
    assert stream.hello() == [{"type": "attach", "execution_id": "x"}]
    assert isinstance(
        stream.take(frame("task_started", cursor="e:1", execution={}, **about)), events.TaskStarted
    )
    said = frame("message", message_id="m", role="assistant", content="c", execution_id="x")
    assert isinstance(stream.take(said), events.TaskMessage)
    assert stream.take(said) is None
    ended = frame("time_limit_reached", cursor="e:2", status="timed_out", stop_reason="time_limit", result=None,
                  error=None, execution={}, **about)  # fmt: skip
    assert isinstance(stream.take(ended), events.TaskEnded)


def test_following_connects_again_with_what_it_has() -> None:
    config = PenguinClient(max_retries=1, reconnect_ms=60_000)._config
    steps = follow(ChatStream({"text": "x"}), config)
    assert next(steps) == Connect("/chat/stream")
    assert isinstance(steps.send(NetworkError("down")), Pause)
    assert isinstance(next(steps), Connect)
    assert steps.send(None) == Say('{"text": "x"}')
    assert isinstance(next(steps), Hear)
    assert isinstance(steps.send(START), events.Started)
    assert isinstance(next(steps), Hear)
    assert isinstance(steps.send(None), Pause)  # the connection has ended
    for _ in range(5):  # longer than a first connection is tried
        assert isinstance(next(steps), Connect)
        assert isinstance(steps.send(NetworkError("down")), Pause)
    assert isinstance(next(steps), Connect)
    assert steps.send(None) == Say('{"type": "attach", "session_id": "s", "after": "e:1"}')
    assert isinstance(next(steps), Hear)
    assert isinstance(steps.send(COMPLETE), events.Completed)
    with pytest.raises(StopIteration):
        next(steps)


def test_a_server_that_never_goes_on_is_given_up() -> None:
    steps = follow(ChatStream({"text": "x"}), PenguinClient(reconnect_ms=0)._config)
    next(steps)
    for answer in (None, None):
        steps.send(answer)
    assert isinstance(steps.send(START), events.Started)
    next(steps)
    with pytest.raises(NetworkError):
        steps.send(token("b", 5))


@pytest.mark.parametrize("status", [503, 429])
def test_a_first_connection_is_given_up(status: int) -> None:
    steps = follow(ChatStream({"text": "x"}), PenguinClient(max_retries=1)._config)
    refused = APIRequestError("Not now.", status=status)
    next(steps)
    assert isinstance(steps.send(refused), Pause)
    assert isinstance(next(steps), Connect)
    with pytest.raises(APIRequestError):
        steps.send(refused)


def test_the_package_is_whole() -> None:
    package = ROOT / "sdk/python"
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert sorted(name.partition(">")[0] for name in project["dependencies"]) == ["httpx", "websockets"]
    assert f"## {__version__}\n" in (package / "CHANGELOG.md").read_text()
    assert "MIT License" in (package / project["license-files"][0]).read_text()
    assert (package / "src/penguin_sdk/py.typed").exists()
