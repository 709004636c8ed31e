"""`POST /chat/message` on real processes: answers, ids, attachments, idempotency, `on_busy`, failures of the model."""

import base64
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.model_script import default_answer, token_texts
from tests.processes import eventually
from tests.stack import Stack

CHAT = "/api/v1/chat/message"


def new_id() -> str:
    return f"rest-{uuid4().hex}"


def say(stack: Stack, text: str, **fields: Any) -> tuple[int, Any]:
    return stack.request("POST", CHAT, {"text": text, **fields})


def run_of(stack: Stack, run_id: str) -> dict[str, Any]:
    status, body = stack.request("GET", f"/api/v1/runs/{run_id}")
    assert status == 200
    found: dict[str, Any] = body
    return found


def ended(stack: Stack, run_id: str) -> dict[str, Any]:
    """The run once it has ended."""

    def look() -> dict[str, Any] | None:
        run = run_of(stack, run_id)
        return run if run["finished_at"] else None

    found: dict[str, Any] = eventually(look, seconds=20)  # type: ignore[assignment]
    return found


def busy_conversation(stack: Stack, *, tokens: int = 200, delay: int = 20) -> tuple[str, str]:
    """(session id, run id) of a conversation whose answer is being written."""
    session_id = new_id()
    text = f"{session_id} [[tokens={tokens} delay={delay}]]"
    status, body = say(stack, text, session_id=session_id, wait=False)
    assert status == 202
    eventually(lambda: stack.sql("SELECT 1 FROM fragment WHERE run_id = %s", body["run_id"]))
    return session_id, body["run_id"]


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# Answers


