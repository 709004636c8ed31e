"""The chat socket: messages in, live output out. It stores wishes and relays what is committed; the work is elsewhere.

Every handler returns soon, so a cancel is heard while an answer streams, and one socket can follow many conversations.
Closing it stops nothing.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone

from conversations import runs, sessions, turns
from conversations.api.decision_frames import Answer, Decide, carry_out
from conversations.api.frames import Attach, Cancel, Ping, Say, parse_frame
from conversations.core import chat_frames, cursors
from conversations.core.chat_frames import Frame
from conversations.core.ids import uuid7
from conversations.core.log_events import Event, EventType, Piece
from conversations.live import hints, process
from conversations.live.outbox import Outbox
from conversations.live.subscription import Gone, LogGap, Outcome, Subscription, Synced
from conversations.message_intake import needs_thread, prepare_turn
from conversations.models import Conversation
from conversations.turns import Accepted, queued_item
from penguin_site.errors import DomainError, Forbidden, NotFound, TooManyRequests

TOO_SLOW = 4008
# How a frame of a log entry begins; see core/chat_frames.py.
DURABLE = re.compile(
    r'\{"event":"[a-z_]+","data":\{"session_id":"[^"]*","run_id":(?:null|"[^"]*"),"cursor":"([^"]+)"'
)
# A socket may follow so many conversations and runs at once.
MOST_SUBSCRIPTIONS = 200


class NothingToCancel(NotFound):
    """No run of this socket is under way."""


def encode(frame: Frame) -> str:
    return orjson.dumps(frame).decode()


class Reader:
    """What this socket hears of one conversation: all of it, or one run that it started."""

    __slots__ = ("conversation_id", "epoch", "session_id", "subscription")

    def __init__(self, session_id: str, subscription: Subscription) -> None:
        self.session_id = session_id
        self.epoch = ""
        self.conversation_id = 0
        self.subscription = subscription

    @property
    def is_whole(self) -> bool:
        return self.subscription.run_id is None

    def frames(self, item: Event | Piece) -> list[str]:
        """The item as encoded frames; encoded once, whoever else reads it in this process."""
        if (known := item.encoded.get("chat")) is None:
            if isinstance(item, Piece):
                frames = [chat_frames.of_piece(item, session_id=self.session_id)]
            else:
                frames = chat_frames.of_event(item, session_id=self.session_id, epoch=self.epoch)
            known = item.encoded["chat"] = [encode(frame) for frame in frames]
        return known


class ChatSocket(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.live = process.current()
        self.readers: list[Reader] = []
        self.last_cursor = ""
        self.outbox = Outbox(self._write, self._overflow, self.live.tasks)
        await self.accept(subprotocol=self.scope.get("accept_subprotocol"))

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own goes through a thread first, to close database connections that no handler here holds."""
        await getattr(self, get_handler_name(message))(message)

    async def disconnect(self, code: int) -> None:
        self._close_all()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        about: dict[str, str] = {}  # so that a client with several in flight can tell which one was refused
        try:
            match parse_frame(text_data):
                case Say(fields):
                    await self._say(fields)
                case Attach() as attach:
                    await self._attach(attach)
                case Cancel(run_id):
                    await self._cancel(run_id)
                case Decide() | Answer() as wish:
                    about = wish.named()
                    await self._decide(wish)
                case Ping():
                    self._put(chat_frames.frame("pong"))
        except DomainError as error:
            more = {**about, **error.extra}
            self._put(chat_frames.error_frame(error.message, error.code, error.status, **more))

    # Messages

    async def _say(self, fields: dict[str, Any]) -> None:
        principal = self.scope["principal"]
        self._require("chat")
        await self.scope["limits"].check("chat")
        self._check_room()
        prepare = partial(
            prepare_turn,
            fields,
            owner_id=principal.user_id,
            is_local_owner=principal.is_local_owner,
            key_id=principal.key_id,
        )
        turn = await _in_thread(prepare) if needs_thread(fields) else prepare()
        run_id = uuid7()
        reader = self._new_reader(turn.session_id or "")
        self.live.hub.expect(reader.subscription, str(run_id))
        try:
            accepted = await turns.accept_turn(self.live.pool, turn, run_id)
        except BaseException:
            self.live.hub.close(reader.subscription)
            raise
        if any(
            other.is_whole and other.conversation_id == accepted.conversation_id for other in self.readers
        ):
            self.live.hub.close(reader.subscription)  # this socket hears the whole conversation as it is
        else:
            await self._follow(reader, accepted)
        if accepted.is_new and not accepted.steered:
            self.live.announce(queued_item(accepted), wake=hints.WAKE)

    async def _follow(self, reader: Reader, accepted: Accepted) -> None:
        """Hears the run from its `start`: of a run that was accepted before, what has happened is replayed."""
        run_id = str(accepted.run_id)
        if any(other.subscription.run_id == run_id for other in self.readers):
            self.live.hub.close(reader.subscription)
            return
        reader.session_id, reader.epoch = accepted.session_id, accepted.epoch
        reader.conversation_id = accepted.conversation_id
        self.readers.append(reader)
        if accepted.is_new and not accepted.steered:
            await self.live.hub.follow(reader.subscription, accepted.conversation_id, after=accepted.seq - 1)
        else:
            self.live.hub.close(reader.subscription)
            reader.subscription.run_id = run_id
            await self.live.hub.attach(
                reader.subscription, accepted.conversation_id, after=accepted.seq - 1, parts={}
            )

    # Attaching

    async def _attach(self, attach: Attach) -> None:
        self._require("read")
        self._check_room()
        owner_id = self.scope["principal"].user_id
        conversation = await _in_thread(partial(_find, owner_id=owner_id, session_id=attach.session_id))
        for reader in [reader for reader in self.readers if reader.conversation_id == conversation.pk]:
            self._drop(reader)
        reader = self._new_reader(attach.session_id)
        reader.epoch, reader.conversation_id = conversation.epoch, conversation.pk
        after = attach.after
        if after and (after.epoch != conversation.epoch or after.seq > conversation.head_seq):
            self._control(
                reader, "cursor_reset", cursor=cursors.encode(conversation.epoch, conversation.head_seq)
            )
            after = None
        self.readers.append(reader)
        start = after.seq if after else conversation.resume_after
        await self.live.hub.attach(reader.subscription, conversation.pk, after=start, parts=attach.parts)

    # Cancelling

    async def _cancel(self, run_id: UUID | None) -> None:
        self._require("chat")
        owner_id = self.scope["principal"].user_id
        readers = [(r.conversation_id, r.subscription.run_id) for r in reversed(self.readers)]
        await _in_thread(partial(_cancel, owner_id=owner_id, run_id=run_id, readers=readers))

    # Deciding and answering

    async def _decide(self, wish: Decide | Answer) -> None:
        principal = self.scope["principal"]
        await self.scope["limits"].check("write")
        done = await _in_thread(partial(carry_out, wish, principal=principal))
        # Who follows the conversation hears of it from the log.
        if all(reader.conversation_id != done.conversation_id for reader in self.readers):
            self._put(done.frame)

    # Frames out

    def _require(self, scope: str) -> None:
        if not self.scope["principal"].may(scope):
            raise Forbidden(f"This key lacks the scope {scope}.")

    def _check_room(self) -> None:
        if len(self.readers) >= MOST_SUBSCRIPTIONS:
            raise TooManyRequests(f"A socket may follow {MOST_SUBSCRIPTIONS} runs at once.")

    def _new_reader(self, session_id: str) -> Reader:
        subscription = Subscription(lambda outcome: self._on_outcome(reader, outcome), room=self.outbox.room)
        reader = Reader(session_id, subscription)
        return reader

    def _on_outcome(self, reader: Reader, outcome: Outcome) -> None:
        match outcome:
            case Event() | Piece():
                self._relay(reader, outcome)
            case Synced():
                if reader.is_whole:
                    position = reader.subscription.position
                    assert position
                    self._control(reader, "synced", after=cursors.encode(reader.epoch, position.seq))
            case LogGap():
                self._control(
                    reader, "replay_gap", snapshot=f"/api/v1/conversations/{reader.session_id}/snapshot"
                )
            case Gone():
                self._drop(reader)
                self._put(
                    chat_frames.error_frame(
                        "This conversation was deleted.",
                        "conversation_deleted",
                        404,
                        session_id=reader.session_id,
                    )
                )

    def _relay(self, reader: Reader, item: Event | Piece) -> None:
        bounded = reader.subscription.is_live
        for text in reader.frames(item):
            self.outbox.put(text, bounded=bounded)
        if isinstance(item, Event) and item.type == EventType.RUN_ENDED and not reader.is_whole:
            self._drop(reader)

    def _control(self, reader: Reader, event: str, **data: Any) -> None:
        self.outbox.put(
            encode(chat_frames.frame(event, session_id=reader.session_id, run_id=None, **data)), bounded=False
        )

    def _put(self, frame: Frame) -> None:
        self.outbox.put(encode(frame))

    async def _write(self, text: str) -> None:
        await self.send(text)
        # Only what was sent counts: frames that are dropped on overflow must be replayed.
        if durable := DURABLE.match(text):
            self.last_cursor = durable[1]

    def _overflow(self) -> None:
        """The reader is too slow: this connection ends, with the place where the client can go on."""
        self._close_all()
        self.live.tasks.start(self.close(code=TOO_SLOW, reason=self.last_cursor), name="too slow")

    def _drop(self, reader: Reader) -> None:
        self.live.hub.close(reader.subscription)
        if reader in self.readers:
            self.readers.remove(reader)

    def _close_all(self) -> None:
        self.outbox.close()
        for reader in list(self.readers):
            self._drop(reader)


async def _in_thread(function: Callable[[], Any]) -> Any:
    return await database_sync_to_async(function, thread_sensitive=False)()


def _find(*, owner_id: int, session_id: str) -> Conversation:
    """The conversation, with `resume_after`: where a client without a cursor begins, just before the open run."""
    conversation = sessions.get_conversation(owner_id=owner_id, session_id=session_id)
    conversation.resume_after = sessions.resume_after(conversation)
    return conversation


def _cancel(*, owner_id: int, run_id: UUID | None, readers: list[tuple[int, str | None]]) -> None:
    """Cancels the named run, else the newest that the socket started, else one of a conversation it follows."""
    if run_id is None:
        started = [known for _, known in readers if known]
        followed = [conversation_id for conversation_id, known in readers if known is None]
        open_runs = runs.open_runs_of(conversation_ids=followed) if followed and not started else []
        if not started and not open_runs:
            raise NothingToCancel
        run_id = UUID(started[0]) if started else open_runs[0].id
    runs.cancel_run(run=runs.find_run(run_id, owner_id=owner_id), now=timezone.now())
