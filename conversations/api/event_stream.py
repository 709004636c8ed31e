"""`GET /api/v1/events/sse`: live events as server-sent events. What they are says `core/live_events.py`.

The view only lets the stream in. From then on it lives on the event loop, see `penguin_site/web/http_handler.py`: no
thread and no connection to the database belong to it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from conversations.api.schema import errors
from conversations.live import process
from conversations.live.live_reader import LiveReader
from conversations.live.opening import Opening, look_up
from conversations.live.outbox import Outbox
from conversations.live.process import Live
from penguin_site.errors import Misdirected

HEARTBEAT_SECONDS = 15.0
# How long a browser waits before it comes back.
RETRY_MILLISECONDS = 2_000
_HEADERS = {
    "Cache-Control": "no-cache, no-transform",  # a proxy that compresses would keep events back
    "X-Accel-Buffering": "no",
}
_END = b""
_CURSOR = b"id: "


class NoLiveOutput(Misdirected):
    """This process serves no live output: the proxy has to send /api/v1/events to an ASGI server."""

    code = "no_live_output"


class EventFrames:
    """An event as the lines of a server-sent event; the cursor where a client resumes is its id."""

    name = "sse"

    def frame(self, cursor: str | None, json: bytes) -> bytes:
        data = b"data: " + json + b"\n\n"
        return _CURSOR + cursor.encode() + b"\n" + data if cursor else data


TRANSPORT = EventFrames()


class EventStream:
    """One open stream; see `Stream` in `penguin_site/web/http_handler.py`."""

    def __init__(self, live: Live, opening: Opening) -> None:
        self._live = live
        self._opening = opening
        self._outbox = Outbox(self._send, self._overflow, live.tasks)
        self._reader = LiveReader(live.hub, self._outbox, TRANSPORT, self._finish)
        self._last_cursor = b""
        self._is_writing = self._is_too_slow = False
        self._heartbeat: asyncio.TimerHandle | None = None

    async def open(self, write: Callable[[bytes], Awaitable[None]], ended: "asyncio.Future[bytes]") -> None:
        self._write, self._ended = write, ended
        self._outbox.put(f"retry: {RETRY_MILLISECONDS}\n\n".encode())
        self._beat_later()
        await self._reader.open(self._opening)

    def close(self) -> None:
        if self._heartbeat:
            self._heartbeat.cancel()
        self._reader.close()

    async def _send(self, frame: bytes) -> None:
        if frame == _END:
            self._end(b"")
            return
        self._is_writing = True
        await self._write(frame)
        self._is_writing = False
        if frame.startswith(_CURSOR):
            self._last_cursor = frame[len(_CURSOR) : frame.index(b"\n")]
        if self._is_too_slow:
            self._end_slow()

    def _beat_later(self) -> None:
        self._heartbeat = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        self._outbox.put(b": heartbeat\n\n")
        self._beat_later()

    def _finish(self) -> None:
        self._outbox.put(_END, bounded=False)

    def _overflow(self) -> None:
        """Too slow: the stream ends behind the frame that is being written, if there is one."""
        self._is_too_slow = True
        self._reader.close()
        if not self._is_writing:
            self._end_slow()

    def _end_slow(self) -> None:
        self._end(b": too slow, the last cursor was " + (self._last_cursor or b"none") + b"\n\n")

    def _end(self, last_words: bytes) -> None:
        if not self._ended.done():
            self._ended.set_result(last_words)


class EventsQuery(serializers.Serializer):
    session_id = serializers.CharField(
        required=False, help_text="One conversation; without it all of one's own, live only."
    )
    last_event_id = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="A cursor, exclusive. `Last-Event-ID`, the header with which a browser comes back, counts first.",
    )
    ticket = serializers.CharField(
        required=False, help_text="From `POST /api/v1/auth/ticket`, for clients that cannot send a header."
    )


_EXAMPLE = """retry: 2000

data: {"id":null,"order":null,"time":1711802096123,"type":"server.connected","properties":{}}

data: {"id":null,"order":29,"time":1711802096100,"type":"message.part.updated","properties":{"sessionID":"s1",\
"messageID":"018e8f5a-0000-7000-8000-000000000003","partID":"018e8f5a-0000-7000-8000-000000000004",\
"part":{"id":"018e8f5a-0000-7000-8000-000000000004","sessionID":"s1",\
"messageID":"018e8f5a-0000-7000-8000-000000000003","type":"text"},"delta":"Hello","offset":0}}

id: 0a1b2c3d:4
data: {"id":"0a1b2c3d:4","order":42,"time":1711802097001,"type":"session.status",\
"properties":{"sessionID":"s1","status":"idle","runID":"018e8f5a-0000-7000-8000-000000000002"}}

"""
_DESCRIPTION = """
A stream of server-sent events, each `data` a JSON object `{"id", "order", "time", "type", "properties"}`. The same
objects come as text frames over the WebSocket `/api/v1/events/ws`.

**Types**: `server.connected`, `server.synced`, `server.replay_gap`, `server.cursor_reset`, `session.created`,
`session.updated`, `session.deleted`, `session.status` (`busy`, `idle`, `waiting`), `session.error`, `message.updated`,
`message.part.updated`, `permission.asked`, `permission.replied`, `question.asked`, `question.replied`, `todo.updated`,
`usage.updated`, `execution.started`, `execution.updated`, `execution.ended`, `task.updated`.

**Text** comes as `delta` with its `offset` in its part (Unicode code points): put it there. What follows an offset is
replaced; after a resumption an open part comes again from offset 0. A tool part goes `pending`, `running`, then
`completed` or `error` in `part.state.status`.

**Resuming**: `id` is a cursor. With `Last-Event-ID` and `session_id` everything behind it is replayed, then
`server.synced`, then live events. `server.replay_gap` names a snapshot where the log is not kept so far back, or for a
cursor without `session_id`; `server.cursor_reset` says that the cursor is of another log. Without a cursor the stream
of one conversation begins just before its open run.

`order` rises through a stream; `time` is in milliseconds since 1970. A comment comes each 15 seconds. A reader that is
too slow is cut off after a comment with the last cursor that went out.
"""


class EventStreamView(APIView):
    required_scopes = {"GET": "read"}
    takes_ticket = True

    @extend_schema(
        operation_id="stream_events",
        summary="Live events of one conversation, or of all",
        description=_DESCRIPTION.strip(),
        parameters=[EventsQuery],
        responses={
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, description="The stream."),
            **errors(404, 421),
        },
        examples=[
            OpenApiExample(
                "stream",
                value=_EXAMPLE,
                response_only=True,
                media_type="text/event-stream",
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Request) -> HttpResponseBase:
        query = EventsQuery(data={**request.query_params.dict()})
        query.is_valid(raise_exception=True)
        cursor = request.headers.get("Last-Event-ID") or query.validated_data.get("last_event_id", "")
        opening = look_up(
            owner_id=request.user.pk,
            session_id=query.validated_data.get("session_id", ""),
            last_event_id=cursor,
        )
        try:
            live = process.current()
        except RuntimeError:
            raise NoLiveOutput from None
        response = HttpResponse(content_type="text/event-stream", headers=_HEADERS)
        if request.method != "HEAD":
            response.stream = EventStream(live, opening)
        return response
