"""Live events: a table of what each entry of the log becomes, and a client that resumes after any event it had."""

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from conversations.core import live_events, usage
from conversations.core.live_events import LiveEvent, Place
from conversations.core.log_events import Event, EventType, Piece
from conversations.core.position import Gap, Position
from tests.conversations.test_core_position import World, piece

PLACE = Place("s1", "0a1b2c3d")
NOW = 1_711_802_096_123
CALL = {"tool_call_id": "t1", "tool": "read_file", "arguments": {"path": "a"}}
USAGE = usage.empty()
APPROVAL = {
    "id": "a1",
    "tool_call_id": "t1",
    "operation": "execute",
    "status": "pending",
    "resolution_scope": "",
}
QUESTION = {"id": "q1", "tool_call_id": "t1", "text": "Red?", "choices": ["yes", "no"], "status": "open"}


def made(kind: str, /, **payload: Any) -> list[LiveEvent]:
    event = Event(7, kind, "r1", payload, NOW)
    return live_events.of_event(event, place=PLACE, answer_id="m1")


def ended_call(status: str, **more: Any) -> dict[str, Any]:
    ended = {"result": "text", "truncated": False, "artifact_id": None, "message_id": "m9"}
    times = {"started_at": "2024-03-30T12:34:56.250000Z", "finished_at": "2024-03-30T12:34:57Z"}
    return {**CALL, "part_id": "t1", "status": status, **ended, **times, **more}


def ended(status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"status": status, "answer_id": "m1", "usage": USAGE, "aborted": status == "cancelled", **more}


