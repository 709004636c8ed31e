"""`POST /decide` with 100, 5,000 and 100,000 live ads, one request after another, under Daphne and under a WSGI server.

Contexts of 100 characters, none twice, so that each is embedded. The processor time is that of the server's processes.

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

from benchmarks.ads_inventory import questions
from benchmarks.report import Figure, percentile, show
from benchmarks.stand import cpu_seconds, postgres_log, stand
from benchmarks.transactions import LOGGED
from tests.processes import can_connect, eventually, free_port
from tests.stack import Process, Stack

SIZES = (100, 5_000, 100_000)
WARM, REQUESTS = 60, 400
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

    def p(self, share: float) -> float:
        return percentile(self.milliseconds, share)


def time_decisions(server: Process, key: str, *, count: int = REQUESTS) -> Times:
    agent = Agent(server, key)
    asked = questions(WARM + count, seed=server.port)
    # The first ones load the model and the inventory.
    eventually(lambda: agent.post("decide", {"context": asked[0]})["status"] == "fill", seconds=300)
    for text in asked[:WARM]:
        agent.post("decide", {"context": text})
    began, times, filled = processor_seconds(server.pid), [], 0
    for text in asked[WARM:]:
        start = time.perf_counter()
        answer = agent.post("decide", {"context": text})
        times.append((time.perf_counter() - start) * 1000)
        filled += answer["status"] == "fill"
    cpu = (processor_seconds(server.pid) - began) * 1000 / count
    return Times(times, cpu, filled / count)


def measure_size(stack: Stack, key: str, size: int, base: dict[str, Times]) -> list[Figure]:
    figures = []
    with wsgi(stack) as granian:
        for name, server in (("WSGI", granian), ("Daphne", stack.webs[0])):
            times = time_decisions(server, key)
            note = f"{times.fills:.0%} filled"
            if size == SIZES[0]:
                base[name] = times
                figures += [
                    Figure(f"decide, {size:,} ads, {name}, p50", times.p(0.5), "ms", BAR_P50_MS, note),
                    Figure(f"decide, {size:,} ads, {name}, p99", times.p(0.99), "ms", BAR_P99_MS),
                    Figure(f"decide, {size:,} ads, {name}, processor time", times.cpu_ms, "ms", BAR_CPU_MS),
                ]
                continue
            figures.append(Figure(f"decide, {size:,} ads, {name}, p99", times.p(0.99), "ms"))
            figures.append(Figure(f"decide, {size:,} ads, {name}, processor time", times.cpu_ms, "ms"))
            if name in base:
                growth = times.p(0.5) / base[name].p(0.5)
                note = f"p50 {base[name].p(0.5):.1f} ms -> {times.p(0.5):.1f} ms; {note}"
                figures.append(
                    Figure(f"decide, growth to {size:,} ads, {name}", growth, "x", GROWTH.get(size), note)
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


_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): *(\w*)")


def measure_statements() -> list[Figure]:
    """Counted in the log of Postgres."""
    with stand(workers=0, postgres=LOGGED, **LIMITS) as stack:
        key = fill(stack, SIZES[0])
        agent = Agent(stack.webs[0], key)
        eventually(lambda: agent.post("decide", {"context": questions(1)[0]})["status"] == "fill", seconds=60)
        for text in questions(WARM, seed=2):
            agent.post("decide", {"context": text})
        log = postgres_log(stack)
        begin = log.stat().st_size
        for text in questions(COUNTED, seed=3):
            agent.post("decide", {"context": text})
        with log.open(errors="replace") as lines:
            lines.seek(begin)
            words = [found[1].upper() for line in lines if (found := _STATEMENT.search(line))]
    count = sum(word not in ("BEGIN", "COMMIT") for word in words)
    note = "keys, limits and looks at the inventory's version among them"
    return [Figure("statements a decision", count / COUNTED, "", BAR_STATEMENTS, note)]


def main() -> None:
    sizes = tuple(int(text) for text in sys.argv[1:]) or SIZES
    with stand(workers=0, **LIMITS) as stack:
        figures = measure(stack, sizes)
    show("Decisions", [*figures, *measure_statements()])


if __name__ == "__main__":
    main()
