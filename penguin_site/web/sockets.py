"""One WebSocket under Daphne, with backpressure in both directions."""

from typing import Any

from autobahn.twisted import websocket as autobahn_twisted
from autobahn.websocket import protocol as autobahn_sockets
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor

from penguin_site.web.backpressure import Gate

# For debug lines that nobody reads Autobahn writes out all its settings at each handshake, and names and numbers at
# each piece of input: a tenth of this process' time while many sockets open.
for _module in (autobahn_sockets, autobahn_twisted):
    for _name in ("pformat", "hltype", "hlval"):
        if hasattr(_module, _name):
            setattr(_module, _name, lambda *arguments, **named: "")

# A client that sends faster than its frames are handled is not read for a while.
_WAITING_FRAMES = 64
_LOOK_AGAIN_SECONDS = 0.05


class Socket(WebSocketProtocol):
    gate: Gate | None = None

    def onConnect(self, request: Any) -> Any:
        self.gate = Gate()
        # The HTTP channel that this connection was is still registered, and there can be only one.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.gate, True)
        return super().onConnect(request)

    async def room(self) -> None:
        if self.gate:
            await self.gate.passed()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        super().onMessage(payload, isBinary)
        if self.application_queue.qsize() >= _WAITING_FRAMES:
            self.transport.pauseProducing()
            reactor.callLater(_LOOK_AGAIN_SECONDS, self._read_on)

    def _read_on(self) -> None:
        if self.state == self.STATE_CLOSED:
            return
        if self.application_queue.qsize() < _WAITING_FRAMES / 2:
            self.transport.resumeProducing()
        else:
            reactor.callLater(_LOOK_AGAIN_SECONDS, self._read_on)

    def serverSend(self, content: Any, binary: bool = False) -> None:
        """What is sent to a connection that is closing is dropped: the application learns of the end as a message."""
        if self.state in (self.STATE_CONNECTING, self.STATE_OPEN):
            super().serverSend(content, binary)

    def sendMessage(self, payload: bytes, isBinary: bool = False, **options: Any) -> None:
        """Sends it in one frame. Autobahn's own refuses to send what is longer than what we accept."""
        if self.state == self.STATE_OPEN:
            self.sendFrame(opcode=2 if isBinary else 1, payload=payload)

    def serverClose(self, code: int | None = None) -> None:
        self.close(1000 if code is None else code)

    def close(self, code: int, reason: str = "") -> None:
        """Unlike `sendClose`, which refuses them, sends the codes that RFC 6455 and its registry give to servers."""
        self.sendCloseFrame(code=code, reasonUtf8=reason.encode())

    def sendCloseFrame(self, *arguments: Any, **named: Any) -> None:
        """From here on nothing of ours is sent: writers that wait for a slow reader must not wait longer.

        A reader that has stopped never answers the close frame, which lies behind what it has not read; the factory's
        `closeHandshakeTimeout` then drops the connection with all that is buffered for it.
        """
        super().sendCloseFrame(*arguments, **named)
        self._let_writers_go()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._let_writers_go()
        if hasattr(self, "server"):  # else the handshake failed before Daphne knew of this connection
            super().onClose(wasClean, code, reason)

    def _let_writers_go(self) -> None:
        if self.gate:
            self.transport.unregisterProducer()
            self.gate.stopProducing()
