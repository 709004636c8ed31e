"""What our Daphne does with requests, sockets and errors, seen by real clients."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.processes import Program, can_connect, eventually, free_port

APP = "tests.site.web_server_app.app"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator["Server"]:
    server = Server(tmp_path_factory.mktemp("web"))
    yield server
    assert server.program.end(seconds=40) == 0


class Server:
    def __init__(self, folder) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = Program("-m", APP, str(self.port), log=folder / "log")
        eventually(lambda: can_connect(self.port))

    def facts(self) -> dict[str, int]:
        return requests.get(f"{self.url}/facts", timeout=40).json()


def test_a_connection_serves_many_requests_and_names_no_program(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for number in range(3):
        connection.request("GET", f"/echo?q={number}")
        response = connection.getresponse()
        assert json.loads(response.read())["q"] == str(number)
        assert response.headers["Server"] is None
        sock = connection.sock
    assert connection.sock is sock
    connection.close()


@pytest.mark.parametrize(
    ("path", "size", "limit"),
    [
        ("/api/v1/things", 1024 * 1024 + 1, 1024 * 1024),
        ("/functions/v1/decide", 64 * 1024 + 1, 64 * 1024),
        ("/api/v1/upload", 3_000_000 + 64 * 1024 + 1, 3_000_000 + 64 * 1024),
    ],
)
def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(server, path, size, limit):
    assert requests.post(server.url + path, data=b"x" * limit, timeout=40).json()["size"] == limit
    for data in (b"x" * size, iter([b"x" * size])):  # with its length announced, and chunked without
        response = requests.post(server.url + path, data=data, timeout=40)
        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")
        assert response.headers["X-Request-Id"]


def test_a_large_body_is_refused_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"POST /api/v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/broken", "/wait?seconds=0.25", "/wait?seconds=0.5"])
def test_an_unexpected_error_is_logged_and_tells_the_client_nothing(server, path):
    response = requests.get(server.url + path, timeout=40)
    answer = response.json()
    assert response.status_code == 500
    assert answer == {
        "detail": "Internal server error",
        "code": "internal_error",
        "request_id": response.headers["X-Request-Id"],
    }
    assert f"Request {answer['request_id']} failed" in server.program.output
    assert "a secret" in server.program.output


def test_what_is_no_http_gets_400_and_the_server_lives_on(server):
    for text in (b"\x00\x01\x02\r\n\r\n", b"GET /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            client.sendall(text)
            assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.recv(4000)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"<html" not in answer
    assert requests.get(f"{server.url}/echo", timeout=40).ok


def test_a_hundred_waits_hold_no_thread(server):
    before, started = server.facts().get("waits", 0), time.monotonic()
    with ThreadPoolExecutor(100) as clients:
        waits = [clients.submit(requests.get, f"{server.url}/wait?seconds=2", timeout=30) for _ in range(100)]
        eventually(lambda: server.facts().get("waits", 0) == before + 100)
        meanwhile = server.facts()
        answers = [wait.result() for wait in waits]
    assert meanwhile["threads"] <= 12
    assert time.monotonic() - started < 60  # one after the other it would be 200 s
    assert {(a.status_code, a.json()["waited"]) for a in answers} == {(200, 2.0)}
    assert answers[0].headers["X-Request-Id"] == "id-of-the-first-response"


def test_a_client_that_leaves_cancels_its_wait(server):
    before, waits = server.facts().get("cancelled", 0), server.facts().get("waits", 0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET /wait?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: server.facts().get("waits", 0) == waits + 1)
    eventually(lambda: server.facts().get("cancelled", 0) == before + 1)


def test_slow_requests_share_eight_threads(server):
    with ThreadPoolExecutor(24) as clients:
        list(clients.map(lambda _: requests.get(f"{server.url}/slow", timeout=30), range(24)))
    assert server.facts()["threads"] <= 12


def test_a_file_and_a_long_stream_arrive_whole(server):
    assert requests.get(f"{server.url}/file", timeout=40).text.startswith('"""Run as')
    with requests.get(f"{server.url}/endless", timeout=30, stream=True) as response:
        assert sum(len(chunk) for chunk in response.iter_content(1 << 20)) == 400_000_000


def test_a_stream_that_breaks_is_cut_off(server):
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(f"{server.url}/cut", timeout=40)


def test_a_reader_that_stops_costs_a_stream_no_memory(server):
    before = server.facts()
    with requests.get(f"{server.url}/endless", timeout=30, stream=True):
        time.sleep(1)
        during = server.facts()
    assert during["sent"] - before["sent"] < 50  # of 400 MB
    assert during["resident"] - before["resident"] < 30_000_000


def test_a_socket_reader_that_stops_is_dropped_and_costs_no_memory(server):
    before = server.facts()
    client = socket.create_connection(("127.0.0.1", server.port), timeout=40)
    client.sendall(
        b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
    client.sendall(b"\x81\x84\x00\x00\x00\x00pour")  # a masked text frame; nothing is read from here on
    time.sleep(1)
    during = server.facts()
    assert during["sent"] - before["sent"] < 20_000  # of 300,000 frames of 1 kB: what the kernel buffers hold
    assert during["resident"] - before["resident"] < 20_000_000
    eventually(lambda: server.facts()["closed"] == before["closed"] + 1)
    assert server.facts()["writer_waits"] == 0  # the writer that waited for this reader was let go
    client.close()


def test_a_reader_behind_its_writer_still_hears_why_it_is_closed(server):
    received = 0
    with connect(f"ws://127.0.0.1:{server.port}/socket", max_queue=1) as client:
        client.send("pour")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                client.recv(timeout=40)
                received += 1
    assert received > 1000
    assert closed.value.rcvd.code == 4008


def test_a_flood_of_frames_is_read_as_fast_as_it_is_handled(server):
    with connect(f"ws://127.0.0.1:{server.port}/socket") as client:
        client.send("hello")
        sender = threading.Thread(target=lambda: [client.send("slow") for _ in range(200)])
        sender.start()
        assert [client.recv(timeout=40) for _ in range(201)] == ["echo"] * 201
        sender.join()


def test_sigterm_sends_sockets_away_answers_waits_and_ends_the_process(tmp_path, request):
    server = Server(tmp_path)
    request.addfinalizer(lambda: server.program.end(seconds=40))
    with (
        connect(f"ws://127.0.0.1:{server.port}/socket") as client,
        ThreadPoolExecutor(1) as other,
    ):
        client.send("hello")
        assert client.recv(timeout=30) == "echo"
        wait = other.submit(requests.get, f"{server.url}/wait?seconds=60", timeout=30)
        eventually(lambda: server.facts().get("waits", 0) == 1)
        server.program.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=30)
        assert closed.value.rcvd.code == 1012
        assert (wait.result().status_code, wait.result().json()) == (202, {"status": "accepted"})
    assert server.program.end(seconds=40) == 0
    assert not can_connect(server.port)


def test_a_port_in_use_ends_the_start(server, tmp_path):
    second = Program("-m", APP, str(server.port), log=tmp_path / "log")
    assert second.process.wait(10) == 1
