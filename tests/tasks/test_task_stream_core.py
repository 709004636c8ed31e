"""The frames of the socket of tasks, made from the log of a conversation: a table."""

from typing import Any

import pytest

from conversations.core.log_events import Event, EventType, Piece
from tasks.core import task_frames

TASK = {"id": "t1", "name": "Do it", "project_id": None, "status": "running"}
WORK = {
    "id": "e1",
    "status": "running",
    "wait_reason": "",
    "task": TASK,
    "progress": None,
    "stop_reason": "",
    "result": None,
    "error": None,
}
APPROVAL = {"id": "a1"}
QUESTION = {"id": "q1", "question": "Which?"}
USAGE = {"total_tokens": 5}
CALL = {"tool_call_id": "c1", "tool": "read_file", "arguments": {}}


def ended(status: str, **more: Any) -> dict[str, Any]:
    return {"execution": {**WORK, "status": status, "stop_reason": "finished", **more}}


def run_ended(**more: Any) -> dict[str, Any]:
    common = {"status": "completed", "answer_id": "m1", "usage": USAGE, "aborted": False, "response": ""}
    return {**common, "action_results": [], **more}


ERROR = {"kind": "provider_error", "message": "No", "retryable": True}
# Entry, payload, the frame that it becomes, and what that says among other things.
TABLE: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (EventType.EXECUTION_STARTED, {"execution": WORK}, "task_started", {"task_id": "t1", "name": "Do it"}),
    (
        EventType.EXECUTION_UPDATED,
        {"execution": {**WORK, "status": "waiting", "wait_reason": "approval"}},
        "task_progress",
        {"kind": "execution", "status": "waiting", "wait_reason": "approval"},
    ),
    (EventType.EXECUTION_ENDED, ended("completed"), "task_completed", {"stop_reason": "finished"}),
    (EventType.EXECUTION_ENDED, ended("failed", error=ERROR), "task_failed", {"error": ERROR}),
    (EventType.EXECUTION_ENDED, ended("cancelled"), "task_cancelled", {"status": "cancelled"}),
    (EventType.EXECUTION_ENDED, ended("timed_out"), "time_limit_reached", {"status": "timed_out"}),
    (
        EventType.EXECUTION_ENDED,
        ended("completed", stop_reason="time_limit"),
        "time_limit_reached",
        {"status": "completed"},
    ),
    (EventType.TASK_UPDATED, {"task": TASK}, "task_progress", {"kind": "task", "task": TASK}),
    (
        EventType.RUN_QUEUED,
        {"message_id": "u1", "answer_id": "m1", "position": 0},
        "task_progress",
        {"kind": "run", "phase": "start", "message_id": "m1"},
    ),
    (
        EventType.RUN_ENDED,
        run_ended(),
        "task_progress",
        {"kind": "run", "phase": "end", "status": "completed", "usage": USAGE, "error": None},
    ),
    (EventType.RUN_ENDED, run_ended(status="failed", error=ERROR), "task_progress", {"error": ERROR}),
    (
        EventType.PART_INTERRUPTED,
        {"part_id": "p1", "kind": "text", "length": 3},
        "task_progress",
        {"kind": "status", "status": "interrupted", "part_id": "p1"},
    ),
    (EventType.TODOS_UPDATED, {"todos": []}, "task_progress", {"kind": "todos", "todos": []}),
    (EventType.TOOL_STARTED, CALL, "tool", {"phase": "start", "action": "read_file"}),
    (EventType.APPROVAL_ASKED, {"approval": APPROVAL}, "approval", {"phase": "asked", "approval": APPROVAL}),
    (EventType.APPROVAL_EXPIRED, {"approval": APPROVAL}, "approval", {"phase": "expired"}),
    (EventType.QUESTION_ASKED, {"question": QUESTION}, "clarification_needed", {"question": QUESTION}),
    (
        EventType.QUESTION_ANSWERED,
        {"question": QUESTION},
        "task_progress",
        {"kind": "clarification", "phase": "answered"},
    ),
]


def frames(kind: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
    event = Event(7, kind, "r1", payload)
    return task_frames.of_event(event, session_id="s1", epoch="0a1b2c3d", execution_id="e1")


@pytest.mark.parametrize("kind, payload, name, said", TABLE, ids=[f"{row[0]}-{row[2]}" for row in TABLE])
def test_what_an_entry_becomes(kind, payload, name, said):
    (made,) = frames(kind, payload)
    assert made["event"] == name
    assert {key: made["data"].get(key) for key in said} == said
    # In this order: the cursor is read from the beginning of what was sent.
    assert list(made["data"])[:3] == ["session_id", "run_id", "cursor"]
    assert (made["data"]["cursor"], made["data"]["execution_id"]) == ("0a1b2c3d:7", "e1")


def test_an_answer_comes_before_the_end_of_its_run():
    message, end = frames(EventType.RUN_ENDED, run_ended(response="Hi"))
    assert (message["event"], message["data"]["content"], message["data"]["role"]) == (
        "message",
        "Hi",
        "assistant",
    )
    assert message["data"]["message_id"] == end["data"]["message_id"] == "m1"
    # Only behind the last of them everything of the entry has been seen.
    assert "cursor" not in message["data"]
    assert end["data"]["cursor"] == "0a1b2c3d:7"


@pytest.mark.parametrize(
    "kind, payload",
    [
        (EventType.EXECUTION_STARTED, {"execution": {**WORK, "id": "another"}}),
        (EventType.EXECUTION_ENDED, {"execution": {**WORK, "id": "another", "status": "completed"}}),
        (EventType.PART_COMPLETED, {"part_id": "p1", "kind": "text", "text": "Hi", "length": 2}),  # in tokens
        (EventType.RUN_STARTED, {"attempt": 1}),
        ("something.new", {"what": "ever"}),
    ],
)
def test_what_does_not_concern_the_watcher(kind, payload):
    assert frames(kind, payload) == []


@pytest.mark.parametrize("kind, names", [("text", ["token"]), ("reasoning", []), ("output", ["tool"])])
def test_text_on_its_way(kind, names):
    piece = Piece("r1", "p1", kind, 3, "lo")
    made = task_frames.of_piece(piece, session_id="s1", execution_id="e1")
    assert [frame["event"] for frame in made] == names
    for frame in made:
        assert (frame["data"]["offset"], frame["data"]["execution_id"]) == (3, "e1")
        assert "cursor" not in frame["data"]
