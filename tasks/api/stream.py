"""`WS /api/v1/tasks/stream`: have an agent do something and watch it, or watch what is under way.

A socket watches one execution and is closed with 1000 behind the frame of its end. It reads the log of the execution's
conversation as every other reader does (`conversations/live`); closing it stops nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone

from conversations.api.consumers import DURABLE, TOO_SLOW
from conversations.api.decision_frames import Answer, Decide, carry_out
from conversations.api.frames import Ping
from conversations.core import chat_frames, cursors
from conversations.core.chat_frames import Frame
from conversations.core.log_events import Event, EventType, Piece
from conversations.live import process
from conversations.live.outbox import Outbox
from conversations.live.subscription import Gone, LogGap, Outcome, Subscription, Synced
from penguin_site.errors import Conflict, DomainError, Forbidden, NotFound
from tasks import executions, quick_tasks, streams
from tasks.api.stream_frames import Attach, Cancel, Execute, parse_frame
from tasks.core import task_frames
from tasks.models import Execution
from tasks.streams import Watched

# In the queue of frames: close the socket, all is said.
_END = ""


class AlreadyWatching(Conflict):
    """This socket watches an execution: open another one."""

    code = "already_watching"


class NothingToCancel(NotFound):
    """This socket watches no execution: name one."""


class TaskSocket(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.live = process.current()
        self.watched: Watched | None = None
        self.subscription: Subscription | None = None
        self.is_over = False
        self.last_cursor = ""
        self.outbox = Outbox(self._write, self._overflow, self.live.tasks)
        await self.accept(subprotocol=self.scope.get("accept_subprotocol"))

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own goes through a thread first, to close database connections that no handler here holds."""
        await getattr(self, get_handler_name(message))(message)

    async def disconnect(self, code: int) -> None:
        self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        about: dict[str, str] = {}  # so that a client with several in flight can tell which one was refused
        try:
            match parse_frame(text_data):
                case Execute(fields):
                    await self._execute(fields)
                case Attach() as attach:
                    await self._attach(attach)
                case Cancel() as cancel:
                    await self._cancel(cancel)
                case Decide() | Answer() as wish:
                    about = wish.named()
                    await self._decide(wish)
                case Ping():
                    self._put(chat_frames.frame("pong"))
        except DomainError as error:
            more = {**about, **error.extra}
            self._put(chat_frames.error_frame(error.message, error.code, error.status, **more))

    # Wishes

    async def _execute(self, fields: dict[str, Any]) -> None:
        self._require("tasks")
        self._require_free()
        await self.scope["limits"].check("chat")
        principal = self.scope["principal"]
        start = partial(_start, fields, user_id=principal.user_id, is_local_owner=principal.is_local_owner)
        await self._watch(await _in_thread(start), parts={}, says_synced=False)

    async def _attach(self, attach: Attach) -> None:
        self._require("read")
        self._require_free()
        owner_id = self.scope["principal"].user_id
        find = partial(streams.find, attach.execution_id, owner_id=owner_id, after=attach.after)
        await self._watch(await _in_thread(find), parts=attach.parts, says_synced=True)

    async def _cancel(self, cancel: Cancel) -> None:
        self._require("tasks")
        execution_id = cancel.execution_id or (self.watched.execution_id if self.watched else None)
        if execution_id is None:
            raise NothingToCancel
        owner_id = self.scope["principal"].user_id
        await _in_thread(
            lambda: executions.cancel(
                executions.find_execution(execution_id, owner_id=owner_id), now=timezone.now()
            )
        )

    async def _decide(self, wish: Decide | Answer) -> None:
        await self.scope["limits"].check("write")
        done = await _in_thread(partial(carry_out, wish, principal=self.scope["principal"]))
        # Who watches the conversation hears of it from the log.
        if self.watched is None or self.watched.conversation_id != done.conversation_id:
            self._put(done.frame)

    def _require(self, scope: str) -> None:
        if not self.scope["principal"].may(scope):
            raise Forbidden(f"This key lacks the scope {scope}.")

    def _require_free(self) -> None:
        if self.watched is not None:
            raise AlreadyWatching(execution_id=str(self.watched.execution_id))

    # Watching

    async def _watch(self, watched: Watched, *, parts: dict[str, int], says_synced: bool) -> None:
        self.watched, self.says_synced = watched, says_synced
        if watched.conversation_id is None:
            self._on_outcome(Gone())
            return
        if watched.reset_at:
            self._control("cursor_reset", cursor=watched.reset_at)
        self.subscription = Subscription(self._on_outcome, room=self.outbox.room)
        await self.live.hub.attach(
            self.subscription, watched.conversation_id, after=watched.after, parts=parts
        )

    def _on_outcome(self, outcome: Outcome) -> None:
        watched, subscription = self.watched, self.subscription
        assert watched is not None
        if self.is_over:  # the rest of a page of the log
            return
        match outcome:
            case Event() | Piece():
                assert subscription is not None
                for text in self._encoded(watched, outcome):
                    self.outbox.put(text, bounded=subscription.is_live)
                if _is_end(outcome, watched):
                    self._finish()
            case Synced():
                assert subscription is not None and subscription.position is not None
                if self.says_synced:
                    self._control("synced", after=cursors.encode(watched.epoch, subscription.position.seq))
                # Its end lies before the cursor, or before what is kept of the log.
                if watched.ended:
                    self._tell_end(watched.told)
            case LogGap():
                self._control("replay_gap", snapshot=f"/api/v1/conversations/{watched.session_id}/snapshot")
            case Gone():
                # An execution ends with its conversation, and nothing is left to read that from.
                lost = {"status": "cancelled", "stop_reason": streams.CONVERSATION_DELETED}
                self._tell_end(watched.told if watched.ended else {**watched.told, **lost})

    def _encoded(self, watched: Watched, item: Event | Piece) -> list[str]:
        """Its frames, encoded once for all who watch this execution in this process."""
        name = f"task:{watched.execution_id}"
        if (known := item.encoded.get(name)) is None:
            about = {"session_id": watched.session_id, "execution_id": str(watched.execution_id)}
            if isinstance(item, Piece):
                frames = task_frames.of_piece(item, **about)
            else:
                frames = task_frames.of_event(item, epoch=watched.epoch, **about)
            known = item.encoded[name] = [_encode(frame) for frame in frames]
        return known

    def _tell_end(self, told: dict[str, Any]) -> None:
        assert self.watched is not None
        end = task_frames.of_execution(EventType.EXECUTION_ENDED, told, self.watched.place)
        self.outbox.put(_encode(end), bounded=False)
        self._finish()

    def _finish(self) -> None:
        self.is_over = True
        self._stop_reading()
        self.outbox.put(_END, bounded=False)

    # Frames out

    def _control(self, event: str, **data: Any) -> None:
        assert self.watched is not None
        about = {**self.watched.place, "execution_id": str(self.watched.execution_id)}
        self.outbox.put(_encode(chat_frames.frame(event, **about, **data)), bounded=False)

    def _put(self, frame: Frame) -> None:
        self.outbox.put(_encode(frame))

    async def _write(self, text: str) -> None:
        if text == _END:
            self.outbox.close()
            await self.close(code=1000)
            return
        await self.send(text)
        # Only what was sent counts: frames that are dropped on overflow must be replayed.
        if durable := DURABLE.match(text):
            self.last_cursor = durable[1]

    def _overflow(self) -> None:
        """The reader is too slow: this connection ends, with the place where the client can go on."""
        self._leave()
        self.live.tasks.start(self.close(code=TOO_SLOW, reason=self.last_cursor), name="too slow")

    def _stop_reading(self) -> None:
        if self.subscription is not None:
            self.live.hub.close(self.subscription)

    def _leave(self) -> None:
        self.outbox.close()
        self._stop_reading()


def _encode(frame: Frame) -> str:
    return orjson.dumps(frame).decode()


def _is_end(item: Event | Piece, watched: Watched) -> bool:
    if not isinstance(item, Event) or item.type != EventType.EXECUTION_ENDED:
        return False
    return bool((item.payload or {})["execution"]["id"] == str(watched.execution_id))


def _start(fields: dict[str, Any], *, user_id: int, is_local_owner: bool) -> Watched:
    execution: Execution = quick_tasks.execute(
        fields, user_id=user_id, is_local_owner=is_local_owner, now=timezone.now()
    )
    return streams.watch(execution)


async def _in_thread(function: Callable[[], Any]) -> Any:
    return await database_sync_to_async(function, thread_sensitive=False)()
