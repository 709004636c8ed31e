"""What reading one event of a model's answer costs: our lean reader, and pydantic-ai over the same wire.

    python -m benchmarks.model_reader [--streams 50] [--tokens 200]

Streams answers from the scripted model server (a process of its own) and prints this process' CPU time an event.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")

from conversations.llm.chat_completions import ChatCompletionsClient, ChatServer
from conversations.llm.http_session import close_session
from conversations.llm.library import LibraryClient
from conversations.llm.wire import ChatMessage, ModelClient, ModelRequest

REPEATS = 3


@contextmanager
def scripted_server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def read_one(client: ModelClient, number: int, tokens: int, delay_ms: int) -> int:
    text = f"stream {number} [[tokens={tokens} delay={delay_ms}]]"
    request = ModelRequest("scripted", (ChatMessage("user", text),))
    return len([event async for event in client.stream(request)])


async def measure(name: str, client: ModelClient, streams: int, tokens: int, delay_ms: int) -> None:
    await read_one(client, 0, 5, 0)  # imports and connections
    figures = []
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        counts = await asyncio.gather(*(read_one(client, n, tokens, delay_ms) for n in range(streams)))
        figures.append((time.process_time() - cpu) / sum(counts) * 1e6)
        wall = time.perf_counter() - wall
    print(
        f"{name:<12} {min(figures):7.1f} us CPU an event (best of {REPEATS}; {sum(counts)} events, {wall:.2f} s)"
    )


async def compare(base_url: str, streams: int, tokens: int, delay_ms: int) -> None:
    lean = ChatCompletionsClient(ChatServer(base_url), "scripted")
    library = LibraryClient("openai-chat", "scripted", label="library")
    for name, client in (("lean reader", lean), ("pydantic-ai", library)):
        await measure(name, client, streams, tokens, delay_ms)
    await library.close()
    await close_session()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--delay", type=int, default=20, help="milliseconds between two tokens of a stream")
    given = parser.parse_args()
    with scripted_server() as base_url:
        os.environ.update(OPENAI_BASE_URL=base_url, OPENAI_API_KEY="benchmark")
        asyncio.run(compare(base_url, given.streams, given.tokens, given.delay))


if __name__ == "__main__":
    main()
