"""Many chat clients at once, in a process of their own. Prints JSON: one entry a client.

`python -m benchmarks.chat_clients socket http://127.0.0.1:9000 50 label` (or `rest`, or `model` for the bare stream).
Every client has a conversation and a connection of its own; its time begins before it connects. What it got is compared
with what the scripted model says to exactly this message, so an answer that was lost or mixed up is counted.
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
import orjson
from websockets.asyncio.client import connect

from tests.chat_client import Answer
from tests.model_script import token_texts
from tests.stack import KEY

TOKENS, DELAY_MS = 40, 20
SCRIPT = f"[[tokens={TOKENS} delay={DELAY_MS}]]"


def message(label: str, number: int) -> tuple[str, str]:
    """(text of a message, the exact answer to it)."""
    text = f"{label} {number}"
    return f"{text} {SCRIPT}", "".join(token_texts(text, TOKENS))


async def over_socket(address: str, label: str, number: int) -> dict[str, Any]:
    text, expected = message(label, number)
    began = time.perf_counter()
    first = 0.0
    answer: Answer | None = None
    url = f"ws{address.removeprefix('http')}/api/v1/chat/stream"
    async with connect(url, additional_headers={"X-API-Key": KEY}, compression=None, proxy=None) as socket:
        await socket.send(json.dumps({"text": text}))
        async for raw in socket:
            frame = orjson.loads(raw)
            answer = answer or Answer(frame["data"]["session_id"], "")
            answer.take(frame["event"], frame["data"])
            if not first and frame["event"] == "token":
                first = time.perf_counter() - began
            if answer.complete:
                break
        whole = time.perf_counter() - began
    right = answer is not None and answer.text == expected
    return {"first": first, "whole": whole, "right": right, "session_id": answer.session_id if answer else ""}


async def over_rest(address: str, label: str, number: int) -> dict[str, Any]:
    text, expected = message(label, number)
    began = time.perf_counter()
    async with aiohttp.ClientSession(headers={"X-API-Key": KEY}) as session:
        async with session.post(f"{address}/api/v1/chat/message", json={"text": text}) as response:
            body = await response.json()
    whole = time.perf_counter() - began
    return {"whole": whole, "right": body.get("response") == expected, "session_id": body.get("session_id")}


async def from_model(address: str, label: str, number: int) -> dict[str, Any]:
    """The baseline: the model's own stream, read by the client without Penguin in between."""
    text, expected = message(label, number)
    body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": text}]}
    began = time.perf_counter()
    first, got = 0.0, []
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{address}/v1/chat/completions", json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {") and (choices := orjson.loads(line[6:])["choices"]):
                    got.append(choices[0]["delta"].get("content", ""))
                    first = first or time.perf_counter() - began
    whole = time.perf_counter() - began
    return {
        "first": first,
        "whole": whole,
        "right": "".join(got) == expected,
        "session_id": f"{label}-{number}",
    }


WAYS = {"socket": over_socket, "rest": over_rest, "model": from_model}


async def run(way: str, address: str, clients: int, label: str) -> list[dict[str, Any]]:
    return await asyncio.gather(*(WAYS[way](address, label, number) for number in range(clients)))


if __name__ == "__main__":
    _, way, address, clients, label = sys.argv
    print(json.dumps(asyncio.run(run(way, address, int(clients), label))))
