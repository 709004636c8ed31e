"""The chat socket on real processes: frames and their order, bad frames, attaching, cancelling."""

from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.raw_socket import names, raw_socket, text_of
from tests.model_script import default_answer, token_texts
from tests.processes import eventually
from tests.stack import Stack


def new_id() -> str:
    return f"socket-{uuid4().hex}"


def slow(marker: str, tokens: int = 40, delay: int = 20) -> str:
    return f"{marker} [[tokens={tokens} delay={delay}]]"


# An answer


def test_the_frames_of_an_answer(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        assert socket.quiet()  # no greeting
        socket.send({"text": slow("Hello", 10), "session_id": session_id})
        frames = socket.until("complete")
        assert socket.quiet()
    expected = "".join(token_texts("Hello", 10))
    assert names(frames)[0] == "start"
    assert set(names(frames)[1:-1]) == {"token"}
    start, complete = frames[0][1], frames[-1][1]
    assert start["conversation_id"] == start["session_id"] == session_id
    assert complete["message_id"] == start["message_id"]
    assert complete["response"] == text_of(frames) == expected
    assert (complete["status"], complete["aborted"], complete["action_results"]) == ("completed", False, [])
    assert complete["usage"]["total_tokens"] > 0
    assert {data["run_id"] for _, data in frames} == {start["run_id"]}
    offset = 0
    for name, data in frames[1:-1]:
        assert (name, data["offset"]) == ("token", offset)
        offset += len(data["token"])  # code points, not UTF-16 units: the text is full of penguins


def test_without_an_id_a_conversation_is_made(stack: Stack) -> None:
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Hello"})
        first = socket.until("complete")[-1][1]
        socket.send({"text": "Hello"})
        second = socket.until("complete")[-1][1]
    assert first["response"] == second["response"] == default_answer("Hello")
    assert first["session_id"] != second["session_id"]


def test_reasoning_comes_in_frames_of_its_own(stack: Stack) -> None:
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Why? [[reasoning=3 delay=5]] [[tokens=4 delay=5]]", "include_reasoning": True})
        frames = socket.until("complete")
    reasoning = "".join(f"thought {i} 🤔 " for i in range(3))
    assert text_of(frames, "reasoning") == reasoning == frames[-1][1]["reasoning"]
    assert text_of(frames) == "".join(token_texts("Why?", 4)) == frames[-1][1]["response"]


def test_conversations_share_a_socket_and_messages_of_one_wait_for_each_other(stack: Stack) -> None:
    one, other = new_id(), new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": slow("first", 60), "session_id": one})
        socket.send({"text": "second", "session_id": one})
        socket.send({"text": "third", "session_id": other})
        frames = []
        while names(frames).count("complete") < 3:
            frames.append(socket.receive())
    ends = [data["session_id"] for name, data in frames if name == "complete"]
    assert ends == [other, one, one]  # another conversation does not wait
    queued = [data["position"] for name, data in frames if name == "status"]
    assert queued == [1]


def test_a_failed_run_says_so_and_ends(stack: Stack) -> None:
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": f"{uuid4().hex} [[error=429 retry_after=0.01]]"})
        frames = socket.until("complete")
    retries = [data for name, data in frames if name == "status"]
    assert [data["attempt"] for data in retries] == [2, 3, 4]
    assert all(data["status"] == "retrying" and data["code"] == "provider_rate_limited" for data in retries)
    (error, said), (complete, end) = frames[-2:]
    assert (error, said["code"], said["status"]) == ("error", "provider_rate_limited", 503)
    assert (complete, end["status"], end["response"], end["aborted"]) == ("complete", "failed", "", False)


# Bad frames


@pytest.mark.parametrize(
    ("frame", "status", "code"),
    [
        ("{nonsense", 400, "invalid_frame"),
        ("[1, 2]", 400, "invalid_frame"),
        ('"text"', 400, "invalid_frame"),
        (b"\x00\x01", 400, "invalid_frame"),
        ('{"text": "a\\u0000b"}', 400, "invalid_frame"),
        ('{"text": "\\ud800"}', 400, "invalid_frame"),
        ({"type": "nonsense"}, 400, "unknown_type"),
        ({"type": 7}, 400, "unknown_type"),
        ({}, 400, "validation_error"),
        ({"text": ""}, 400, "validation_error"),
        ({"text": 5}, 400, "validation_error"),
        ({"text": "a", "session_id": "a b"}, 400, "validation_error"),
        ({"text": "a", "session_id": "a", "conversation_id": "b"}, 400, "validation_error"),
        ({"text": "a", "directory": "/no/such/place"}, 400, "invalid_directory"),
        ({"text": "a", "model": "nonsense"}, 400, "unknown_model"),
        ({"text": "a", "context_files": ["missing"]}, 404, "not_found"),
        ({"type": "attach"}, 400, "validation_error"),
        ({"type": "attach", "session_id": "no-such-session"}, 404, "not_found"),
        ({"type": "attach", "session_id": "a", "after": "nonsense"}, 400, "validation_error"),
        ({"type": "attach", "session_id": "a", "parts": {"p": -1}}, 400, "validation_error"),
        ({"type": "attach", "session_id": "a", "parts": [1]}, 400, "validation_error"),
        ({"type": "cancel", "run_id": "nonsense"}, 400, "validation_error"),
        ({"type": "cancel", "run_id": str(uuid4())}, 404, "not_found"),
        ({"type": "cancel"}, 404, "not_found"),
    ],
)
def test_a_bad_frame_gets_an_error_and_the_socket_lives_on(
    stack: Stack, frame: object, status: int, code: str
) -> None:
    with raw_socket(stack.webs[0]) as socket:
        socket.send(frame)
        name, data = socket.receive()
        assert (name, data["status"], data["code"]) == ("error", status, code)
        assert data["message"]
        socket.send({"type": "ping"})
        assert socket.receive()[0] == "pong"


def test_rebinding_a_directory_is_refused_on_the_socket_too(stack: Stack, tmp_path: Path) -> None:
    session_id = new_id()
    (tmp_path / "other").mkdir()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Hello", "session_id": session_id, "directory": str(tmp_path)})
        socket.until("complete")
        socket.send({"text": "Hello", "session_id": session_id, "directory": str(tmp_path / "other")})
        name, data = socket.receive()
        assert (name, data["status"], data["code"]) == ("error", 409, "directory_conflict")


def test_a_wrong_key_is_refused(stack: Stack) -> None:
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus), raw_socket(stack.webs[0], key="wrong"):
        pass


