"""`POST /decide` with 100, 5,000 and 100,000 live ads, one request after another, under Daphne and under a WSGI server.

Contexts of 100 characters, none twice, so that each is embedded. The processor time is that of the server's processes;
"bare" is what the same server needs for a request that finds nothing: it tells how busy the machine is.

python -m benchmarks.ads_decide [number of ads ...]
"""

import http.client
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ads_texts import questions
from benchmarks.report import Figure, percentile, show
from benchmarks.stand import cpu_seconds, postgres_log, stand
from tests.processes import can_connect, eventually, free_port
from tests.stack import Process, Stack

SIZES = (100, 5_000, 100_000)
WARM, REQUESTS, BARE = 60, 400, 500
COUNTED = 50
BAR_P50_MS, BAR_P99_MS, BAR_CPU_MS = 10.0, 30.0, 8.0
BAR_STATEMENTS = 4
GROWTH = {5_000: 1.3, 100_000: 3.0}
# Far above what one client can ask; what taking from a bucket costs is paid.
LIMITS = {"PENGUIN_RATE_LIMITS": "ads=10000000/min:100000"}


def fill(stack: Stack, count: int, *options: str) -> str:
    """Brings the stack's inventory to `count` ads; a live key."""
    env = stack.environment() | {"PENGUIN_LOG_LEVEL": "WARNING"}
    log = stack.directory / f"fill-{count}.log"
    process = Process(
        "fill", "-m", "benchmarks.ads_inventory", "--database", stack.database_url, "--count", str(count), *options,
        log=log, env=env,
    )  # fmt: skip
    assert process.process.wait(3600) == 0, process.output
    return process.output.split()[-1]


@contextmanager
def wsgi(stack: Stack, *, threads: int = 2) -> Iterator[Process]:
    """The same REST from one process of a WSGI server."""
    port = free_port()
    process = Process(
        "wsgi", "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--blocking-threads", str(threads), "--no-ws", "--log-level", "warning", "penguin_site.wsgi:application",
        log=stack.directory / f"wsgi-{port}.log", env=stack.environment(), port=port,
    )  # fmt: skip
    try:
        eventually(lambda: can_connect(port), seconds=60)
        yield process
    finally:
        process.end(seconds=20)


def processor_seconds(pid: int) -> float:
    """Of a process and all that it has started."""
    return cpu_seconds(pid) + sum(processor_seconds(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in texts for child in text.split()]


class Agent:
    """One client with one connection."""

    def __init__(self, server: Process, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"X-AM-API-Key": key, "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._connection.request("POST", f"/functions/v1/{path}", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        content = response.read()
        assert response.status == 200, content
        answer: dict[str, Any] = json.loads(content)
        return answer


@dataclass(frozen=True, slots=True)
class Times:
    milliseconds: list[float]
    cpu_ms: float
    fills: float
    bare_ms: float
    statements: float

    def p(self, share: float) -> float:
        return percentile(self.milliseconds, share)


def time_decisions(stack: Stack, server: Process, key: str, *, count: int = REQUESTS) -> Times:
    agent = Agent(server, key)
    asked = questions(WARM + count, seed=server.port)
    # The first ones load the model and the inventory.
    eventually(lambda: agent.post("decide", {"context": asked[0]})["status"] == "fill", seconds=300)
    for text in asked[:WARM]:
        agent.post("decide", {"context": text})
    bare = time_bare(server)
    began, times, filled = processor_seconds(server.pid), [], 0
    for text in asked[WARM:]:
        start = time.perf_counter()
        answer = agent.post("decide", {"context": text})
        times.append((time.perf_counter() - start) * 1000)
        filled += answer["status"] == "fill"
    cpu = (processor_seconds(server.pid) - began) * 1000 / count
    # Counted apart: writing them all down takes Postgres time.
    with statements_logged(stack) as logged:
        for text in questions(COUNTED, seed=server.port + 1):
            agent.post("decide", {"context": text})
    return Times(times, cpu, filled / count, bare, len(logged) / COUNTED)


def time_bare(server: Process, *, count: int = BARE) -> float:
    """Processor milliseconds of a request that comes through all of the site and finds no view."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    began = 0.0
    for number in range(count + WARM):
        if number == WARM:
            began = processor_seconds(server.pid)
        connection.request("GET", "/functions/v1/nowhere")
        response = connection.getresponse()
        response.read()
        assert response.status == 404, response.status
    return (processor_seconds(server.pid) - began) * 1000 / count


@contextmanager
def statements_logged(stack: Stack) -> Iterator[list[str]]:
    """First words of the statements that come meanwhile; complete when it is over."""
    log, words = postgres_log(stack), list[str]()
    with _logging(stack):
        begin = log.stat().st_size
        yield words
        end = log.stat().st_size
    with log.open("rb") as lines:
        lines.seek(begin)
        text = lines.read(end - begin).decode(errors="replace")
    words += [word for word in map(str.upper, _STATEMENT.findall(text)) if word not in ("BEGIN", "COMMIT")]


@contextmanager
def _logging(stack: Stack) -> Iterator[None]:
    for statement in ("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"):
        stack.sql(statement)
    time.sleep(1)  # until every backend has read it
    try:
        yield
    finally:
        for statement in ("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()"):
            stack.sql(statement)


_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): *(\w*)")


def measure_size(stack: Stack, key: str, size: int, base: dict[str, Times]) -> list[Figure]:
    figures = []
    with wsgi(stack) as granian:
        for name, server in (("WSGI", granian), ("Daphne", stack.webs[0])):
            times = time_decisions(stack, server, key)
            is_base = size == SIZES[0]
            if is_base:
                base[name] = times
            bars = (BAR_P50_MS, BAR_P99_MS, BAR_CPU_MS) if is_base else (None, None, None)
            what = f"decide, {size:,} ads, {name}"
            ratio = f"{times.cpu_ms / times.bare_ms:.1f} times a bare request ({times.bare_ms:.2f} ms)"
            figures += [
                Figure(f"{what}, p50", times.p(0.5), "ms", bars[0], f"{times.fills:.0%} filled"),
                Figure(f"{what}, p99", times.p(0.99), "ms", bars[1]),
                Figure(f"{what}, processor time", times.cpu_ms, "ms", bars[2], ratio),
                Figure(
                    f"{what}, statements",
                    times.statements,
                    "",
                    BAR_STATEMENTS,
                    "looks at keys, limits, version among them",
                ),
            ]
            if name in base and not is_base:
                grown = times.p(0.5) / base[name].p(0.5)
                cpu = f"processor time {times.cpu_ms / base[name].cpu_ms:.2f} x"
                figures.append(
                    Figure(f"decide, growth to {size:,} ads, {name}", grown, "x", GROWTH.get(size), cpu)
                )
    return figures


def measure(stack: Stack, sizes: tuple[int, ...] = SIZES) -> list[Figure]:
    figures: list[Figure] = []
    base: dict[str, Times] = {}
    for size in sizes:
        key = fill(stack, size)
        # A fresh web for each: the inventory of the size before is none of its memory.
        for web in list(stack.webs):
            stack.kill(web)
        stack.start_web()
        figures += measure_size(stack, key, size, base)
    return figures


def main() -> None:
    sizes = tuple(int(text) for text in sys.argv[1:]) or SIZES
    with stand(workers=0, **LIMITS) as stack:
        figures = measure(stack, sizes)
    show("Decisions", figures)


if __name__ == "__main__":
    main()
