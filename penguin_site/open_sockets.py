"""The connections that are open in this process, and the watcher that closes those whose way in is gone.

A connection is a socket, or an event stream.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import Error as DatabaseError
from django.utils import timezone

from penguin_site.models import ApiKey, User
from penguin_site.principals import Principal

CHECK_SECONDS = 10.0
CLOSED_BY_REVOCATION = 4401
_CLOSE_TIMEOUT_SECONDS = 5.0
_GONE = {"type": "websocket.disconnect", "code": CLOSED_BY_REVOCATION}
logger = logging.getLogger("penguin.sockets")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _nothing() -> None:
    """What sending over a closed socket comes to."""


class OpenSocket:
    """Stands between server and application, so that the watcher can end the connection for both."""

    __slots__ = ("_reader", "_receive", "_revoked", "_send", "principal")

    def __init__(self, principal: Principal, receive: Receive, send: Send) -> None:
        self.principal = principal
        self._receive = receive
        self._send = send
        self._revoked = False
        self._reader: asyncio.Task[Any] | None = None

    async def receive(self) -> dict[str, Any]:
        if self._revoked:
            return dict(_GONE)
        self._reader = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            # Waking the reader by cancelling its wait saves every idle socket a task of its own.
            if self._revoked and self._reader is not None and self._reader.uncancel() == 0:
                return dict(_GONE)
            raise
        finally:
            self._reader = None

    def send(self, message: dict[str, Any]) -> Awaitable[None]:
        return _nothing() if self._revoked else self._send(message)

    async def revoke(self) -> None:
        """Closes the connection to the client and lets the application hear that it is gone."""
        if self._revoked:
            return
        self._revoked = True
        if self._reader is not None:
            self._reader.cancel()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                await self._send({"type": "websocket.close", "code": CLOSED_BY_REVOCATION})
        except Exception:  # one broken connection must not keep the others open
            logger.warning("A revoked socket could not be closed in order.", exc_info=True)


class Connection(Protocol):
    """Something that is open for somebody, and can be closed when that somebody has no way in any more."""

    @property
    def principal(self) -> Principal: ...
    async def revoke(self) -> None: ...


class OpenSockets:
    """All open connections of one gate; watched as long as there is one."""

    def __init__(self, check_seconds: float = CHECK_SECONDS) -> None:
        self._check_seconds = check_seconds
        self._sockets: set[Connection] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, socket: Connection) -> None:
        self._sockets.add(socket)
        loop = asyncio.get_running_loop()
        if self._watcher is None or self._watcher.done() or self._loop is not loop:
            self._watcher = _start(loop, self._watch())
            self._loop = loop

    def discard(self, socket: Connection) -> None:
        self._sockets.discard(socket)

    async def _watch(self) -> None:
        while self._sockets:
            await asyncio.sleep(self._check_seconds)
            try:
                await self._close_invalid()
            except DatabaseError:
                logger.warning("Open sockets could not be checked: the database does not answer.")

    async def _close_invalid(self) -> None:
        sockets = [socket for socket in self._sockets if settings.PENGUIN_AUTH_ENABLED]
        if not sockets:
            return
        invalid = await database_sync_to_async(_invalid_among)([socket.principal for socket in sockets])
        await asyncio.gather(*(socket.revoke() for socket in sockets if socket.principal in invalid))


def _start(loop: asyncio.AbstractEventLoop, watch: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return loop.create_task(watch, name="open sockets")


def _invalid_among(principals: list[Principal]) -> set[Principal]:
    """Those whose user, key or session is no longer valid: one statement per kind, however many sockets."""
    now = timezone.now()
    users = set(
        User.objects.filter(pk__in={p.user_id for p in principals}, is_active=True).values_list(
            "pk", flat=True
        )
    )
    key_ids = {p.key_id for p in principals if p.key_id is not None}
    keys = (
        set(ApiKey.objects.usable(now).filter(pk__in=key_ids).values_list("pk", flat=True))
        if key_ids
        else set()
    )
    session_keys = {p.session_key for p in principals if p.session_key is not None}
    sessions = (
        set(
            Session.objects.filter(session_key__in=session_keys, expire_date__gt=now).values_list(
                "pk", flat=True
            )
        )
        if session_keys
        else set()
    )
    return {
        p
        for p in principals
        if p.user_id not in users
        or (p.key_id is not None and p.key_id not in keys)
        or (p.session_key is not None and p.session_key not in sessions)
    }