def test_without_an_id_each_message_makes_a_conversation(stack: Stack) -> None:
    (status, first), (_, second) = say(stack, "Hello"), say(stack, "Hello")
    assert status == 200
    assert first["response"] == default_answer("Hello")
    assert first["session_id"] == first["conversation_id"]
    assert first["session_id"] != second["session_id"]
    assert (first["status"], first["aborted"], first["action_results"]) == ("completed", False, [])
    usage = first["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


def test_an_id_continues_the_conversation_and_the_model_sees_it(stack: Stack) -> None:
    session_id = new_id()
    say(stack, "My name is Ada", session_id=session_id)
    status, second = say(stack, f"What is my name? {session_id}", conversation_id=session_id)
    assert status == 200
    [request] = stack.model_requests(contains=f"What is my name? {session_id}")
    said = [(message["role"], message["content"]) for message in request["body"]["messages"]]
    assert said[0][0] == "system"
    assert said[1:] == [
        ("user", "My name is Ada"),
        ("assistant", default_answer("My name is Ada")),
        ("user", f"What is my name? {session_id}"),
    ]
    _, conversation = stack.request("GET", f"/api/v1/conversations/{session_id}")
    assert [message["role"] for message in conversation["messages"]] == [
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert conversation["messages"][3]["content"] == second["response"]
    assert conversation["messages"][3]["id"] == second["message_id"]


def test_without_waiting_the_run_is_named_and_goes_on(stack: Stack) -> None:
    status, accepted = say(stack, "later [[tokens=5 delay=20]]", wait=False)
    assert (status, accepted["status"]) == (202, "queued")
    run = ended(stack, accepted["run_id"])
    assert (run["status"], run["error"], run["queue_position"]) == ("completed", None, None)
    assert run["usage"]["output_tokens"] > 0


def test_reasoning_is_kept_and_shown_on_request(stack: Stack) -> None:
    _, shown = say(stack, "Why? [[reasoning=3]] [[tokens=4]]", include_reasoning=True)
    assert shown["reasoning"] == "".join(f"thought {i} 🤔 " for i in range(3))
    assert shown["response"] == "".join(token_texts("Why?", 4))
    _, hidden = say(stack, "Why? [[reasoning=3]] [[tokens=4]]")
    assert "reasoning" not in hidden


def test_usage_is_what_the_provider_reports(stack: Stack) -> None:
    _, answer = say(stack, "count [[usage input=900 output=30 reasoning=10 cached=200]]")
    usage = answer["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["reasoning_tokens"]) == (900, 30, 10)
    assert usage["cache_read_tokens"] == 200
    _, totals = stack.request("GET", f"/api/v1/token-usage?session_id={answer['session_id']}")
    assert totals["usage"]["main_model"]["total"] == 930


# What goes with a message


def test_an_image_reaches_the_model_as_an_image(stack: Stack) -> None:
    marker = uuid4().hex
    url = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    status, _ = say(stack, f"What is this? {marker}", images=[url], model="openai-chat:gpt-4o")
    assert status == 200
    [request] = stack.model_requests(contains=marker)
    parts = request["body"]["messages"][-1]["content"]
    assert [part["type"] for part in parts] in (["text", "image_url"], ["image_url", "text"])
    [image] = [part for part in parts if part["type"] == "image_url"]
    assert image["image_url"]["url"] == url


def test_an_image_file_of_the_bound_directory(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    fields = {"session_id": new_id(), "directory": str(tmp_path)}
    assert say(stack, "Look", image_paths=["a.png"], **fields)[0] == 200
    assert say(stack, "Look", image_paths=["missing.png"], **fields)[0] == 404
    assert say(stack, "Look", image_paths=["../a.png"], **fields)[0] == 400


def test_context_and_context_files_reach_the_model(stack: Stack) -> None:
    folder = stack.directory / "data" / "workspace" / "context"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.md").write_text("The sky is green here.")
    marker = uuid4().hex
    status, _ = say(stack, f"And? {marker}", context={"city": "Ulm"}, context_files=["facts.md"])
    assert status == 200
    [request] = stack.model_requests(contains=marker)
    content = request["body"]["messages"][-1]["content"]
    assert "The sky is green here." in content
    assert '"city": "Ulm"' in content
    assert content.endswith(marker)
    assert say(stack, "And?", context_files=["missing.md"])[0] == 404
    assert say(stack, "And?", context_files=["../../secret"])[0] == 400


# Wrong input


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"text": None}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": 5}, "text"),
        ({"session_id": 5}, "session_id"),
        ({"session_id": "a/b"}, "session_id"),
        ({"session_id": "create"}, "session_id"),
        ({"session_id": "a", "conversation_id": "b"}, "conversation_id"),
        ({"directory": "relative"}, "directory"),
        ({"directory": "/no/such/place"}, "directory"),
        ({"directory": "/"}, "directory"),
        ({"directory": "/etc"}, "directory"),
        ({"directory": "/etc/hostname"}, "directory"),
        ({"context": []}, "context"),
        ({"context_files": "a"}, "context_files"),
        ({"images": ["nonsense"]}, "images"),
        ({"image_paths": ["a.png"]}, "image_paths"),
        ({"agent_mode": "fly"}, "agent_mode"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"max_iterations": "5"}, "max_iterations"),
        ({"include_reasoning": "yes"}, "include_reasoning"),
        ({"client_message_id": ""}, "client_message_id"),
        ({"on_busy": "panic"}, "on_busy"),
        ({"wait": "true"}, "wait"),
    ],
)
def test_a_wrong_field_is_named(stack: Stack, fields: dict[str, Any], loc: str) -> None:
    before = stack.sql("SELECT count(*) FROM message")
    status, body = stack.request("POST", CHAT, {"text": "Hello", **fields})
    assert status == 400
    assert body["detail"]
    assert body["errors"][0]["loc"][:2] == ["body", loc]
    assert stack.sql("SELECT count(*) FROM message") == before


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("nonsense", "unknown_model"),
        ("no-such:model", "unknown_model"),
        ("anthropic:claude", "missing_credentials"),
    ],
)
def test_a_model_that_cannot_be_asked(stack: Stack, model: str, code: str) -> None:
    status, body = say(stack, "Hello", model=model)
    assert (status, body["code"]) == (400, code)


# Directories


def test_the_first_directory_binds(stack: Stack, tmp_path: Path) -> None:
    session_id = new_id()
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (tmp_path / "link").symlink_to(one)
    assert say(stack, "Hello", session_id=session_id, directory=str(one))[0] == 200
    assert say(stack, "Hello", session_id=session_id)[0] == 200
    assert say(stack, "Hello", session_id=session_id, directory=f"{one}/../one/")[0] == 200
    assert say(stack, "Hello", session_id=session_id, directory=str(tmp_path / "link"))[0] == 200
    status, body = say(stack, "Hello", session_id=session_id, directory=str(two))
    assert (status, body["code"]) == (409, "directory_conflict")
    _, conversation = stack.request("GET", f"/api/v1/conversations/{session_id}")
    assert (conversation["directory"], conversation["message_count"]) == (str(one), 8)