QUEUED = {"message_id": "u1", "answer_id": "m1", "position": 0}
WORK = {"id": "e1", "status": "running"}
ERROR = {"kind": "provider_error", "message": "No", "retryable": True}
# Entry, payload, and what becomes of it: the types, and what the last event says.
TABLE: list[tuple[EventType, dict[str, Any], list[str], dict[str, Any]]] = [
    (
        EventType.CONVERSATION_CREATED,
        {"title": "A"},
        ["session.created"],
        {"title": "A", "time": {"created": NOW}},
    ),
    (EventType.CONVERSATION_UPDATED, {"archived": True}, ["session.updated"], {"archived": True}),
    (EventType.CONTEXT_LOADED, {"message_id": "u1", "file_path": "a"}, ["message.updated"], {"role": "user"}),
    (
        EventType.RUN_QUEUED,
        QUEUED,
        ["message.updated", "message.updated", "session.status"],
        {"status": "busy"},
    ),
    (
        EventType.RUN_QUEUED,
        {**QUEUED, "created": True, "title": "A"},
        ["session.created", "message.updated", "message.updated", "session.status"],
        {"status": "busy"},
    ),
    # Behind another run the session is as busy, or as stuck, as it was.
    (
        EventType.RUN_QUEUED,
        {**QUEUED, "position": 2},
        ["message.updated", "message.updated"],
        {"status": "queued", "position": 2, "parentID": "u1"},
    ),
    # The question of a repeated run is known.
    (
        EventType.RUN_QUEUED,
        {**QUEUED, "retry_of": "r0"},
        ["message.updated", "session.status"],
        {"status": "busy"},
    ),
    (EventType.RUN_STARTED, {"attempt": 1}, ["message.updated", "session.status"], {"status": "busy"}),
    (
        EventType.RUN_REQUEUED,
        {"reason": "decided"},
        ["message.updated", "session.status"],
        {"status": "busy"},
    ),
    (
        EventType.RUN_WAITING,
        {"status": "waiting_approval"},
        ["message.updated", "session.status"],
        {"status": "waiting"},
    ),
    (
        EventType.RUN_RETRYING,
        {"code": "provider_error", "message": "No", "attempt": 2, "delay_seconds": 0.5},
        ["session.status"],
        {"retry": {"code": "provider_error", "message": "No", "attempt": 2, "delaySeconds": 0.5}},
    ),
    (EventType.RUN_COMPACTING, {}, ["session.status"], {"activity": "compacting"}),
    (EventType.RUN_CANCELLING, {}, ["message.updated"], {"status": "cancelling"}),
    (
        EventType.RUN_ENDED,
        ended(session_status="idle"),
        ["usage.updated", "message.updated", "session.status"],
        {"status": "idle"},
    ),
    # A queued run was cancelled: the session is the other run's.
    (
        EventType.RUN_ENDED,
        ended("cancelled"),
        ["usage.updated", "message.updated"],
        {"status": "cancelled", "aborted": True, "time": {"completed": NOW}},
    ),
    (
        EventType.RUN_ENDED,
        ended("failed", error=ERROR),
        ["session.error", "usage.updated", "message.updated"],
        {"error": {**ERROR, "status": 502}},
    ),
    (
        EventType.PART_COMPLETED,
        {"part_id": "018e8f5a-0000-7000-8000-000000000004", "kind": "text", "length": 5, "text": "Hello"},
        ["message.part.updated"],
        {"type": "text", "status": "complete", "length": 5, "time": {"start": 0x018E8F5A0000, "end": NOW}},
    ),
    (
        EventType.PART_INTERRUPTED,
        {"part_id": "p1", "kind": "reasoning", "length": 5},
        ["message.part.updated"],
        {"type": "reasoning", "status": "interrupted", "length": 5, "time": {"start": None, "end": NOW}},
    ),
    (EventType.MESSAGE_STEERED, {"message_id": "u2"}, ["message.updated"], {"id": "u2", "role": "user"}),
    (
        EventType.MESSAGE_MODERATED,
        {"message_id": "u2", "role": "user", "hidden": True},
        ["message.updated"],
        {"id": "u2", "role": "user", "hidden": True},
    ),
    (
        EventType.TOOL_PROPOSED,
        {**CALL, "call": 1, "answer_id": "m1", "status": "pending_approval"},
        ["message.part.updated"],
        {"callID": "t1", "tool": "read_file", "state": {"status": "pending", "input": {"path": "a"}}},
    ),
    (
        EventType.TOOL_STARTED,
        CALL,
        ["message.part.updated"],
        {"state": {"status": "running", "input": {"path": "a"}, "time": {"start": NOW}}},
    ),
    (
        EventType.APPROVAL_ASKED,
        {"approval": APPROVAL},
        ["permission.asked"],
        {"permission": "execute", "id": "a1"},
    ),
    (
        EventType.APPROVAL_DECIDED,
        {"approval": {**APPROVAL, "status": "approved", "resolution_scope": "session"}},
        ["permission.replied"],
        {"requestID": "a1", "reply": "session"},
    ),
    (
        EventType.APPROVAL_DECIDED,
        {"approval": {**APPROVAL, "status": "denied"}},
        ["permission.replied"],
        {"requestID": "a1", "reply": "reject"},
    ),
    (
        EventType.APPROVAL_EXPIRED,
        {"approval": {**APPROVAL, "status": "expired"}},
        ["permission.replied"],
        {"reply": "reject"},
    ),
    (
        EventType.QUESTION_ASKED,
        {"question": QUESTION},
        ["question.asked"],
        {"id": "q1", "question": QUESTION},
    ),
    (
        EventType.QUESTION_ANSWERED,
        {"question": {**QUESTION, "answer": "yes"}},
        ["question.replied"],
        {"requestID": "q1", "answer": "yes"},
    ),
    (EventType.QUESTION_EXPIRED, {"question": QUESTION}, ["question.replied"], {"answer": None}),
    (
        EventType.RUN_PAUSED,
        {"reason": "asked"},
        ["message.updated", "session.status"],
        {"status": "waiting", "reason": "asked"},
    ),
    (EventType.TODOS_UPDATED, {"todos": [{"content": "a"}]}, ["todo.updated"], {"todos": [{"content": "a"}]}),
    (EventType.EXECUTION_STARTED, {"execution": WORK}, ["execution.started"], {"execution": WORK}),
    (EventType.EXECUTION_UPDATED, {"execution": WORK}, ["execution.updated"], {"execution": WORK}),
    (EventType.EXECUTION_ENDED, {"execution": WORK}, ["execution.ended"], {"execution": WORK}),
    (EventType.TASK_UPDATED, {"task": WORK}, ["task.updated"], {"task": WORK}),
]


