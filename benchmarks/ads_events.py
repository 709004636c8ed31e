"""How many reports of events a second one process of a WSGI server stores, and one campaign that everybody clicks on.

Billed reports are impressions paid for by the thousand: each captures its hold and is booked. Unbilled ones are
stored alone. Each is durable before it is answered. The clients are a process of their own with sixteen connections,
the server has as many threads: reports that come at once are stored together. Processor time is told of the server and
of its Postgres; both and the clients share the machine.

python -m benchmarks.ads_events
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from benchmarks.ads_decide import LIMITS, Agent, fill, processor_seconds, time_bare, wsgi
from benchmarks.ads_texts import questions
from benchmarks.report import Figure, show
from benchmarks.stand import cpu_seconds, stand
from tests.processes import ROOT, eventually
from tests.stack import Process, Stack

ADS, REPORTS, CONNECTIONS, THREADS = 400, 4_000, 16, 16
BAR_BILLED, BAR_UNBILLED = 1_000, 1_500
CLICKERS, CLICKS, PRICE_CENTS, BUDGET_MICROS = 16, 400, 5, 10_000_000


class Line:
    """A kept connection that sends ready-made bytes: the client must not be what is measured."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(body) < length:
            body += self._received()
        self._rest = body[length:]
        return int(head.split(b" ", 2)[1]), body[:length]

    def _received(self) -> bytes:
        data = self._socket.recv(65_536)
        assert data, "the server has closed the connection"
        return data


def post(path: str, key: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /functions/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-AM-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0\r\n\r\n".encode()


def all_at_once(
    port: int, requests: Sequence[bytes], connections: int
) -> tuple[float, list[tuple[int, bytes]]]:
    """(seconds, answers) of all requests over so many connections."""
    answers: list[tuple[int, bytes]] = []
    waiting: Iterator[bytes] = iter(requests)
    lock = threading.Lock()
    lines = [Line(port) for _ in range(connections)]

    def work(line: Line) -> None:
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                return
            answers.append(line.ask(request))

    threads = [threading.Thread(target=work, args=(line,)) for line in lines]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, answers


def in_client(
    port: int, requests: Sequence[bytes], connections: int
) -> tuple[float, list[tuple[int, bytes]]]:
    """The same from a process of its own."""
    asked = json.dumps([request.decode() for request in requests])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ads_events", "client", str(port), str(connections)],
        cwd=ROOT, input=asked, stdout=subprocess.PIPE, text=True, timeout=600, check=True,
    )  # fmt: skip
    seconds, answers = json.loads(done.stdout)
    return seconds, [(status, body.encode()) for status, body in answers]


def tokens(server: Process, key: str, count: int, **more: Any) -> list[tuple[str, str]]:
    """(tracking token, address of the click) of so many shown ads."""
    agent, found = Agent(server, key), []
    body = {"max_results": 20, **more}
    eventually(lambda: agent.post("decide", {"context": questions(1)[0], **body})["units"], seconds=300)
    asked = iter(questions(20 * count, seed=count))
    while len(found) < count:
        for unit in agent.post("decide", {"context": next(asked), **body})["units"]:
            found.append((unit["tracking_token"], unit["click_url"]))
    return found[:count]


def reports(stack: Stack, key: str, kind: str, tracking: Sequence[str]) -> list[bytes]:
    (agent_id,) = stack.sql(
        "SELECT replace(id::text, '-', '') FROM ad_agent ORDER BY created_at DESC LIMIT 1"
    )[0]
    return [
        post("event", key, {
            "event_id": uuid4().hex, "occurred_at": datetime.now(UTC).isoformat(), "agent_id": f"agt_{agent_id}",
            "event_type": kind, "tracking_token": token,
        })
        for token in tracking
    ]  # fmt: skip


def postgres_seconds(stack: Stack) -> float:
    """Processor time of the backends that serve the stack's database, which live as long as its connections."""
    name = stack.database_url.rpartition("/")[2]
    pids = stack.sql("SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", name)
    return sum(cpu_seconds(pid) for (pid,) in pids)