# Attaching


def test_a_second_socket_follows_from_any_place(stack: Stack) -> None:
    """At the other web: whole from the start, from a cursor with offsets, and live."""
    session_id = new_id()
    expected = "".join(token_texts("Hello", 40))
    with raw_socket(stack.webs[0]) as writer, raw_socket(stack.webs[1]) as reader:
        writer.send({"text": slow("Hello"), "session_id": session_id})
        seen = [writer.receive() for _ in range(6)]
        cursor, part_id = seen[0][1]["cursor"], seen[1][1]["part_id"]

        reader.send({"type": "attach", "session_id": session_id})
        whole = reader.until("complete")
        assert names(whole)[0] == "start"
        assert names(whole).count("synced") == 1
        assert text_of(whole) == expected

        had = text_of(seen)
        reader.send(
            {"type": "attach", "session_id": session_id, "after": cursor, "parts": {part_id: len(had)}}
        )
        rest = reader.until("synced")
        assert had + text_of(rest) == expected
        assert names(rest)[-2:] == ["complete", "synced"]

        reader.send({"type": "attach", "session_id": session_id, "after": rest[-2][1]["cursor"]})
        assert names(reader.until("synced")) == ["synced"]
        writer.until("complete")
        writer.send({"text": "More", "session_id": session_id})
        live = reader.until("complete")
        assert (names(live)[0], text_of(live)) == ("start", default_answer("More", 2))


