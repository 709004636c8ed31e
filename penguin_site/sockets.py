"""The gate before every WebSocket: who may open one, and closing it when that ends.

An ASGI middleware. A socket costs no task: one watcher per process asks the database about all open sockets every ten
seconds, and a socket whose key, session or user is no longer valid is closed with 4401.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import orjson
from channels.db import database_sync_to_async
from django.conf import settings

from penguin_site import principals, web_pages
from penguin_site.authentication import WrongCredentials, key_in
from penguin_site.core.percent_encoding import is_clean
from penguin_site.errors import DomainError, NotAuthenticated, NotFound
from penguin_site.middleware import BrokenAddress
from penguin_site.open_sockets import CHECK_SECONDS, CLOSED_BY_REVOCATION, OpenSocket, OpenSockets
from penguin_site.peers import Peer, peer_of_socket
from penguin_site.principals import Principal
from penguin_site.rate_limits import SocketLimits

PROTOCOL = "penguin.v1"
_KEY = "penguin.key."
_KEY64 = "penguin.key64."
CLOSED_UNKNOWN_PATH = 4404
_CLOSE_CODES = {401: CLOSED_BY_REVOCATION, 404: CLOSED_UNKNOWN_PATH}
_HEADERS = frozenset(
    b"host origin cookie x-api-key authorization x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port"
    b" forwarded x-real-ip via".split()
)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class SocketGate:
    """Checks Host, Origin and credentials, then hands over to `app` with `scope["principal"]`, `scope["limits"]` and
    `scope["accept_subprotocol"]` (to accept with; None where the client offered none of ours)."""

    def __init__(self, app: App, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._app = app
        self._open = OpenSockets(check_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = scope.get("subprotocols") or []
        scope = {**scope, "accept_subprotocol": PROTOCOL if PROTOCOL in offered else None}
        headers = _headers(scope["headers"])
        peer = peer_of_socket(scope, headers)
        try:
            _check_address(scope)
            web_pages.check_host(peer)
            web_pages.check_origin(headers.get("origin"), peer, scope["path"])
            principal = await _authenticate(scope, headers, peer, offered)
        except DomainError as error:
            await refuse(scope, receive, send, error)
            return
        scope["principal"] = principal
        scope["limits"] = SocketLimits(principal)
        socket = OpenSocket(principal, receive, send)
        self._open.add(socket)
        try:
            await self._app(scope, socket.receive, socket.send)
        finally:
            self._open.discard(socket)


async def refuse(scope: Scope, receive: Receive, send: Send, error: DomainError) -> None:
    """A client of ours is told why in a frame; to any other the handshake fails with 403.

    A browser shows a page neither the status nor the body of a failed handshake, hence the frame. A foreign page gets
    none.
    """
    await receive()  # websocket.connect
    if not scope.get("accept_subprotocol") or error.status not in _CLOSE_CODES:
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept", "subprotocol": scope["accept_subprotocol"]})
    data = {"message": error.message, "code": error.code, "status": error.status}
    await send({"type": "websocket.send", "text": orjson.dumps({"event": "error", "data": data}).decode()})
    await send({"type": "websocket.close", "code": _CLOSE_CODES[error.status]})


async def unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """The last route of the sockets: there is nothing at this address."""
    await refuse(scope, receive, send, NotFound("There is no such address."))


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in raw if name in _HEADERS}


def _check_address(scope: Scope) -> None:
    if not is_clean(scope.get("query_string", b"")) or "\0" in scope["path"] or "\ufffd" in scope["path"]:
        raise BrokenAddress


async def _authenticate(scope: Scope, headers: dict[str, str], peer: Peer, offered: list[str]) -> Principal:
    if not settings.PENGUIN_AUTH_ENABLED:
        known = principals.remembered_by_nothing()
        return known or _found(await database_sync_to_async(principals.by_nothing)())
    key = key_in(headers.get("x-api-key"), headers.get("authorization")) or _key_in_subprotocols(offered)
    if key is not None:
        # What was looked up in the last seconds costs no thread: 200 sockets of one key open at once.
        known = principals.remembered_by_key(key, peer)
        return known or _found(await database_sync_to_async(principals.by_key)(key, peer))
    tickets = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("ticket")
    if tickets:
        return _found(await database_sync_to_async(principals.by_ticket)(tickets[0], peer))
    session_key = _session_key(headers.get("cookie", ""))
    if session_key and _is_own_page(headers.get("origin"), peer):
        return _found(await database_sync_to_async(principals.by_session_key)(session_key))
    raise NotAuthenticated("Authentication is required: send X-API-Key, a key subprotocol, or a ticket.")


def _found(found: tuple[Principal, Any] | None) -> Principal:
    if found is None:
        raise WrongCredentials
    return found[0]


def _is_own_page(origin: str | None, peer: Peer) -> bool:
    # A browser sends the cookie along whichever page opens the socket, and always says which page that is.
    return origin is not None and web_pages.is_own(origin, peer)


def _session_key(cookie: str) -> str | None:
    try:
        morsel = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _key_in_subprotocols(offered: list[str]) -> str | None:
    for name in offered:
        if name.startswith(_KEY64):
            text = name[len(_KEY64) :]
            try:
                return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            except (binascii.Error, ValueError):
                raise WrongCredentials("penguin.key64 must be base64url of the key.") from None
        if name.startswith(_KEY):
            return name[len(_KEY) :]
    return None
