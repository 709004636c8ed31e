"""Cursors, ids, usage, the frames of the chat socket, the payloads of NOTIFY: tables."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core import chat_frames, cursors, ids, usage
from conversations.core.log_events import Event, EventType, Piece
from conversations.live import wire


@pytest.mark.parametrize("text", ["0a1b2c3d:0", "0a1b2c3d:7", "ffffffff:999999999999999999"])
def test_a_cursor_survives_the_round_trip(text: str) -> None:
    assert str(cursors.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        ":7",
        "0a1b2c3d:",
        "0a1b2c3d:-1",
        "0a1b2c3d:07",
        "0A1B2C3D:7",
        "0a1b2c3d:7 ",
        "0a1b2c3d:٧",
        "x" * 500,
    ],
)
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError):
        cursors.parse(text)


@pytest.mark.parametrize(
    "name, allowed",
    [
        ("a", True),
        ("repo-session-1", True),
        ("conversation_20240330_123456", True),
        ("9.x_y:z-1", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("-a", False),
        (".a", False),
        ("a b", False),
        ("a/b", False),
        ("é", False),
        ("a\n", False),
        ("create", False),
        ("search", False),
    ],
)
def test_ids_that_clients_may_bring(name: str, allowed: bool) -> None:
    assert ids.is_session_id(name) is allowed


def test_a_new_session_id_has_its_form() -> None:
    name = ids.new_session_id(datetime(2024, 3, 30, 12, 34, 56, tzinfo=UTC))
    assert name.startswith("conversation_20240330_123456_") and len(name) == 37
    assert ids.is_session_id(name)


def test_uuids_are_ordered_by_time() -> None:
    made = [ids.uuid7() for _ in range(50)]
    assert {value.version for value in made} == {7}
    assert len(set(made)) == 50
    milliseconds = [value.int >> 80 for value in made]
    assert milliseconds == sorted(milliseconds)


def test_usage_adds_up() -> None:
    first = usage.added({}, {"input_tokens": 10, "output_tokens": 4, "reasoning_tokens": 2}, 1_500)
    second = usage.added(first, {"input_tokens": 1}, None)  # a model without a price
    assert second == {
        "input_tokens": 11,
        "output_tokens": 4,
        "reasoning_tokens": 2,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "total_tokens": 15,
        "cost_usd": 0.0015,
    }


def _ended(**more: Any) -> Event:
    payload = {
        "status": "completed",
        "answer_id": "m1",
        "usage": usage.empty(),
        "aborted": False,
        "response": "Hi",
        **more,
    }
    return Event(9, EventType.RUN_ENDED, "r1", payload)


@pytest.mark.parametrize(
    "event, names",
    [
        (Event(1, EventType.CONVERSATION_CREATED, None, {"title": ""}), []),
        (Event(1, EventType.RUN_QUEUED, "r1", {"answer_id": "m1", "position": 0}), ["start"]),
        (Event(1, EventType.RUN_QUEUED, "r1", {"answer_id": "m1", "position": 2}), ["start", "status"]),
        (Event(2, EventType.RUN_STARTED, "r1", {"attempt": 1}), []),
        (Event(2, EventType.RUN_REQUEUED, "r1", {"reason": "worker_lost"}), ["status"]),
        (
            Event(
                2, EventType.PART_COMPLETED, "r1", {"part_id": "p", "kind": "text", "text": "a", "length": 1}
            ),
            [],
        ),
        (
            Event(2, EventType.PART_INTERRUPTED, "r1", {"part_id": "p", "kind": "text", "length": 1}),
            ["status"],
        ),
        (_ended(), ["complete"]),
        (
            _ended(status="failed", error={"kind": "provider_error", "message": "No", "retryable": True}),
            ["error", "complete"],
        ),
    ],
)
def test_the_frames_of_an_event(event: Event, names: list[str]) -> None:
    frames = chat_frames.of_event(event, session_id="s1", epoch="0a1b2c3d")
    assert [frame["event"] for frame in frames] == names
    for frame in frames:
        assert frame["data"]["session_id"] == "s1" and frame["data"]["run_id"] == "r1"
        if frame["event"] != "error":
            assert frame["data"]["cursor"] == f"0a1b2c3d:{event.seq}"


def test_what_moderators_decide_belongs_to_no_run() -> None:
    """It may come long after the `complete` that is the last frame of its run."""
    event = Event(9, EventType.MESSAGE_MODERATED, "r1", {"message_id": "m1", "role": "user", "hidden": True})
    [frame] = chat_frames.of_event(event, session_id="s1", epoch="0a1b2c3d")
    assert frame == {
        "event": "moderated",
        "data": {
            "session_id": "s1",
            "run_id": None,
            "cursor": "0a1b2c3d:9",
            "message_id": "m1",
            "role": "user",
            "hidden": True,
        },
    }


def test_a_complete_frame_says_everything() -> None:
    [frame] = chat_frames.of_event(_ended(reasoning="Because"), session_id="s1", epoch="0a1b2c3d")
    assert frame["data"] == {
        "session_id": "s1",
        "run_id": "r1",
        "cursor": "0a1b2c3d:9",
        "conversation_id": "s1",
        "message_id": "m1",
        "response": "Hi",
        "action_results": [],
        "status": "completed",
        "aborted": False,
        "usage": usage.empty(),
        "reasoning": "Because",
    }


def test_reasoning_has_frames_of_its_own() -> None:
    frame = chat_frames.of_piece(Piece("r1", "p1", "reasoning", 3, "hm"), session_id="s1")
    assert frame["event"] == "reasoning"
    assert frame["data"] == {"session_id": "s1", "run_id": "r1", "token": "hm", "part_id": "p1", "offset": 3}


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=60)
ITEMS = st.lists(
    st.one_of(
        st.builds(
            lambda text, repeat: wire.piece_item(1, Piece("r", "p", "text", 0, text * repeat, 2)),
            TEXTS,
            st.sampled_from([1, 50, 400]),
        ),
        st.builds(
            lambda text, repeat: wire.event_item(
                2,
                3,
                "r",
                "run.ended",
                {"response": text * repeat},
                created_at=datetime(2024, 3, 30, tzinfo=UTC),
            ),
            TEXTS,
            st.sampled_from([1, 50, 400]),
        ),
    ),
    max_size=40,
)


@given(ITEMS)
def test_payloads_fit_into_notify_and_lose_no_item(items: list[wire.Item]) -> None:
    payloads = list(wire.payloads(items))
    assert all(len(payload.encode()) <= wire.PAYLOAD_BYTES for payload in payloads)
    carried = [item for payload in payloads for item in wire.items(payload)]
    assert len(carried) == len(items)
    for sent, got in zip(items, carried, strict=True):
        assert got[1] == sent[1]  # the conversation is told in any case
        if len(orjson.dumps(sent)) + 2 <= wire.PAYLOAD_BYTES:
            assert got == sent
        elif sent[0] == "e":
            assert got == [*sent[:5], None, sent[6]]
        else:
            assert got[0] == "h"


@pytest.mark.parametrize("payload", ["", "{}", "[1]", "nonsense", '["p"]', "null"])
def test_payloads_of_others_are_ignored(payload: str) -> None:
    assert wire.items(payload) == []
