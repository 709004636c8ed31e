"""Answers without end while webs, workers and Redis are killed at random: for hours, to find what no test thought of.

`python -m benchmarks.soak [MINUTES] [SEED] [redis]`. A round that goes wrong is printed with its seed, and ends it.
"""

import asyncio
import random
import sys
import time
from typing import Any

from benchmarks.kill_worker import LEASE_SECONDS, figures_of, one_round
from benchmarks.report import show
from benchmarks.stand import stand
from tests.stack import Stack

MINUTES = 10
WEBS, WORKERS = 2, 2


def kill_anything(stack: Stack, dice: random.Random) -> None:
    """One or two processes at once; what was killed is started again, a web at its old address."""
    for process in dice.sample([*stack.webs, *stack.workers], dice.choice((1, 1, 2))):
        stack.kill(process)
        if process.name == "web":
            stack.start_web(port=process.port, wait=False)
        else:
            stack.start_worker(wait=False)
    if stack.redis and dice.random() < 0.3:
        stack.redis.kill()
        stack.redis.start()


async def soak(stack: Stack, minutes: float, seed: int) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        result = await one_round(stack, f"seed {seed}", random.Random(seed), kill_anything)
        print(f"seed {seed}: {result}", flush=True)
        results.append(result)
        if result["wrong"] or result["stored_wrong"] or result["left"]:
            raise SystemExit(f"Wrong at seed {seed}.\n{stack.logs()}")
        seed += 1
    return results


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    first_seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with stand(webs=WEBS, workers=WORKERS, lease_seconds=LEASE_SECONDS, redis="redis" in sys.argv) as running:
        show("Soak", figures_of(asyncio.run(soak(running, minutes, first_seed))))