# The same message again


def test_a_repeated_message_is_the_same_message(stack: Stack) -> None:
    fields = {"session_id": new_id(), "client_message_id": "m1"}
    (_, first), (_, again) = say(stack, "Hello", **fields), say(stack, "Hello", **fields)
    assert again == first
    status, body = say(stack, "Goodbye", **fields)
    assert (status, body["code"]) == (409, "idempotency_mismatch")
    assert stack.sql("SELECT count(*) FROM run JOIN conversation c ON c.id = conversation_id WHERE session_id = %s",
                     fields["session_id"]) == [(1,)]  # fmt: skip


def test_without_a_session_the_id_of_the_message_counts_for_the_caller(stack: Stack) -> None:
    client_message_id = uuid4().hex
    (_, first), (_, again) = (say(stack, "Hello", client_message_id=client_message_id) for _ in range(2))
    assert again["session_id"] == first["session_id"]


def test_ten_copies_at_once_are_one_message(stack: Stack) -> None:
    fields = {"session_id": new_id(), "client_message_id": "m1"}
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: say(stack, "Hello [[tokens=10 delay=10]]", **fields), range(10)))
    assert {status for status, _ in answers} == {200}
    assert len({body["run_id"] for _, body in answers}) == 1


# A conversation that is busy


def test_messages_wait_for_their_turn_and_the_queue_is_bounded(stack: Stack) -> None:
    session_id, active = busy_conversation(stack)
    waiting = [say(stack, f"number {n}", session_id=session_id, wait=False)[1] for n in range(10)]
    assert [body["queue_position"] for body in waiting] == list(range(1, 11))
    status, body = say(stack, "one too many", session_id=session_id, wait=False)
    assert (status, body["code"]) == (429, "queue_full")
    stack.request("POST", f"/api/v1/runs/{waiting[0]['run_id']}/cancel")  # taken out of the queue
    assert run_of(stack, waiting[1]["run_id"])["queue_position"] == 1
    stack.request("POST", f"/api/v1/runs/{active}/cancel")
    runs = [ended(stack, body["run_id"]) for body in waiting]
    assert [run["status"] for run in runs] == ["cancelled"] + ["completed"] * 9
    starts = [run["started_at"] for run in runs[1:]]
    assert starts == sorted(starts)


def test_reject_names_the_run_that_is_under_way(stack: Stack) -> None:
    session_id, active = busy_conversation(stack)
    status, body = say(stack, "Hello", session_id=session_id, on_busy="reject")
    assert (status, body["code"], body["run_id"]) == (409, "conversation_busy", active)
    assert ":" in body["cursor"]
    assert say(stack, "Hello", session_id=new_id(), on_busy="reject")[0] == 200


def test_interrupt_keeps_the_partial_text_and_runs(stack: Stack) -> None:
    session_id, active = busy_conversation(stack)
    status, body = say(stack, "Stop, rather this", session_id=session_id, on_busy="interrupt")
    assert (status, body["response"]) == (200, default_answer("Stop, rather this", 2))
    interrupted = run_of(stack, active)
    assert interrupted["status"] == "cancelled"
    [(partial,)] = stack.sql("SELECT content FROM message WHERE id = %s", interrupted["answer_message_id"])
    whole = "".join(token_texts(session_id, 200))
    assert partial
    assert whole.startswith(partial) and partial != whole


