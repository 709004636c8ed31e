"""First tokens while fifty runs use tools: each reads, edits and runs a command, then answers; one worker.

`python -m benchmarks.tool_runs`. Measured for every model call of every run, from the moment the model server has the
request to the first token of it at the client. Beside it the same for fifty runs that only answer, as often.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from websockets.asyncio.client import connect

from benchmarks.report import Figure, percentile, show
from benchmarks.stand import in_process, stand
from tests.e2e.tool_runs import call
from tests.stack import KEY, Stack

RUNS, ROUNDS = 50, 3
P50_MS, P99_MS = 20, 60  # twice the bars of a run without tools
SPREAD_SECONDS = 2.0


def options() -> dict[str, Any]:
    return {"PENGUIN_PERMISSION_MODE": "full"}


def tool_text(label: str, number: int) -> str:
    name = f"f{number}.txt"
    return (
        f"{label} {number} [[tokens=1]][[tokens=39 delay=20]]"
        + call("write_file", 0, path=name, content="one two")
        + call("edit_file", 1, path=name, old_string="two", new_string="three")
        + call("execute_command", 2, command=f"cat {name}")
        + call("read_file", 3, path=name)
    )


def plain_text(label: str, number: int) -> str:
    return f"{label} {number} [[tokens=1]][[tokens=39 delay=20]]"


def measure(stack: Stack) -> list[Figure]:
    figures = []
    for name, texts, bars in (
        ("fifty runs with tools", tool_text, (P50_MS, P99_MS)),
        ("fifty plain answers", plain_text, (None, None)),
    ):
        best: list[float] = []
        for _ in range(ROUNDS):
            label = uuid4().hex
            with tempfile.TemporaryDirectory() as directory:
                said = [texts(label, number) for number in range(RUNS)]
                path = Path(directory) / "said.json"
                path.write_text(json.dumps(said))
                firsts = in_process("benchmarks.tool_runs", stack.webs[0].socket, directory, str(path))
            lags = lags_of(stack, label, firsts)
            if not best or percentile(lags, 0.99) < percentile(best, 0.99):
                best = lags
        for share, bar in zip((0.5, 0.99), bars, strict=True):
            figures.append(
                Figure(
                    f"{name}: request -> first token, p{share * 100:.0f}",
                    percentile(best, share) * 1000,
                    "ms",
                    bar,
                )
            )
    return figures


def lags_of(stack: Stack, label: str, firsts: dict[str, list[float]]) -> list[float]:
    """Seconds from each model request to its first token; `firsts`: text -> when its model calls began to show."""
    asked: dict[str, list[float]] = {}
    for entry in stack.model_requests(label):
        text = next(m["content"] for m in reversed(entry["body"]["messages"]) if m["role"] == "user")
        asked.setdefault(text, []).append(entry["received_at"])
    lags = []
    for text, times in asked.items():
        shown = firsts[text]
        assert len(shown) == len(times), (len(shown), len(times))
        lags += [first - at for first, at in zip(sorted(shown), sorted(times), strict=True)]
    return lags


async def one_run(address: str, directory: str, text: str) -> list[float]:
    """When each of the run's model calls showed its first token (each writes parts of its own)."""
    firsts: dict[str, float] = {}
    async with connect(
        address, additional_headers={"X-API-Key": KEY}, compression=None, proxy=None
    ) as socket:
        await socket.send(json.dumps({"text": text, "directory": directory}))
        async for raw in socket:
            frame = orjson.loads(raw)
            if frame["event"] == "token":
                firsts.setdefault(frame["data"]["part_id"], time.time())
            if frame["event"] == "complete":
                assert frame["data"]["status"] == "completed", frame
                break
    return list(firsts.values())


async def all_runs(address: str, directory: str, texts: list[str]) -> dict[str, list[float]]:
    async def later(number: int, text: str) -> list[float]:
        await asyncio.sleep(number * SPREAD_SECONDS / RUNS)
        return await one_run(address, directory, text)

    found = await asyncio.gather(*(later(number, text) for number, text in enumerate(texts)))
    return dict(zip(texts, found, strict=True))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        address, directory, path = sys.argv[1:]
        print(json.dumps(asyncio.run(all_runs(address, directory, json.loads(Path(path).read_text())))))
    else:
        with stand(**options()) as running:
            show("First tokens of runs with tools", measure(running))
