"""SIGKILL of a worker in the middle of runs with tools, again and again: no command twice, one outcome for each call.

`python -m benchmarks.kill_tools [ROUNDS] [SEED]`: in each round four scripted runs read, write, edit and run commands
while one of two workers is killed at a random moment; whoever is asked then looks and answers. Ends at the first fault.
"""

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure, show
from benchmarks.stand import stand
from tests.e2e import tool_crashes
from tests.stack import Stack

ROUNDS, RUNS = 60, 4


def measure(stack: Stack, *, rounds: int = ROUNDS, seed: int = 0) -> list[Figure]:
    runs = asked = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            stack.mend(webs=1, workers=2)
            played = tool_crashes.play(stack, Path(directory), seed + number, count=RUNS)
            runs, asked = runs + played["runs"], asked + played["asked"]
            print(f"round {number}: {played}", file=sys.stderr, flush=True)
    seconds = (time.monotonic() - began) / rounds
    return [
        Figure(f"kills in runs with tools: {runs} runs, wrong ones", 0, "", 0),
        Figure("calls nobody could judge but a person", asked, "", None),
        Figure("seconds a round", seconds, "s", None),
    ]


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    with stand(workers=2, lease_seconds=1, PENGUIN_PERMISSION_MODE="full") as running:
        show(
            "Workers killed in runs with tools",
            measure(running, rounds=given[0] if given else ROUNDS, seed=given[1] if len(given) > 1 else 0),
        )
