"""A proxy between a client and a web process that spoils what it is told to, and keeps what the server was asked.

`with FaultProxy(port) as proxy: proxy.faults.append(Fault(...))`. It passes HTTP/1.1 with `Content-Length` and sockets;
those it can cut all at once. `port` may be changed: requests go to the new one.
"""

import http.client
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_BODY = b'{"error":"spoilt","code":"spoilt","message":"spoilt","detail":"spoilt","request_id":"req_spoilt"}'


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request. `status`: answered without asking the server. Otherwise, by `kind`:

    `cut`: closed before the server is asked. `lost`: the server is asked, and nobody learns of it. `half`: the answer
    ends in its middle. `delay`: the server is asked after `seconds`. `drip`: a byte of the answer every 50 ms.
    """

    kind: str = ""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = _BODY
    seconds: float = 3.0


class FaultProxy:
    """`faults` are taken one for each request whose path holds `only`. `asked`: (method, path) that the server saw;
    `received`: what reached the proxy, with headers and body."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.only = ""
        self.faults: deque[Fault] = deque()
        self.asked: list[tuple[str, str]] = []
        self.received: list[dict[str, Any]] = []
        self.sockets_opened = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._over = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if (self.headers.get("Upgrade") or "").lower() == "websocket":
                    proxy._tunnel(self)
                else:
                    proxy._pass(self)

            do_GET = do_PATCH = do_DELETE = do_POST

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients go away on purpose
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self.cut_sockets()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget(self) -> None:
        self.asked.clear()
        self.received.clear()
        self.faults.clear()

    def paths(self, only: str = "") -> list[str]:
        """The last words of what the server was asked, in order."""
        return [path.rpartition("/")[2].partition("?")[0] for _, path in self.asked if only in path]

    def cut_sockets(self) -> int:
        """Ends all sockets as a broken network does, without a closing handshake; how many there were."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        return len(pairs)

    # Requests

    def _pass(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.received.append(
            {"method": request.command, "path": request.path, "headers": dict(request.headers), "body": body}
        )
        fault = self.faults.popleft() if self.faults and self.only in request.path else Fault()
        if fault.status:
            _reply(request, fault.status, fault.headers, fault.body)
            return
        if fault.kind == "delay":
            self._over.wait(fault.seconds)
        if fault.kind == "cut":
            _close(request)
            return
        try:
            status, headers, content = self._ask(request, body)
        except OSError:  # no server there, or it died
            _close(request)
            return
        if fault.kind == "lost":
            _close(request)
        elif fault.kind == "half":
            _reply(request, status, headers, content, sent=len(content) // 2)
            _close(request)
        else:
            _reply(request, status, headers, content, wait=self._over.wait if fault.kind == "drip" else None)

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((request.command, request.path))
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {name: value for name, value in request.headers.items() if name != "Connection"}
        try:
            upstream.request(request.command, request.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError from error
        finally:
            upstream.close()
        kept = {name: value for name, value in answer.getheaders() if name in ("Retry-After", "X-Request-Id")}
        return answer.status, kept, content

    # Sockets

    def _tunnel(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        self.sockets_opened += 1
        try:
            upstream = socket.create_connection(("127.0.0.1", self.port), timeout=40)
        except OSError:
            _close(request)
            return
        upstream.settimeout(None)
        head = f"{request.requestline}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in request.headers.items())
        upstream.sendall(f"{head}\r\n".encode())
        pair = (request.connection, upstream)
        self._pairs.append(pair)
        back = threading.Thread(target=_pump, args=[upstream, request.connection], daemon=True)
        back.start()
        _pump(request.connection, upstream)
        back.join()
        upstream.close()
        if pair in self._pairs:
            self._pairs.remove(pair)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _reply(
    request: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    content: bytes,
    *,
    sent: int | None = None,
    wait: Any = None,
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    if wait is None:
        request.wfile.write(content[:sent])
        return
    for byte in content:
        request.wfile.write(bytes([byte]))
        if wait(0.05):
            return


def _close(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
    try:
        request.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
