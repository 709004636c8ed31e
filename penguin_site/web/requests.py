"""One HTTP request under Daphne: refuses a large body before it is read, and never shows an HTML error page."""

import asyncio
from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings
from twisted.internet import reactor

from penguin_site.core.body_limits import limit_for
from penguin_site.errors import DomainError, InvalidRequest, PayloadTooLarge
from penguin_site.web.backpressure import Gate
from penguin_site.web.error_responses import SERVER_ERROR, error_response

# What is sent of a refused body is read and thrown away for a while, as most clients read the answer only after
# they have sent everything; a connection closed before would look to them like a network failure.
_DISCARD_SECONDS = 10
_DISCARD_BYTES = 256 * 1024 * 1024
_READER_STOPPED_SECONDS = 60


class Request(WebRequest):
    gate: Gate | None = None
    _refused = False
    _received_bytes = 0
    _body_limit = 0
    _wanted_path = ""

    def gotLength(self, length: int | None) -> None:
        """The headers are there; `length` is None for a chunked body."""
        super().gotLength(length)
        # Forms are Django's to read: Twisted would read them too, whole, and answer a broken one with a bare 400.
        self._parsePOSTFormSubmission = False
        self._wanted_path = self.channel._path.partition(b"?")[0].decode("latin1")
        self._body_limit = limit_for(self._wanted_path, upload_bytes=settings.PENGUIN_UPLOAD_MAX_BYTES)
        if length is not None and length > self._body_limit:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if not self._refused and self._received_bytes <= self._body_limit:
            super().handleContentChunk(data)
        elif not self._refused:
            self._refuse()
        elif self._received_bytes > _DISCARD_BYTES:
            self.channel.transport.abortConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if self._refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")  # "100 Continue" would follow the answer
        error = PayloadTooLarge(f"The request body is larger than {self._body_limit} bytes.")
        headers, body = error_response(error.status, error.as_envelope(), path=self._wanted_path)
        lines = [b"HTTP/1.1 413 Request Entity Too Large", *(name + b": " + value for name, value in headers)]
        lines.append(b"connection: close")
        transport = self.channel.transport
        transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        reactor.callLater(_DISCARD_SECONDS, transport.abortConnection)

    async def room(self) -> None:
        """Waits until the client has read most of what was written; gives up on one that reads no more."""
        if self.finished or self.channel is None:
            return
        if self.gate is None:
            self.gate = Gate()
            self.registerProducer(self.gate, True)
        try:
            await asyncio.wait_for(self.gate.passed(), _READER_STOPPED_SECONDS)
        except TimeoutError:
            if self.channel:
                self.channel.transport.abortConnection()

    def finish(self) -> None:
        if self.gate:
            self.unregisterProducer()
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        if self.gate:
            self.gate.stopProducing()
        super().connectionLost(reason)

    def handle_exception(self, exception: Exception) -> None:
        """The application failed: an error where nothing was sent yet, else a body that visibly does not end."""
        if self._response_started:
            self.channel.transport.abortConnection()
        else:
            super().handle_exception(exception)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """What Daphne itself refuses or could not do, in our envelope instead of its HTML page."""
        if status == 400:
            envelope = InvalidRequest(f"{body}.").as_envelope()
        elif status >= 500:
            envelope = SERVER_ERROR
        else:
            envelope = DomainError(status_text.decode()).as_envelope()
        headers, content = error_response(status, envelope, path=self._wanted_path)
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": content})