@pytest.mark.parametrize("kind, payload, types, said", TABLE, ids=[str(row[0]) for row in TABLE])
def test_what_an_entry_becomes(
    kind: EventType, payload: dict[str, Any], types: list[str], said: dict[str, Any]
) -> None:
    events = made(kind, **payload)
    assert [event["type"] for event in events] == types
    properties = events[-1]["properties"]
    told = {**properties, **properties.get("info", {}), **properties.get("part", {})}
    assert {key: told.get(key) for key in said} == said
    for event in events:
        assert event["properties"]["sessionID"] == "s1"
        assert event["time"] == NOW
    # Only behind the last of them everything of the entry has been seen.
    assert [event["id"] for event in events] == [None] * (len(events) - 1) + ["0a1b2c3d:7"]
    orders = [event["order"] for event in events]
    assert orders == list(range(70, 70 + len(events)))
    json.dumps(events)


def test_no_kind_of_entry_is_forgotten() -> None:
    assert {row[0] for row in TABLE} | {EventType.TOOL_ENDED} == set(EventType)


def test_an_entry_of_a_later_version_still_moves_the_cursor() -> None:
    (event,) = made("something.new", what="ever")
    assert (event["id"], event["type"]) == ("0a1b2c3d:7", "session.updated")


@pytest.mark.parametrize(
    "status, shown",
    [
        ("completed", "completed"),
        ("error", "error"),
        ("denied", "error"),
        ("cancelled", "error"),
        ("unknown", "error"),
    ],
)
def test_the_end_of_a_tool(status: str, shown: str) -> None:
    (event,) = made(EventType.TOOL_ENDED, **ended_call(status))
    part = event["properties"]["part"]
    assert (part["callID"], part["messageID"], part["tool"]) == ("t1", "m1", "read_file")
    state = part["state"]
    assert state["status"] == shown
    assert state["outcome"] == status
    assert state["input"] == {"path": "a"}
    assert state["output" if status == "completed" else "error"] == "text"
    assert state["time"] == {"start": 1_711_802_096_250, "end": 1_711_802_097_000}


def test_a_tool_that_never_began_has_one_time() -> None:
    (event,) = made(EventType.TOOL_ENDED, **ended_call("denied", started_at=None))
    assert event["properties"]["part"]["state"]["time"] == {
        "start": 1_711_802_097_000,
        "end": 1_711_802_097_000,
    }


@pytest.mark.parametrize("kind, shown", [("text", "text"), ("reasoning", "reasoning"), ("output", "tool")])
def test_text_on_its_way(kind: str, shown: str) -> None:
    part_id = "018e8f5a-0000-7000-8000-000000000004"
    item = Piece("r1", part_id, kind, 3, "lo🐧")
    event = live_events.of_piece(item, place=PLACE, after=7, answer_id="m1")
    names = {"sessionID": "s1", "messageID": "m1"}
    part = {"id": part_id, **names, "type": shown, **({"callID": part_id} if kind == "output" else {})}
    assert event == {
        "id": None,
        "order": 79,
        "time": 0x018E8F5A0000,
        "type": "message.part.updated",
        "properties": {**names, "partID": part_id, "part": part, "delta": "lo🐧", "offset": 3},
    }


def test_text_stands_between_its_entries() -> None:
    before, after = made(EventType.RUN_STARTED, attempt=1), Event(8, EventType.RUN_CANCELLING, "r1", {}, NOW)
    text = live_events.of_piece(piece(0, "a"), place=PLACE, after=7, answer_id="m1")
    (next_one,) = live_events.of_event(after, place=PLACE, answer_id="m1")
    assert before[-1]["order"] < text["order"] < next_one["order"]


# A client that resumes


class Client:
    """Keeps what a program would: its cursor, and texts by the rule that what follows an offset is replaced."""

    def __init__(self) -> None:
        self.cursor = 0
        self.entries: list[int] = []
        self.seen: set[int] = set()
        self.texts: dict[str, str] = {}
        self.order = -1

    def receive(self, event: LiveEvent) -> None:
        assert event["order"] >= self.order, "out of order"
        self.order = event["order"]
        properties = event["properties"]
        if "delta" not in properties:
            self.seen.add(event["order"])
        if "delta" in properties:
            known = self.texts.get(properties["partID"], "")
            assert properties["offset"] <= len(known), "text is missing"
            self.texts[properties["partID"]] = known[: properties["offset"]] + properties["delta"]
        elif properties.get("part", {}).get("status") == "interrupted":
            self.texts.pop(properties["partID"], None)
        if event["id"]:
            self.cursor = int(event["id"].partition(":")[2])
            self.entries.append(self.cursor)


