"""Daphne with backpressure, an orderly end, and no trace of a query string in any log."""

import asyncio
import logging
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory
from twisted.internet import defer, reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.logger import formatEvent, globalLogBeginner

from penguin_site.web.requests import Request
from penguin_site.web.sockets import Socket

logger = logging.getLogger(__name__)

_BACKLOG = (
    1024  # connections that may wait to be accepted: hundreds of clients come back at once after a restart
)
_PING_SECONDS = 15
_PONG_SECONDS = 30
_CLOSE_HANDSHAKE_SECONDS = 5
# A frame that is too large for a consumer still gets its error; what is larger than this is not even read.
_LARGEST_FRAME = 4 * 1024 * 1024
_GOING_AWAY = 1012  # "service restart": clients are meant to come back


def _log_failure(event: dict[str, Any]) -> None:
    """Of what Twisted has to say, the exceptions that nobody caught."""
    if failure := event.get("log_failure"):
        logger.error(
            "%s", formatEvent(event), exc_info=(failure.type, failure.value, failure.getTracebackObject())
        )


class RequestFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol

    def log(self, request: Any) -> None:
        """Twisted's own access log would hold query strings; ours is written by the middleware."""


class WebServer(Server):
    def __init__(self, application: Any, *, host: str, port: int) -> None:
        endpoints = build_endpoint_description_strings(host=host, port=port)
        super().__init__(
            application,
            endpoints=[f"{endpoint}:backlog={_BACKLOG}" for endpoint in endpoints],
            signal_handlers=False,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PONG_SECONDS,
            websocket_timeout=-1,
            request_buffer_size=64 * 1024,
            server_name="",
        )
        self.ports: list[Any] = []
        self.listen_failure: CannotListenError | None = None
        self._stopping = False

    def run(self) -> None:
        """Serves until `stop`. With `listen_failure` set afterwards it never served.

        Replaces Daphne's method, which builds its own factories, throws Twisted's error reports away and returns as
        if all were well when the port is taken.
        """
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = RequestFactory(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.protocol = Socket
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,  # Origins are checked by our own middleware
            openHandshakeTimeout=self.websocket_handshake_timeout,
            closeHandshakeTimeout=_CLOSE_HANDSHAKE_SECONDS,
            maxMessagePayloadSize=_LARGEST_FRAME,
            maxFramePayloadSize=_LARGEST_FRAME,
            failByDrop=False,  # a client that breaks the protocol is told so by the close code
        )
        globalLogBeginner.beginLoggingTo([_log_failure], redirectStandardIO=False, discardBuffer=True)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        for endpoint in self.endpoints:
            listening = serverFromString(reactor, endpoint).listen(self.http_factory)
            listening.addCallbacks(self.listen_success, self.listen_error)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        if not self.listen_failure:
            reactor.run(installSignalHandlers=False)

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self.ports.append(port)

    def listen_error(self, failure: Any) -> None:
        self.listen_failure = failure.value

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.send" or (kind == "http.response.body" and message.get("more_body")):
            await protocol.room()
        if kind == "websocket.close" and message.get("reason") and protocol.state == protocol.STATE_OPEN:
            protocol.close(message.get("code") or 1000, message["reason"])  # Daphne would drop the reason
            return
        await super().handle_reply(protocol, message)

    def protocol_disconnected(self, protocol: Any) -> None:
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    async def drain(self, *, seconds: float) -> None:
        """Takes no new connection, sends the sockets away, lets running requests end, then stops the reactor."""
        if self._stopping:
            return
        self._stopping = True
        for port in self.ports:
            port.stopListening()
        for protocol in list(self.connections):
            if isinstance(protocol, Socket) and protocol.state == protocol.STATE_OPEN:
                protocol.close(_GOING_AWAY, "The server restarts.")
        deadline = asyncio.get_running_loop().time() + seconds
        while self._open_connections() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        self.stop()

    def _open_connections(self) -> int:
        return sum(1 for details in self.connections.values() if "disconnected" not in details)

    def kill_all_applications(self) -> defer.Deferred[Any]:
        tasks = [d["application_instance"] for d in self.connections.values() if "application_instance" in d]
        for task in tasks:
            task.cancel()
        if not tasks:
            return defer.succeed(None)
        return defer.Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(tasks, timeout=1)))
