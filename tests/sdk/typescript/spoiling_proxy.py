"""A proxy between the SDK and a web process: it spoils requests, and cuts or silences sockets."""

import contextlib
import http.client
import socket
import threading
from collections import deque
from dataclasses import dataclass
from typing import Self

_SILENT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request: a `status` in place of an answer, or a `kind` of trouble on the way."""

    status: int = 0
    headers: tuple[str, ...] = ()
    kind: str = ""
    seconds: float = 0.0


LOST = Fault(kind="lost")  # the server has done it, and nobody learns of it
CUT = Fault(kind="cut")  # the connection is lost before the server hears anything
TORN = Fault(kind="torn")  # half of the answer comes
SILENT = Fault(kind="silent")  # nothing comes at all


def status(number: int, *headers: str) -> Fault:
    return Fault(number, headers)


def late(seconds: float) -> Fault:
    return Fault(kind="late", seconds=seconds)


class SpoilingProxy:
    """`faults` are taken one for each request. `asked` is what came here, `served` what the web process saw of it."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.faults: deque[Fault | None] = deque()
        self.asked: list[str] = []
        self.served: list[str] = []
        self.sockets = 0  # that were opened through here
        self.is_mute = False  # sockets: nothing goes through, and nobody is told
        self._pipes: list[socket.socket] = []
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut()

    def reset(self) -> None:
        """Forgets what was asked."""
        self.asked.clear()
        self.served.clear()
        assert not self.faults

    def cut(self) -> int:
        """Kills all sockets that are open, as a network does: no good-bye. How many there were."""
        cut = 0
        while self._pipes:
            pipe = self._pipes.pop()
            with contextlib.suppress(OSError):
                pipe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                pipe.shutdown(socket.SHUT_RDWR)
                cut += 1
        return cut

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            reader = client.makefile("rb")
            while line := reader.readline():
                method, path, _ = line.decode().split(" ")
                headers = http.client.parse_headers(reader)
                if headers.get("Upgrade"):
                    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                    self._pipe(client, line + lines.encode() + b"\r\n")
                    return
                body = reader.read(int(headers.get("Content-Length") or 0))
                if not self._answer(client, method, path, headers, body):
                    return

    def _answer(
        self,
        client: socket.socket,
        method: str,
        path: str,
        headers: http.client.HTTPMessage,
        body: bytes,
    ) -> bool:
        """Whether the connection can go on."""
        name = f"{method} {path.split('?')[0]}"
        self.asked.append(name)
        fault = self.faults.popleft() if self.faults else None
        if fault and fault.status:
            content = b'{"error":"spoilt","code":"spoilt","message":"Spoilt.","request_id":"req_spoilt"}'
            client.sendall(_response(fault.status, content, *fault.headers))
            return True
        if fault and fault.kind in ("cut", "silent"):
            if fault.kind == "silent":
                self._over.wait(_SILENT_SECONDS)
            return False
        self.served.append(name)
        status, content, kept = self._ask(method, path, headers, body)
        if fault and fault.kind == "lost":
            return False
        if fault and fault.kind == "torn":
            client.sendall(_response(status, content, *kept)[: -len(content) // 2])
            return False
        if fault and fault.kind == "late":
            self._over.wait(fault.seconds)
        client.sendall(_response(status, content, *kept))
        return True

    def _ask(
        self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes
    ) -> tuple[int, bytes, list[str]]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            forwarded = {name: value for name, value in headers.items() if name.lower() != "connection"}
            upstream.request(method, path, body, forwarded)
            answer = upstream.getresponse()
            kept = [
                f"{name}: {value}"
                for name, value in answer.getheaders()
                if name.lower() in ("x-request-id", "retry-after")
                or name.lower().startswith("access-control")
            ]
            return answer.status, answer.read(), kept
        finally:
            upstream.close()

    def _pipe(self, client: socket.socket, head: bytes) -> None:
        """Carries the bytes of a WebSocket both ways until one end is lost."""
        with socket.create_connection(("127.0.0.1", self.target), timeout=40) as web:
            web.settimeout(None)
            self.sockets += 1
            self._pipes += [client, web]
            web.sendall(head)
            back = threading.Thread(target=self._carry, args=(web, client), daemon=True)
            back.start()
            self._carry(client, web)
            back.join()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self.is_mute:
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _response(status: int, content: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Spoilt", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content
