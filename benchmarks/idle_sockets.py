"""What 2,000 open and idle sockets on one web cost: memory of each, processor time of all, and that they still work."""

import asyncio
import sys
import time
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.report import Figure, show
from benchmarks.stand import cpu_seconds, in_process, stand
from tests.stack import KEY, Stack

SOCKETS = 2_000
AT_ONCE = 50
IDLE_SECONDS = 20
BAR_KIB = 40


def measure(stack: Stack) -> list[Figure]:
    web = stack.webs[0]
    in_process("benchmarks.chat_clients", "socket", web.http, 20, "warm-up")
    return asyncio.run(_measure(web.pid, web.socket))


async def _measure(pid: int, address: str) -> list[Figure]:
    before = proportional_kib(pid)
    began = time.monotonic()
    sockets: list[ClientConnection] = []
    while len(sockets) < SOCKETS:
        sockets += await asyncio.gather(*(_open(address) for _ in range(AT_ONCE)))
    opening = time.monotonic() - began
    cpu = cpu_seconds(pid)
    await asyncio.sleep(IDLE_SECONDS)
    share = (cpu_seconds(pid) - cpu) / IDLE_SECONDS * 100
    kib = (proportional_kib(pid) - before) / SOCKETS
    answered = sum(await asyncio.gather(*(_answers(socket) for socket in sockets)))
    await asyncio.gather(*(socket.close() for socket in sockets))
    return [
        Figure("memory of an idle socket (PSS)", kib, "KiB", BAR_KIB, f"of {SOCKETS} on one web"),
        Figure("sockets that do not answer a ping frame", SOCKETS - answered, "", 0),
        Figure("processor time while they idle", share, "%", None, "a protocol ping each 15 s included"),
        Figure("sockets opened a second", SOCKETS / opening, "/s"),
    ]


async def _open(address: str) -> ClientConnection:
    return await connect(
        address, additional_headers={"X-API-Key": KEY}, compression=None, proxy=None, ping_interval=None
    )


async def _answers(socket: ClientConnection) -> bool:
    await socket.send('{"type": "ping"}')
    return '"pong"' in str(await asyncio.wait_for(socket.recv(), 30))


def proportional_kib(pid: int) -> int:
    """Memory of a process, what it shares with others counted in part (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def raise_open_file_limit() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    raise_open_file_limit()
    with stand() as running:
        show("Idle sockets", measure(running))
    sys.exit()
