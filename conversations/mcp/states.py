"""Which servers are meant for whom and how they do, for those who did not ask them themselves: the web processes.

Workers tell in a table what has changed; a server that no worker was asked to reach yet is in no row.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from psycopg_pool import PoolTimeout

from conversations.mcp.config import McpServer
from conversations.models import McpServerState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerState:
    """What this process knows of a server: how many tools it offers (None: not reached), and what is wrong."""

    name: str
    tools: int | None
    problem: str


class _Keeper:
    """Stores what changes, in order, without anybody waiting for it."""

    def __init__(self) -> None:
        self._last: dict[str, ServerState] = {}
        self._due: dict[str, ServerState] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, state: ServerState) -> None:
        if self._last.get(state.name) == state:
            return
        self._last[state.name] = self._due[state.name] = state
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store(), name="mcp states")

    async def _store(self) -> None:
        while self._due:
            _, state = self._due.popitem()
            try:
                await database_sync_to_async(_store, thread_sensitive=False)(state)
            except (DatabaseError, PoolTimeout) as error:
                logger.warning("What became of MCP server %s is not stored: %s", state.name, error)
                self._last.pop(state.name, None)


_keeper: _Keeper | None = None


def keep() -> None:
    """From now on this process, a worker, stores what it finds out."""
    global _keeper
    _keeper = _Keeper()


def tell(state: ServerState) -> None:
    if _keeper:
        _keeper.tell(state)


def servers_for(username: str, *, is_local_owner: bool) -> list[McpServer]:
    servers: tuple[McpServer, ...] = settings.PENGUIN_MCP_SERVERS
    return [server for server in servers if server.is_for(username, is_local_owner=is_local_owner)]


def described_for(username: str, *, is_local_owner: bool) -> list[dict[str, Any]]:
    """The servers whose tools this person is offered, with what workers said last of each."""
    servers = servers_for(username, is_local_owner=is_local_owner)
    if not servers:
        return []
    rows = {row.name: row for row in McpServerState.objects.filter(name__in=[s.name for s in servers])}
    return [
        {
            "name": server.name,
            "tools": rows[server.name].tools if server.name in rows else None,
            "problem": rows[server.name].problem if server.name in rows else "",
            "told_at": rows[server.name].told_at if server.name in rows else None,
        }
        for server in servers
    ]


def _store(state: ServerState) -> None:
    McpServerState.objects.bulk_create(
        [McpServerState(name=state.name, tools=state.tools, problem=state.problem, told_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["tools", "problem", "told_at"],
    )