class Resumptions(RuleBasedStateMachine):
    """A log that grows, hints that get lost, and a connection that ends after any event."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.client = Client()
        self.position = Position(0)
        self.sent_seq = 0
        self.still: int | None = None  # so many events the connection will still carry

    # The worker

    @rule(text=st.text("ab🐧é", min_size=1, max_size=5))
    def write(self, text: str) -> None:
        world = self.world
        if world.open_part is None:
            world.made += 1
            world.open_part, world.open_text = f"part-{world.made}", ""
        part, offset = world.open_part, len(world.open_text)
        world.open_text += text
        self._hear(piece(offset, text, base=len(world.events), part=part))

    @precondition(lambda self: self.world.open_part)
    @rule(tail=st.text("ab", max_size=3))
    def complete(self, tail: str) -> None:
        world = self.world
        part, text = world.open_part or "", world.open_text + tail
        payload: dict[str, object] = {"part_id": part, "kind": "text", "length": len(text), "text": text}
        event = world.append(EventType.PART_COMPLETED, payload)
        world.counted[part], world.open_part = text, None
        self._hear(event)

    @precondition(lambda self: self.world.open_part)
    @rule()
    def interrupt(self) -> None:
        world = self.world
        payload = {"part_id": world.open_part, "kind": "text", "length": len(world.open_text)}
        world.dropped.add(world.open_part or "")
        world.open_part = None
        self._hear(world.append(EventType.PART_INTERRUPTED, payload))

    @rule(payload=st.sampled_from([QUEUED, {**QUEUED, "created": True}, {**QUEUED, "position": 1}]))
    def say(self, payload: dict[str, object]) -> None:
        """An entry of several live events."""
        self._hear(self.world.append(EventType.RUN_QUEUED, payload))

    # The connection

    @rule(events=st.integers(0, 5))
    def cut_after(self, events: int) -> None:
        if self.still is None:
            self.still = events

    @rule()
    def resume(self) -> None:
        """With nothing but the cursor, as `Last-Event-ID` does."""
        self.position, self.sent_seq = Position(self.client.cursor), self.client.cursor
        self.still, self.client.order = None, -1
        self._read_tables()

    def _hear(self, item: Event | Piece) -> None:
        try:
            self._send(self.position.take(item))
        except Gap:
            self._read_tables()

    def _send(self, items: list[Event | Piece]) -> None:
        for item in items:
            if isinstance(item, Piece):
                events = [live_events.of_piece(item, place=PLACE, after=self.sent_seq, answer_id="m1")]
            else:
                events = live_events.of_event(item, place=PLACE, answer_id="m1")
                self.sent_seq = item.seq
            for event in events:
                if self.still is not None:
                    if self.still == 0:
                        return
                    self.still -= 1
                self.client.receive(event)

    def _read_tables(self) -> None:
        world = self.world
        for event in world.events[self.position.seq :]:
            self._send(self.position.take(event))
        closed = [e.payload["part_id"] for e in world.events if e.payload and "part_id" in e.payload]
        self.position.remember_closed(closed)
        if world.open_part:
            self._send(self.position.take(piece(0, world.open_text, part=world.open_part)))

    def teardown(self) -> None:
        self.resume()
        assert self.client.entries == list(range(1, len(self.world.events) + 1)), "each entry once, in order"
        for event in self.world.events:
            orders = {e["order"] for e in live_events.of_event(event, place=PLACE, answer_id="m1")}
            assert orders <= self.client.seen, "a part of an entry is missing"
        expected = {part: text for part, text in self.world.counted.items() if text}
        if self.world.open_part:
            expected[self.world.open_part] = self.world.open_text
        assert self.client.texts == expected


TestResumptions = Resumptions.TestCase
TestResumptions.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