def measure_rates(stack: Stack) -> list[Figure]:
    key = fill(stack, ADS, "--pricing", "cpm")
    figures = []
    with wsgi(stack, threads=THREADS) as server:
        bare = time_bare(server)
        shown = [token for token, _ in tokens(server, key, REPORTS + 200)]
        warm, shown = shown[:200], shown[200:]
        in_client(server.port, reports(stack, key, "impression", warm), CONNECTIONS)
        for name, kind, bar in (
            ("unbilled", "ad_shown", BAR_UNBILLED),
            ("billed", "impression", BAR_BILLED),
        ):
            before, of_postgres = processor_seconds(server.pid), postgres_seconds(stack)
            seconds, answers = in_client(server.port, reports(stack, key, kind, shown), CONNECTIONS)
            cpu = (processor_seconds(server.pid) - before) * 1000 / REPORTS
            of_postgres = (postgres_seconds(stack) - of_postgres) * 1000 / REPORTS
            assert all(status == 200 for status, _ in answers), answers[:3]
            billed = sum(json.loads(body)["billable"] for _, body in answers)
            assert billed == (REPORTS if kind == "impression" else 0), billed
            note = (
                f"{REPORTS / seconds:,.0f} a second, bar {bar:,}; processor time {cpu:.2f} ms (a bare request:"
                f" {bare:.2f}) and {of_postgres:.2f} ms of Postgres"
            )
            figures.append(
                Figure(f"a report of an event, {name}", seconds * 1000 / REPORTS, "ms", 1000 / bar, note)
            )
    return figures


def measure_hot_campaign(stack: Stack) -> list[Figure]:
    """Half of the clicks find the budget empty."""
    key = fill(stack, 1, "--pricing", "cpc")
    stack.sql("UPDATE ad_campaign SET total_budget_micros = %s", BUDGET_MICROS)
    stack.sql("UPDATE ad_campaign_budget SET cap_micros = %s", BUDGET_MICROS)
    with wsgi(stack, threads=8) as server:
        clicks = [address for _, address in tokens(server, key, CLICKS, max_results=1, min_relevance_score=0)]
        paths = [get("/functions" + address.partition("/functions")[2]) for address in clicks]
        seconds, answers = all_at_once(server.port, paths, CLICKERS)
    statuses = {status for status, _ in answers}
    spent = stack.sql("SELECT spent_micros FROM ad_campaign_budget")[0][0]
    billed = stack.sql("SELECT coalesce(sum(price_micros), 0)::bigint FROM ad_event WHERE is_billed")[0][0]
    booked = stack.sql(
        "SELECT -sum(p.amount_micros)::bigint FROM ad_posting p JOIN ad_account a ON a.id = p.account_id"
        " JOIN ad_ledger_transaction t ON t.id = p.transaction_id WHERE a.kind = 'wallet' AND t.kind = 'click'"
    )[0][0]
    wrong = abs(spent - BUDGET_MICROS) + abs(billed - BUDGET_MICROS) + abs(booked - BUDGET_MICROS)
    note = f"{CLICKS / seconds:,.0f} clicks a second; answers {sorted(statuses)}; {CLICKERS} clickers"
    return [
        Figure("one campaign, micros too many or too few", wrong, "", 0, note),
        Figure(
            "one campaign, answers that are no redirect", sum(status != 302 for status, _ in answers), "", 0
        ),
    ]


def measure() -> list[Figure]:
    figures = []
    parts: list[Callable[[Stack], list[Figure]]] = [measure_rates, measure_hot_campaign]
    for part in parts:
        with stand(workers=0, **LIMITS) as stack:
            figures += part(stack)
    return figures


def client() -> None:
    port, connections = int(sys.argv[2]), int(sys.argv[3])
    requests = [text.encode() for text in json.load(sys.stdin)]
    seconds, answers = all_at_once(port, requests, connections)
    json.dump([seconds, [(status, body.decode()) for status, body in answers]], sys.stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client()
    else:
        show("Events", measure())
