"""What the terminal is told when the server answers, well or with errors."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from penguin_site.serve import banner
from penguin_site.serve.banner import Banner, Facts

WELL = b'{"status": "ok", "components": {"sandbox": {"status": "ok", "level": "bubblewrap"}}}'
LOST = b'{"status": "down", "components": {"worker": {"status": "down"}}}'
BROKEN = b'{"detail": "Internal server error", "code": "internal_error"}'


class Answering(HTTPServer):
    status, body = 200, WELL


class Health(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Health) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "first", "trouble"),
    [
        (200, WELL, "Penguin is ready; Ctrl-C stops it.", ""),
        (503, LOST, "Penguin runs.", "worker: down"),
        (500, BROKEN, "Penguin runs.", "the server answers with errors; its log above says why"),
    ],
    ids=["well", "lost", "broken"],
)
def test_it_is_called_ready_only_when_it_is(server, monkeypatch, capsys, status, body, first, trouble):
    server.status, server.body = status, body
    monkeypatch.setattr(banner, "_PATIENCE_SECONDS", -1.0)
    url = f"http://127.0.0.1:{server.server_port}"
    Banner(Facts(url, None, True, "local", Path("/data"), None)).look()
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == first
    assert [line for line in lines if "trouble" in line] == ([f"  trouble   {trouble}"] if trouble else [])
