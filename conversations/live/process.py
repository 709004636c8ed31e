"""Live output in this web process: one pool, one listener, one hub. Started on the loop that serves the sockets."""

import asyncio
import logging
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from conversations import async_database
from conversations.live import bus, hints, wire
from conversations.live.hints import HintSender
from conversations.live.hub import Hub
from conversations.live.tasks import TaskSet

logger = logging.getLogger(__name__)

POOL_SIZE = 8


@dataclass(frozen=True, slots=True)
class Live:
    pool: AsyncConnectionPool
    hub: Hub
    hints: HintSender
    tasks: TaskSet

    def announce(self, item: wire.Item | None, *, wake: str | None) -> None:
        """Tells the readers of this process at once and everybody else by a hint; on the event loop."""
        if item:
            self.hub.receive(item)
        self.hints.send(item, wake=wake)


_live: Live | None = None


def current() -> Live:
    """The running process's; RuntimeError in one that serves no live output (WSGI, a command)."""
    if _live is None:
        raise RuntimeError("Live output is not running in this process.")
    return _live


async def start() -> None:
    """Opens the pool and begins to listen; waits until it hears, so that no early piece is missed."""
    global _live
    pool = async_database.make_pool("penguin-web", most=POOL_SIZE)
    await pool.open(wait=True)
    tasks = TaskSet()
    live_bus = bus.make_bus()
    live = Live(pool, Hub(pool, live_bus, tasks), HintSender(pool, tasks), tasks)
    tasks.start(live_bus.listen(live.hub.receive), name="listener")
    tasks.start(live.hub.poll(), name="heads")
    loop = asyncio.get_running_loop()
    hints.announce_through(
        lambda item, wake: loop.call_soon_threadsafe(lambda: live.announce(item, wake=wake))
    )
    await live_bus.ready.wait()
    _live = live


async def stop() -> None:
    global _live
    if _live is None:
        return
    live, _live = _live, None
    hints.announce_through(None)
    await live.tasks.stop()
    await live.pool.close()
