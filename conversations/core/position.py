"""Where one reader stands in a conversation: what it has been sent, and what it must be sent next.

A reader is fed with events and pieces that may come late, twice, overlapping or not at all. `Position.take` says for
each of them what is to be sent (nothing, when it was sent before) or that something before it is missing; then the
owner of the position reads the log from `seq` on and feeds that first. So a client ends with exactly the text that was
committed, whatever was lost on the way.
"""

from collections.abc import Iterable, Mapping

from conversations.core.log_events import Event, EventType, Piece

# How many closed parts a position remembers. A late piece of one of them is old news; whoever feeds a position keeps
# fewer items waiting than this, so that no late piece can outlive the memory of its part.
REMEMBERED_PARTS = 1024


# Behind these no more of their part comes.
_CLOSING = {EventType.PART_COMPLETED, EventType.PART_INTERRUPTED, EventType.TOOL_ENDED}


class Gap(Exception):
    """Something between this reader's position and the item is missing: read it from the tables first."""


class Position:
    __slots__ = ("_closed", "parts", "seq")

    def __init__(self, seq: int, parts: Mapping[str, int] | None = None) -> None:
        self.seq = seq  # the newest event that was taken
        self.parts: dict[str, int] = dict(parts or {})  # open part -> code points sent
        self._closed: dict[str, None] = {}  # the newest closed parts, in order

    def remember_closed(self, part_ids: Iterable[str]) -> None:
        """These parts are complete or dropped: pieces of them that still come are late."""
        for part_id in part_ids:
            self._closed[part_id] = None
            self.parts.pop(part_id, None)
        while len(self._closed) > REMEMBERED_PARTS:
            del self._closed[next(iter(self._closed))]

    def take(self, item: Event | Piece) -> list[Event | Piece]:
        """What has to be sent for `item`, in order; raises `Gap` and changes nothing when something is missing."""
        return self._take_piece(item) if isinstance(item, Piece) else self._take_event(item)

    def _take_piece(self, piece: Piece) -> list[Event | Piece]:
        if piece.part_id in self._closed:
            return []
        sent = self.parts.get(piece.part_id, 0)
        if piece.offset > sent or piece.base > self.seq:
            raise Gap
        if piece.end <= sent:
            return []
        self.parts[piece.part_id] = piece.end
        return [piece.after(sent)]

    def _take_event(self, event: Event) -> list[Event | Piece]:
        if event.seq <= self.seq:
            return []
        if event.seq != self.seq + 1 or event.payload is None:
            raise Gap
        sent: list[Event | Piece] = []
        if event.type == EventType.PART_COMPLETED:
            sent = self._rest_of_part(event, event.payload)
        if event.type in _CLOSING:
            self.remember_closed([event.payload["part_id"]])
        self.seq = event.seq
        return [*sent, event]

    def _rest_of_part(self, event: Event, payload: Mapping[str, object]) -> list[Event | Piece]:
        """The text of a completed part that this reader has not had yet."""
        part_id, length, text = str(payload["part_id"]), int(str(payload["length"])), payload.get("text")
        sent = self.parts.get(part_id, 0)
        if sent >= length:
            return []
        if not isinstance(text, str):  # a bare hint: the text stands in the table
            raise Gap
        rest = Piece(event.run_id or "", part_id, str(payload["kind"]), 0, text).after(sent)
        return [rest] if rest.text else []  # nothing is left of it where the message was hidden
