"""SIGKILL of a worker in the middle of 50 answers, again and again: all end, no text twice, none missing.

`python -m benchmarks.kill_worker [ROUNDS] [SEED]`. The kill comes at a random moment of the answers; another worker is
there, and the killed one is replaced. Sockets belong to one client process that checks every frame it gets.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.report import Figure, percentile, show
from benchmarks.stand import stand
from tests.chat_client import Answer, ChatClient
from tests.model_script import token_texts
from tests.stack import Stack

RUNS, TOKENS, DELAY_MS = 50, 40, 20
ROUNDS = 10
CLIENTS = 10
LEASE_SECONDS = 3

Said = tuple[ChatClient, Answer, str]


Kill = Callable[[Stack, random.Random], None]


def kill_a_worker(stack: Stack, dice: random.Random) -> None:
    stack.kill(dice.choice(stack.workers))
    stack.start_worker(wait=False)


async def one_round(stack: Stack, label: str, dice: random.Random, kill: Kill) -> dict[str, Any]:
    """Fifty answers, a kill among them; what became of them."""
    said: list[Said] = []
    clients = [await ChatClient([web.socket for web in stack.webs]).__aenter__() for _ in range(CLIENTS)]
    try:
        began = time.monotonic()
        for place in range(RUNS):
            client, text = clients[place % CLIENTS], f"{label} message {place}"
            answer = await client.say(f"{text} [[tokens={TOKENS} delay={DELAY_MS}]]")
            said.append((client, answer, "".join(token_texts(text, TOKENS))))
        await asyncio.sleep(dice.uniform(0, TOKENS * DELAY_MS / 1000 + 0.3))
        kill(stack, dice)
        for client, answer, _ in said:
            await client.wait(answer, seconds=60)
        seconds = time.monotonic() - began
    finally:
        for client in clients:
            await client.__aexit__(None, None, None)
    stack.wait()
    return {"seconds": seconds, **_judge(stack, said)}


def _judge(stack: Stack, said: list[Said]) -> dict[str, int]:
    """How many answers are wrong at the client, wrong in the tables, or were interrupted on the way."""
    run_ids = [answer.run_id for _, answer, _ in said]
    stored = stack.sql(
        "SELECT run_id::text, content FROM message WHERE role = 'assistant' AND run_id = ANY(%s::uuid[])",
        run_ids,
    )
    expected = {answer.run_id: text for _, answer, text in said}
    left = stack.sql(
        "SELECT count(*) FROM run WHERE id = ANY(%s::uuid[]) AND (status <> 'completed' OR EXISTS"
        " (SELECT 1 FROM fragment WHERE run_id = run.id))",
        run_ids,
    )
    return {
        "wrong": sum(
            answer.text != text or not answer.complete or answer.complete["status"] != "completed"
            for _, answer, text in said
        ),
        "stored_wrong": abs(len(stored) - RUNS) + sum(expected[run_id] != text for run_id, text in stored),
        "left": left[0][0],
        "interrupted": sum(bool(answer.statuses) for _, answer, _ in said),
    }


def measure(stack: Stack, *, rounds: int = ROUNDS, seed: int = 1) -> list[Figure]:
    dice = random.Random(seed)

    async def all_rounds() -> list[dict[str, Any]]:
        return [await one_round(stack, f"round {n}", dice, kill_a_worker) for n in range(rounds)]

    return figures_of(asyncio.run(all_rounds()))


def figures_of(results: list[dict[str, Any]]) -> list[Figure]:
    total = {
        name: sum(result[name] for result in results)
        for name in ("wrong", "stored_wrong", "left", "interrupted")
    }
    seconds = [result["seconds"] for result in results]
    of_all = f"of {len(results) * RUNS} in {len(results)} kills, {total['interrupted']} of them interrupted"
    return [
        Figure("answers lost, doubled or wrong at the client", total["wrong"], "", 0, of_all),
        Figure("answers wrong in the tables", total["stored_wrong"], "", 0),
        Figure("runs not completed, or with text left over", total["left"], "", 0),
        Figure(
            "until all 50 had ended, p50", percentile(seconds, 0.5), "s", None, f"lease {LEASE_SECONDS} s"
        ),
        Figure("until all 50 had ended, longest", max(seconds), "s"),
    ]


def options() -> dict[str, Any]:
    return {"workers": 2, "lease_seconds": LEASE_SECONDS}


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    with stand(**options()) as running:
        show("Killed workers", measure(running, rounds=(given or [ROUNDS])[0], seed=(given[1:] or [1])[0]))
