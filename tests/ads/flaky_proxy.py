"""A proxy that spoils some requests: answers an error, loses the answer, or keeps silent."""

import http.client
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SILENT_SECONDS = 3.0


class FlakyProxy:
    """`faults` are taken one for each request: a status to answer without asking, "lost" (the server has done it, and
    nobody learns of it), "silent", or None. When there are none left all goes through."""

    def __init__(self, port: int) -> None:
        self.faults: deque[int | str | None] = deque()
        proxy, self._over = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                proxy._handle(self, port)

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/functions/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handle(self, request: BaseHTTPRequestHandler, port: int) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self.faults.popleft() if self.faults else None
        if fault == "silent":
            self._over.wait(SILENT_SECONDS)
            return
        if isinstance(fault, int):
            _reply(request, fault, b'{"error":"x","code":"x","message":"x","request_id":"req_x"}')
            return
        upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name != "Connection"}
        upstream.request(request.command, request.path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault != "lost":
            _reply(request, answer.status, content)


def _reply(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
