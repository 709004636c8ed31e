"""What a reader is sent: whatever is lost, late, doubled or reordered, it ends with exactly the committed text.

A small world stands for the tables and the network: a worker that writes parts in pieces, completes them, or is lost in
the middle; hints that arrive late, twice, in another order or not at all; a client that loses its connection and comes
back with its cursor and offsets.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conversations.core.log_events import Event, EventType, Piece
from conversations.core.position import Gap, Position


def completed(seq: int, text: str | None, *, part: str = "p", length: int | None = None) -> Event:
    payload = {"part_id": part, "kind": "text", "length": len(text or "") if length is None else length}
    if text is not None:
        payload["text"] = text
    return Event(seq, EventType.PART_COMPLETED, "r", payload)


def piece(offset: int, text: str, *, base: int = 0, part: str = "p") -> Piece:
    return Piece("r", part, "text", offset, text, base)


def sent(position: Position, item: Event | Piece) -> list[tuple[int, str] | int]:
    """(offset, text) of pieces and seq of events."""
    return [(new.offset, new.text) if isinstance(new, Piece) else new.seq for new in position.take(item)]


def test_pieces_in_order_are_sent_as_they_are() -> None:
    position = Position(0)
    assert sent(position, piece(0, "Hel")) == [(0, "Hel")]
    assert sent(position, piece(3, "lo")) == [(3, "lo")]


def test_a_piece_that_came_before_is_not_sent_again() -> None:
    position = Position(0, {"p": 3})
    assert sent(position, piece(0, "Hel")) == []
    assert sent(position, piece(1, "ello")) == [(3, "lo")]  # only what is new of it


def test_offsets_count_code_points() -> None:
    position = Position(0)
    assert sent(position, piece(0, "🐧é")) == [(0, "🐧é")]
    assert sent(position, piece(2, "!")) == [(2, "!")]


@pytest.mark.parametrize(
    "item",
    [
        piece(4, "o"),  # a piece before it is missing
        piece(0, "H", base=3),  # an event before it is missing
        Event(3, EventType.RUN_STARTED, "r", {}),  # so is one here
        Event(2, EventType.RUN_STARTED, "r", None),  # a hint without its payload
        completed(2, None, length=5),  # the end of a part whose text did not come
    ],
)
def test_a_gap_changes_nothing(item: Event | Piece) -> None:
    position = Position(1)
    with pytest.raises(Gap):
        position.take(item)
    assert (position.seq, position.parts) == (1, {})


def test_the_end_of_a_part_brings_what_was_not_sent_of_it() -> None:
    position = Position(1, {"p": 3})
    assert sent(position, completed(2, "Hello")) == [(3, "lo"), 2]
    assert sent(position, piece(3, "lo")) == []  # late


def test_the_end_of_a_part_that_was_sent_needs_no_text() -> None:
    position = Position(1, {"p": 5})
    assert sent(position, completed(2, None, length=5)) == [2]


def test_an_interrupted_part_is_over() -> None:
    position = Position(1, {"p": 2})
    assert sent(position, Event(2, EventType.PART_INTERRUPTED, "r", {"part_id": "p", "length": 4})) == [2]
    assert sent(position, piece(2, "ll")) == []


@dataclass
class World:
    """The tables: the log, and the open part as fragments."""

    events: list[Event] = field(default_factory=list)
    open_part: str | None = None
    open_text: str = ""
    made: int = 0
    counted: dict[str, str] = field(default_factory=dict)  # part -> its whole text
    dropped: set[str] = field(default_factory=set)

    def append(self, event_type: str, payload: dict[str, object]) -> Event:
        event = Event(len(self.events) + 1, event_type, "r", payload)
        self.events.append(event)
        return event


@dataclass
class Client:
    """What a client keeps over its connections: its cursor, and the text of each part."""

    cursor: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def receive(self, item: Event | Piece) -> None:
        if isinstance(item, Piece):
            assert item.part_id not in self.dropped
            known = self.texts.get(item.part_id, "")
            assert item.offset == len(known), "a piece twice, or not in order"
            self.texts[item.part_id] = known + item.text
        else:
            assert item.seq == self.cursor + 1, "an event twice, or not in order"
            self.cursor = item.seq
            if item.type == EventType.PART_INTERRUPTED:
                assert item.payload
                self.dropped.add(item.payload["part_id"])
                self.texts.pop(item.payload["part_id"], None)


class Readers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.client = Client()
        self.position = Position(0)
        self.network: list[Event | Piece] = []

    # The worker

    @rule(text=st.text("ab🐧é", min_size=1, max_size=5))
    def write(self, text: str) -> None:
        world = self.world
        if world.open_part is None:
            world.made += 1
            world.open_part, world.open_text = f"part-{world.made}", ""
        self.network.append(piece(len(world.open_text), text, base=len(world.events), part=world.open_part))
        world.open_text += text

    @precondition(lambda self: self.world.open_part)
    @rule(bare=st.booleans(), tail=st.text("ab", max_size=3))
    def complete(self, bare: bool, tail: str) -> None:
        """The last piece goes out in the same breath as the end; the hint of the end may come without the text."""
        world = self.world
        part, text = world.open_part or "", world.open_text + tail
        if tail:
            self.network.append(piece(len(world.open_text), tail, part=part))
        payload = {"part_id": part, "kind": "text", "length": len(text), "text": text}
        event = world.append(EventType.PART_COMPLETED, payload)
        world.counted[part] = text
        world.open_part = None
        hint = {key: value for key, value in payload.items() if key != "text"} if bare else payload
        self.network.append(Event(event.seq, event.type, "r", hint))

    @precondition(lambda self: self.world.open_part)
    @rule()
    def lose_worker(self) -> None:
        world = self.world
        event = world.append(
            EventType.PART_INTERRUPTED, {"part_id": world.open_part, "length": len(world.open_text)}
        )
        world.dropped.add(world.open_part or "")
        world.open_part = None
        self.network.append(event)

    @rule()
    def something_else_happens(self) -> None:
        self.network.append(self.world.append(EventType.RUN_STARTED, {"attempt": 1}))

    # The network

    @precondition(lambda self: self.network)
    @rule(data=st.data(), again=st.booleans())
    def deliver(self, data: st.DataObject, again: bool) -> None:
        index = data.draw(st.integers(0, len(self.network) - 1))
        item = self.network[index] if again else self.network.pop(index)
        try:
            self._send(self.position.take(item))
        except Gap:
            self._read_tables()

    @precondition(lambda self: self.network)
    @rule()
    def lose(self) -> None:
        self.network.clear()

    # The client

    @rule(keeps_offsets=st.booleans())
    def reconnect(self, keeps_offsets: bool) -> None:
        """Without offsets the text of a part that is still open comes from its beginning: the client starts it anew."""
        open_texts = {
            part: text for part, text in self.client.texts.items() if part not in self._ended_for_client()
        }
        if not keeps_offsets:
            for part in open_texts:
                del self.client.texts[part]
            open_texts = {}
        self.position = Position(self.client.cursor, {part: len(text) for part, text in open_texts.items()})
        self._read_tables()

    def _ended_for_client(self) -> set[str]:
        seen = self.world.events[: self.client.cursor]
        return {event.payload["part_id"] for event in seen if event.payload and "part_id" in event.payload}

    def _send(self, items: list[Event | Piece]) -> None:
        for item in items:
            self.client.receive(item)

    def _read_tables(self) -> None:
        """What `read_log` gives: the events behind the position, the parts closed lately, the open part's text."""
        world = self.world
        for event in world.events[self.position.seq :]:
            self._send(self.position.take(event))
        closed = [
            event.payload["part_id"] for event in world.events if event.payload and "part_id" in event.payload
        ]
        self.position.remember_closed(closed)
        if world.open_part:
            self._send(self.position.take(piece(0, world.open_text, part=world.open_part)))

    # The promise

    @invariant()
    def nothing_is_ever_wrong(self) -> None:
        for part, text in self.client.texts.items():
            whole = self.world.counted.get(
                part, self.world.open_text if part == self.world.open_part else None
            )
            if part not in self.world.dropped:
                assert whole is not None and whole.startswith(text)

    def teardown(self) -> None:
        """In the end every reader looks into the tables once more (the poll), and has everything."""
        self._read_tables()
        assert self.client.cursor == len(self.world.events)
        expected = dict(self.world.counted)
        if self.world.open_part:
            expected[self.world.open_part] = self.world.open_text
        assert {part: text for part, text in self.client.texts.items() if text} == {
            part: text for part, text in expected.items() if text
        }


TestReaders = Readers.TestCase
TestReaders.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
