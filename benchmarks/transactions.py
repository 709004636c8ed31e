"""What answers cost in Postgres, and that a worker's transactions do not grow with the number of its streams.

Postgres logs every statement with the name of its connection; the transactions are counted in that log, the rows in its
statistics. The most flushes within any one second count, not the mean.
"""

import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Figure, show
from benchmarks.stand import in_process, postgres_log, stand
from tests.stack import Stack

STREAMS = (1, 50, 200)
BAR_A_SECOND = 45
# An idle session keeps what it has counted for up to ten seconds.
REPORT_SECONDS = 10.5
FLUSH = "penguin-worker-flush"
LOGGED = {"log_statement": "all", "log_line_prefix": "@%n|%p|%a|"}
_LINE = re.compile(r"^@([\d.]+)\|(\d+)\|([^|]*)\|LOG:  (?:statement|execute [^:]*): *(\w*)")
_ROWS = """
SELECT relname, n_tup_ins + n_tup_upd + n_tup_del, n_tup_ins FROM pg_stat_user_tables
WHERE relname IN ('conversation', 'conversation_event', 'fragment', 'message', 'model_call', 'run')
"""


def transactions(log: Path, begin: int) -> Iterator[tuple[float, str]]:
    """(moment, name of the connection) of each transaction in the log behind byte `begin`."""
    inside: set[str] = set()
    with log.open(errors="replace") as lines:
        lines.seek(begin)
        for line in lines:
            if not (found := _LINE.match(line)):
                continue
            moment, pid, name, word = float(found[1]), found[2], found[3], found[4].upper()
            if word == "BEGIN":
                inside.add(pid)
            elif word in ("COMMIT", "ROLLBACK"):
                inside.discard(pid)
                yield moment, name
            elif pid not in inside:
                yield moment, name


def most_in_a_second(moments: list[float]) -> int:
    window: deque[float] = deque()
    most = 0
    for moment in sorted(moments):
        window.append(moment)
        while window[0] <= moment - 1:
            window.popleft()
        most = max(most, len(window))
    return most


def rows(stack: Stack) -> dict[str, tuple[int, int]]:
    """Per table (rows written, rows inserted) so far, once the sessions have all reported."""
    last, since = None, time.monotonic()
    while time.monotonic() - since < REPORT_SECONDS:
        now = {name: (written, inserted) for name, written, inserted in stack.sql(_ROWS)}
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.2)
    assert last
    return last


def measure(stack: Stack) -> list[Figure]:
    log = postgres_log(stack)
    in_process("benchmarks.chat_clients", "socket", stack.webs[0].http, 20, "warm-up")
    figures = []
    for streams in STREAMS:
        before, begin = rows(stack), log.stat().st_size
        in_process("benchmarks.chat_clients", "socket", stack.webs[0].http, streams, f"streams{streams}")
        by_name: dict[str, list[float]] = defaultdict(list)
        for moment, name in transactions(log, begin):
            by_name[name].append(moment)
        after = rows(stack)
        note = ", ".join(
            f"{name.removeprefix('penguin-')} {count}"
            for name, count in Counter(
                {name: len(moments) for name, moments in by_name.items()}
            ).most_common()
            if name.startswith("penguin-")
        )
        most = most_in_a_second(by_name[FLUSH])
        figures.append(
            Figure(
                f"flush transactions in a second, {streams} streams",
                most,
                "/s",
                BAR_A_SECOND,
                f"in all: {note}",
            )
        )
        written = {name: after[name][0] - before.get(name, (0, 0))[0] for name in after}
        pieces = after["fragment"][1] - before.get("fragment", (0, 0))[1]
        note = ", ".join(f"{name} {count / streams:.1f}" for name, count in sorted(written.items()) if count)
        figures.append(
            Figure(
                f"rows written an answer, {streams} streams", sum(written.values()) / streams, "", None, note
            )
        )
        figures.append(Figure(f"fragments an answer of 40 tokens, {streams} streams", pieces / streams, ""))
    return figures


if __name__ == "__main__":
    with stand(postgres=LOGGED) as running:
        show("Transactions", measure(running))
