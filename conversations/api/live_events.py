"""`WS /api/v1/events/ws`: live events as text frames. What they are says `core/live_events.py`.

A client sends nothing but `{"type": "ping"}`; what it follows stands in the address, as for the event stream.
"""

from functools import partial
from typing import Any
from urllib.parse import parse_qs

import orjson
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from conversations.api.consumers import TOO_SLOW
from conversations.live import opening, process
from conversations.live.live_reader import LiveReader
from conversations.live.outbox import Outbox
from penguin_site.errors import DomainError, Forbidden, InvalidField, InvalidRequest

# The application's close codes are the HTTP statuses, from 4000 on.
REFUSED = 4000
_END = ""
_PONG = '{"type":"pong"}'
_CURSOR = '{"id":"'


class UnknownFrame(InvalidRequest):
    """This socket hears nothing but {"type": "ping"}."""

    code = "unknown_type"


class JsonFrames:
    """An event as it is."""

    name = "ws"

    def frame(self, cursor: str | None, json: bytes) -> str:
        return json.decode()


TRANSPORT = JsonFrames()


def _error_frame(error: DomainError) -> str:
    data = {"message": error.message, "code": error.code, "status": error.status, **error.extra}
    return orjson.dumps({"event": "error", "data": data}).decode()


def _is_ping(text: str | None) -> bool:
    try:
        frame = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return False
    return isinstance(frame, dict) and frame.get("type") == "ping"


class LiveEventsSocket(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.live = process.current()
        self.outbox = Outbox(self._write, self._overflow, self.live.tasks)
        self.reader = LiveReader(self.live.hub, self.outbox, TRANSPORT, self._finish)
        self.last_cursor = ""
        await self.accept(subprotocol=self.scope.get("accept_subprotocol"))
        try:
            wanted = await self._wanted()
        except DomainError as error:
            await self.send(_error_frame(error))
            await self.close(code=REFUSED + error.status)
            return
        await self.reader.open(wanted)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own goes through a thread first, to close database connections that no handler here holds."""
        await getattr(self, get_handler_name(message))(message)

    async def disconnect(self, code: int) -> None:
        self.reader.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.outbox.put(_PONG if _is_ping(text_data) else _error_frame(UnknownFrame()))

    async def _wanted(self) -> opening.Opening:
        principal = self.scope["principal"]
        if not principal.may("read"):
            raise Forbidden("This key lacks the scope read.")
        query = parse_qs(self.scope.get("query_string", b"").decode(), keep_blank_values=True)
        session_id = query.get("session_id", [None])[-1]
        if session_id == "":
            raise InvalidField("session_id", "name a conversation, or leave it out.")
        header = dict(self.scope["headers"]).get(b"last-event-id", b"").decode("latin-1")
        find = partial(
            opening.look_up,
            owner_id=principal.user_id,
            session_id=session_id or "",
            last_event_id=header or query.get("last_event_id", [""])[-1],
        )
        found: opening.Opening = await database_sync_to_async(find, thread_sensitive=False)()
        return found

    # Frames out

    async def _write(self, frame: str) -> None:
        if frame == _END:
            await self.close()
            return
        await self.send(frame)
        if frame.startswith(_CURSOR):
            self.last_cursor = frame[len(_CURSOR) : frame.index('"', len(_CURSOR))]

    def _finish(self) -> None:
        self.outbox.put(_END, bounded=False)

    def _overflow(self) -> None:
        """Too slow: the connection ends, and names the last cursor that went out."""
        self.reader.close()
        self.live.tasks.start(self.close(code=TOO_SLOW, reason=self.last_cursor), name="too slow")
