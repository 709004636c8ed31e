"""Many readers of one streaming run over the event stream: how far the last is behind the first, what it costs the web.

Also what an event costs that is encoded for the first reader, against every further one of the process, and the memory
of a stream that is idle. Figures without bars.
"""

import asyncio
import json
import sys
import time
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from benchmarks.idle_sockets import proportional_kib
from benchmarks.report import Figure, percentile, show
from benchmarks.stand import cpu_seconds, in_process, stand
from tests.model_script import token_texts
from tests.stack import KEY, Stack

READERS = (1, 50, 200)
TOKENS, DELAY_MS = 100, 20
IDLE = 500


def measure(stack: Stack) -> list[Figure]:
    web = stack.webs[0]
    in_process("benchmarks.live_events", "read", web.http, 5, f"warm-up-{uuid4().hex}")
    figures = []
    for readers in READERS:
        before = cpu_seconds(web.pid)
        seen = in_process("benchmarks.live_events", "read", web.http, readers, uuid4().hex)
        seconds = cpu_seconds(web.pid) - before
        note = f"{readers} readers, {seen['events']} events to each, {seen['wrong']} texts wrong"
        for share in (0.5, 0.99):
            behind = percentile(seen["behind"], share) * 1000
            figures.append(Figure(f"behind the first reader, p{share * 100:.0f}", behind, "ms", None, note))
        frames = seen["events"] * readers
        each = seconds / frames * 1e6
        name = "processor time of the web an event and reader, opening included"
        figures.append(Figure(name, each, "us", None, note))
    figures += [idle_memory(stack), *encoding()]
    return figures


def idle_memory(stack: Stack) -> Figure:
    web = stack.webs[0]
    kib = asyncio.run(_idle_kib(web.pid, web.http))
    return Figure("memory of an idle stream (PSS)", kib, "KiB", None, f"of {IDLE} on one web")


async def _idle_kib(pid: int, address: str) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers={"X-API-Key": KEY}, connector=connector) as session:
        before = proportional_kib(pid)
        responses = []
        for _ in range(IDLE // 50):
            responses += await asyncio.gather(
                *(session.get(f"{address}/api/v1/events/sse") for _ in range(50))
            )
        await asyncio.sleep(1)
        kib = (proportional_kib(pid) - before) / IDLE
        for response in responses:
            response.close()
    return kib


def encoding() -> list[Figure]:
    """The same piece for 1,000 readers of a process: the first encodes it, the others are handed what is there."""
    from conversations.api.event_stream import TRANSPORT
    from conversations.core.live_events import Place
    from conversations.core.log_events import Piece
    from conversations.live.live_reader import frames_of
    from conversations.live.subscription import Subscription

    place, rounds, readers = Place("s1", "0a1b2c3d"), 200, 1_000
    subscription = Subscription(lambda outcome: None)
    first = others = 0.0
    for _ in range(rounds):
        piece = Piece("r1", "018e8f5a-0000-7000-8000-000000000004", "text", 120, " word of the answer")
        began = time.perf_counter()
        (frame,) = frames_of(piece, TRANSPORT, place, subscription)
        encoded = time.perf_counter()
        shared = all(frames_of(piece, TRANSPORT, place, subscription)[0] is frame for _ in range(readers))
        others += time.perf_counter() - encoded
        first += encoded - began
        assert shared
    note = f"the same bytes for {readers:,} readers"
    return [
        Figure("encoding an event for its first reader", first / rounds * 1e6, "us"),
        Figure("for each further reader", others / rounds / readers * 1e6, "us", None, note),
    ]


# The readers, in a process of their own


async def read(address: str, readers: int, label: str) -> dict[str, Any]:
    expected = "".join(token_texts(label, TOKENS))
    connector = aiohttp.TCPConnector(limit=0)
    arrivals: dict[tuple[str, int], list[float]] = {}
    async with aiohttp.ClientSession(headers={"X-API-Key": KEY}, connector=connector) as session:
        await session.post(f"{address}/api/v1/conversations/create", json={"session_id": label})
        ready = asyncio.Semaphore(0)
        reading = [
            asyncio.create_task(_read_one(session, address, label, ready, arrivals)) for _ in range(readers)
        ]
        for _ in range(readers):
            await ready.acquire()
        text = f"{label} [[tokens={TOKENS} delay={DELAY_MS}]]"
        body = {"text": text, "session_id": label, "wait": False}
        await session.post(f"{address}/api/v1/chat/message", json=body)
        results = await asyncio.gather(*reading)
    behind = [moment - min(moments) for moments in arrivals.values() for moment in moments]
    return {
        "behind": sorted(behind),
        "events": results[0][0],
        "wrong": sum(text != expected for _, text in results),
    }


async def _read_one(
    session: aiohttp.ClientSession,
    address: str,
    label: str,
    ready: asyncio.Semaphore,
    arrivals: dict[tuple[str, int], list[float]],
) -> tuple[int, str]:
    """(events, text) of one reader, up to the end of the run."""
    events, text = 0, ""
    async with session.get(f"{address}/api/v1/events/sse", params={"session_id": label}) as response:
        async for line in response.content:
            if not line.startswith(b"data: "):
                continue
            event = orjson.loads(line[6:])
            properties = event["properties"]
            if event["type"] == "server.synced":
                ready.release()
            if not event["type"].startswith("server."):
                events += 1
            if "delta" in properties:
                text = text[: properties["offset"]] + properties["delta"]
                place = (properties["partID"], properties["offset"])
                arrivals.setdefault(place, []).append(time.perf_counter())
            if event["type"] == "session.status" and properties["status"] == "idle":
                break
    return events, text


if __name__ == "__main__":
    if len(sys.argv) == 5:
        print(json.dumps(asyncio.run(read(sys.argv[2], int(sys.argv[3]), sys.argv[4]))))
    else:
        import os

        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")
        with stand() as running:
            django.setup(set_prefix=False)
            show("Live events", measure(running))