def test_a_socket_that_attached_hears_its_own_messages_once(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Hello", "session_id": session_id})
        socket.until("complete")
        socket.send({"type": "attach", "session_id": session_id})
        socket.until("synced")
        socket.send({"text": "Again", "session_id": session_id})
        frames = socket.until("complete")
        assert names(frames).count("start") == 1
        assert text_of(frames) == default_answer("Again", 2)
        assert socket.quiet()


def test_cursors_of_another_life_and_from_the_future_are_reset(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Hello", "session_id": session_id})
        end = socket.until("complete")[-1][1]["cursor"]
        epoch = end.partition(":")[0]
        for cursor in ("00000000:1", f"{epoch}:999"):
            socket.send({"type": "attach", "session_id": session_id, "after": cursor})
            frames = socket.until("synced")
            assert names(frames) == ["cursor_reset", "synced"]
            assert frames[0][1]["cursor"] == end


def test_a_cursor_before_what_is_kept_of_the_log_is_told_so(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Hello", "session_id": session_id})
        start = socket.until("complete")[0][1]["cursor"]
        [(conversation_id, head)] = stack.sql(
            "SELECT id, head_seq FROM conversation WHERE session_id = %s", session_id
        )
        stack.sql("UPDATE conversation SET kept_after_seq = %s WHERE id = %s", head, conversation_id)
        stack.sql("DELETE FROM conversation_event WHERE conversation_id = %s", conversation_id)
        socket.send({"type": "attach", "session_id": session_id, "after": start})
        frames = socket.until("synced")
        assert names(frames) == ["replay_gap", "synced"]
        status, snapshot = stack.request("GET", frames[0][1]["snapshot"])
        assert status == 200
        assert [message["role"] for message in snapshot["messages"]] == ["user", "assistant"]


def test_a_long_log_is_replayed_whole(stack: Stack) -> None:
    """More events than one page has, in order, to a reader that takes its time."""
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Hello", "session_id": session_id})
        first = socket.until("complete")[-1][1]
        stack.sql(
            "INSERT INTO conversation_event (conversation_id, seq, run_id, type, payload)"
            " SELECT id, head_seq + n, %s, 'run.retrying', jsonb_build_object('attempt', n)"
            " FROM conversation, generate_series(1, 1500) n WHERE session_id = %s",
            first["run_id"],
            session_id,
        )
        stack.sql("UPDATE conversation SET head_seq = head_seq + 1500 WHERE session_id = %s", session_id)
        socket.send({"type": "attach", "session_id": session_id, "after": first["cursor"]})
        frames = socket.until("synced")
    assert [data["attempt"] for name, data in frames if name == "status"] == list(range(1, 1501))


def test_deleting_a_conversation_is_told_to_those_who_follow_it(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket, raw_socket(stack.webs[1]) as other:
        socket.send({"text": slow(session_id, 200), "session_id": session_id})
        socket.until("token")
        other.send({"type": "attach", "session_id": session_id})
        other.until("synced")
        status, _ = stack.request("DELETE", f"/api/v1/conversations/{session_id}")
        assert status in (200, 204)
        assert other.until("error")[-1][1]["code"] == "conversation_deleted"
    counts = stack.sql(
        "SELECT (SELECT count(*) FROM conversation WHERE session_id = %s), (SELECT count(*) FROM fragment f"
        " WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id = f.conversation_id))",
        session_id,
    )
    assert counts == [(0, 0)]


# Cancelling


def test_cancel_is_heard_while_an_answer_streams(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": slow(session_id, 500), "session_id": session_id})
        before = socket.until("token")
        socket.send({"type": "cancel"})
        frames = before + socket.until("complete")
    end = frames[-1][1]
    assert (end["status"], end["aborted"]) == ("cancelled", True)
    assert end["response"] == text_of(frames)  # what was shown is kept
    assert "".join(token_texts(session_id, 500)).startswith(end["response"])
    assert eventually(lambda: stack.model_requests(contains=session_id)[0]["outcome"]) == "client_gone"


def test_closing_the_socket_stops_nothing(stack: Stack) -> None:
    session_id = new_id()
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": slow("Hello", 15), "session_id": session_id})
        run_id = socket.receive()[1]["run_id"]
    eventually(lambda: stack.sql("SELECT 1 FROM run WHERE id = %s AND status = 'completed'", run_id))
    _, conversation = stack.request("GET", f"/api/v1/conversations/{session_id}")
    assert conversation["messages"][-1]["content"] == "".join(token_texts("Hello", 15))


def test_another_persons_conversation_cannot_be_followed(stack: Stack) -> None:
    """The local owner's session ids are their own: for somebody else there is no such conversation."""
    session_id = new_id()
    stack.sql(
        "WITH person AS (INSERT INTO penguin_site_user (username, password, is_superuser, is_staff, is_active,"
        " first_name, last_name, email, date_joined) VALUES (%s, '', false, false, true, '', '', '', now())"
        " RETURNING id) INSERT INTO conversation (owner_id, session_id, epoch) SELECT id, %s, '0a1b2c3d' FROM person",
        new_id(),
        session_id,
    )
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"type": "attach", "session_id": session_id})
        name, data = socket.receive()
        assert (name, data["status"]) == ("error", 404)


def test_a_frame_of_more_than_a_mebibyte_is_refused(stack: Stack) -> None:
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "x" * 1_100_000})
        name, data = socket.receive()
        assert (name, data["status"], data["code"]) == ("error", 413, "payload_too_large")
        socket.send({"text": "x" * 5_000_000})  # not even read
        with pytest.raises(ConnectionClosed) as closed:
            socket.receive()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1009