def test_steering_reaches_the_model_before_the_run_ends(stack: Stack) -> None:
    session_id, active = busy_conversation(stack, tokens=30)
    status, body = say(stack, f"And shorter, {session_id}", session_id=session_id, on_busy="steer")
    assert (status, body["run_id"]) == (200, active)
    assert body["response"] == default_answer(f"And shorter, {session_id}", 2)
    last = stack.model_requests(contains=f"And shorter, {session_id}")[-1]
    assert [message["role"] for message in last["body"]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    _, conversation = stack.request("GET", f"/api/v1/conversations/{session_id}")
    assert [message["role"] for message in conversation["messages"]] == ["user", "user", "assistant"]
    assert conversation["message_count"] == 3


# Cancel and retry


def test_a_cancelled_answer_keeps_its_text_and_the_model_is_hung_up_on(stack: Stack) -> None:
    session_id, active = busy_conversation(stack)
    status, _ = stack.request("POST", f"/api/v1/runs/{active}/cancel")
    assert status in (200, 202)
    assert ended(stack, active)["status"] == "cancelled"
    status, again = stack.request("POST", f"/api/v1/runs/{active}/cancel")
    assert (status, again["status"]) == (200, "cancelled")
    assert eventually(lambda: stack.model_requests(contains=session_id)[0]["outcome"]) == "client_gone"


def test_a_retry_is_a_new_run_for_the_same_message(stack: Stack) -> None:
    marker = uuid4().hex
    status, failed = say(stack, f"{marker} [[error=500 times=4]]")
    assert (status, failed["code"]) == (502, "provider_error")
    assert stack.request("POST", f"/api/v1/runs/{uuid4()}/retry")[0] == 404
    status, retry = stack.request("POST", f"/api/v1/runs/{failed['run_id']}/retry")
    assert (status, retry["retry_of"]) == (202, failed["run_id"])
    assert ended(stack, retry["id"])["status"] == "completed"
    roles = [m["role"] for m in stack.model_requests(contains=marker)[-1]["body"]["messages"]]
    assert roles == ["system", "user"]


# Failures of the model


@pytest.mark.parametrize(
    ("script", "status", "code", "retryable"),
    [
        ("[[error=401]]", 502, "provider_error", False),
        ("[[error=400]]", 502, "provider_error", False),
        ("[[error=503 retry_after=0.01]]", 502, "provider_error", True),
        ("[[error=429 retry_after=0.01]]", 503, "provider_rate_limited", True),
        ("[[error=408 retry_after=0.01]]", 504, "provider_timeout", True),
        ("[[overflow]]", 400, "context_overflow", False),
        ("[[tokens=3]] [[cut]]", 502, "provider_error", True),
    ],
)
def test_a_provider_failure_has_its_code(
    stack: Stack, script: str, status: int, code: str, retryable: bool
) -> None:
    got, body = say(stack, f"Hello {uuid4().hex} {script}")
    assert (got, body["code"]) == (status, code)
    assert body["retryable"] is retryable
    run = run_of(stack, body["run_id"])
    assert (run["status"], run["error"]["kind"]) == ("failed", code)


def test_a_call_that_failed_before_its_first_word_is_made_again(stack: Stack) -> None:
    marker = uuid4().hex
    status, body = say(stack, f"{marker} [[error=429 retry_after=0.01 times=2]]")
    assert (status, body["response"]) == (200, default_answer(marker))
    assert len(stack.model_requests(contains=marker)) == 3


def test_a_call_that_was_cut_after_its_first_word_is_not_made_again(stack: Stack) -> None:
    marker = uuid4().hex
    status, body = say(stack, f"{marker} [[tokens=3]] [[cut times=1]]")
    assert status == 502
    assert len(stack.model_requests(contains=marker)) == 1
    [(content,)] = stack.sql("SELECT content FROM message WHERE id = %s", body["message_id"])
    assert content == "".join(token_texts(marker, 3))  # what was shown stays


# When what is waited for is gone


def test_a_request_whose_conversation_is_deleted_meanwhile_is_told_so(stack: Stack) -> None:
    session_id = new_id()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(say, stack, f"{session_id} [[tokens=300 delay=20]]", session_id=session_id)
        eventually(lambda: stack.sql("SELECT 1 FROM fragment JOIN conversation c ON c.id = conversation_id"
                                     " WHERE session_id = %s", session_id))  # fmt: skip
        assert stack.request("DELETE", f"/api/v1/conversations/{session_id}")[0] == 200
        status, body = waiting.result(timeout=20)
    # The run was cancelled first: the request may still have seen that.
    assert (status, body.get("code")) == (404, "not_found") or body["status"] == "cancelled"


def test_an_old_message_is_answered_again_when_its_log_is_gone(stack: Stack) -> None:
    fields = {"session_id": new_id(), "client_message_id": "m1"}
    _, first = say(stack, "Hello", **fields)
    stack.sql(
        "WITH c AS (UPDATE conversation SET kept_after_seq = head_seq WHERE session_id = %s RETURNING id)"
        " DELETE FROM conversation_event USING c WHERE conversation_id = c.id",
        fields["session_id"],
    )
    assert say(stack, "Hello", **fields) == (200, first)
