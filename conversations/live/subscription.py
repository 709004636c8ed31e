"""One reader of one conversation: its position, and what waits while it reads the log."""

from collections.abc import Awaitable, Callable, Mapping

from conversations.core.log_events import Event, EventType, Piece
from conversations.core.position import REMEMBERED_PARTS, Gap, Position

# Items kept while a reader reads the log; beyond it they are dropped, and the log is read once more.
MOST_WAITING = REMEMBERED_PARTS // 2


class Synced:
    """The replay is over: what follows is live."""


class LogGap:
    """The cursor lies before what is kept of the log; the reader goes on behind it."""


class Gone:
    """The conversation was deleted."""


SYNCED, LOG_GAP, GONE = Synced(), LogGap(), Gone()
Outcome = Event | Piece | Synced | LogGap | Gone


class Subscription:
    """One reader of one conversation.

    `send` is called on the event loop, in order, and must not wait; `room` is awaited before each page of a replay, so
    that a long one goes as fast as its reader and no faster.
    """

    __slots__ = (
        "_dropped",
        "_waiting",
        "answers",
        "conversation_id",
        "position",
        "room",
        "run_id",
        "send",
        "sent_seq",
    )

    def __init__(
        self,
        send: Callable[[Outcome], None],
        *,
        run_id: str | None = None,
        room: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.send = send
        self.room = room
        self.run_id = run_id  # where set, only this run's items are sent
        self.conversation_id: int | None = None
        self.answers: dict[str, str] = {}  # run -> its answer's message, of all runs it may still hear of
        self.position: Position | None = None
        self.sent_seq = 0  # of the newest event that `send` was called with: the position runs ahead of it
        self._waiting: list[Event | Piece] | None = []  # None: live
        self._dropped = False

    @property
    def is_live(self) -> bool:
        return self._waiting is None

    def start(self, after: int, parts: Mapping[str, int] | None = None) -> None:
        self.position, self.sent_seq = Position(after, parts), after

    def take(self, item: Event | Piece) -> None:
        """Sends what is new of `item`; Gap when something before it is missing."""
        assert self.position is not None
        for new in self.position.take(item):
            if isinstance(new, Event) and new.type == EventType.RUN_QUEUED and new.payload and new.run_id:
                self.answers[new.run_id] = new.payload["answer_id"]
            if self.run_id is None or new.run_id == self.run_id:
                self.send(new)
            if isinstance(new, Event):
                self.sent_seq = new.seq
                if new.type == EventType.RUN_ENDED and new.run_id:
                    self.answers.pop(new.run_id, None)

    def hold(self, item: Event | Piece | None = None) -> None:
        """Items wait from now on."""
        if self._waiting is None:
            self._waiting = []
        if item is None:
            return
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(item)
        else:
            self._dropped = True

    def release(self) -> bool:
        """Sends what waited and goes live; False when something is still missing (then items go on waiting)."""
        waiting = self._waiting or []
        for index, item in enumerate(waiting):
            try:
                self.take(item)
            except Gap:
                self._waiting = waiting[index:]
                return False
        if self._dropped:
            self._dropped, self._waiting = False, []
            return False
        self._waiting = None
        return True
