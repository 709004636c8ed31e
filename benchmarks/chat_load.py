"""A whole answer, at 1, 20, 50 and 200 clients at once: 40 tokens, one each 20 ms, so 0.8 s at best.

Best of three rounds, as other work on a shared machine only ever makes it slower. Beside it the model's bare stream,
read by the same clients without Penguin in between, and the same over REST.
"""

from typing import Any

from benchmarks.chat_clients import SCRIPT, TOKENS
from benchmarks.report import Figure, percentile, show
from benchmarks.stand import cpu_seconds, in_process, stand
from tests.model_script import token_texts
from tests.stack import Stack

BARS = {1: 0.9, 20: 1.0, 50: 1.1, 200: 1.7}
ROUNDS = 3


def measure(stack: Stack) -> list[Figure]:
    assert stack.model
    web = stack.webs[0].http
    figures, wrong, asked = [], 0, 0
    in_process("benchmarks.chat_clients", "socket", web, 50, "warm-up")
    for clients, bar in BARS.items():
        bare = _best("model", stack.model.http, clients)[0]
        for way in ("socket", "rest"):
            before = _cpu(stack)
            p50, p99, first, bad = _best(way, web, clients)
            cpu = " ".join(f"{name} {(_cpu(stack)[name] - was) / ROUNDS:.2f}" for name, was in before.items())
            wrong += bad
            asked += clients * ROUNDS
            note = f"p99 {p99:.2f}, {p50 / bare:.2f} x bare stream ({bare:.2f} s); CPU s: {cpu}"
            if first:
                note = f"first token {first:.2f}, {note}"
            name = f"whole answer p50, {clients} clients" + (", REST" if way == "rest" else "")
            figures.append(Figure(name, p50, "s", bar if way == "socket" else None, note))
    figures.append(Figure("answers lost or mixed up", wrong, "", 0, f"of {asked}"))
    figures.append(
        Figure("stored texts that differ", _stored_wrong(stack), "", 0, "message rows against the script")
    )
    return figures


def _best(way: str, address: str, clients: int) -> tuple[float, float, float, int]:
    """(p50, p99, p50 of the first token) of the best round, and the number of wrong answers in all of them."""
    best, wrong = (float("inf"), 0.0, 0.0), 0
    for number in range(ROUNDS):
        answers: list[dict[str, Any]] = in_process(
            "benchmarks.chat_clients", way, address, clients, f"{way}{clients}r{number}"
        )
        sessions = {answer["session_id"] for answer in answers if answer["right"]}
        wrong += clients - len(sessions)
        whole = [answer["whole"] for answer in answers]
        first = [answer.get("first", 0.0) for answer in answers]
        best = min(best, (percentile(whole, 0.5), percentile(whole, 0.99), percentile(first, 0.5)))
    return *best, wrong


def _cpu(stack: Stack) -> dict[str, float]:
    return {"web": cpu_seconds(stack.webs[0].pid), "worker": cpu_seconds(stack.workers[0].pid)}


def _stored_wrong(stack: Stack) -> int:
    """Answers in the database that are not what the model said to the message before them."""
    rows = stack.sql(
        "SELECT asked.content, answer.content FROM message asked JOIN message answer USING (run_id)"
        " WHERE asked.role = 'user' AND answer.role = 'assistant' AND strpos(asked.content, %s) > 0",
        SCRIPT,
    )
    return sum("".join(token_texts(asked.partition(" [[")[0], TOKENS)) != answer for asked, answer in rows)


if __name__ == "__main__":
    with stand() as running:
        show("Whole answers under load", measure(running))
