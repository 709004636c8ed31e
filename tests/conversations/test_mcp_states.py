"""Capabilities say how MCP servers do: what workers found out, to those who are offered their tools."""

import asyncio
import sys

import pytest
from channels.db import database_sync_to_async

from conversations.mcp import connections, states
from conversations.mcp import tools as mcp_tools
from conversations.mcp.config import McpServer
from conversations.mcp.states import ServerState
from conversations.models import McpServerState
from tests.processes import ROOT


@pytest.fixture
def keeper(monkeypatch):
    monkeypatch.setattr(states, "_keeper", states._Keeper())


async def stored() -> dict[str, McpServerState]:
    """What stands in the table once everything is in it."""
    while states._keeper._task and not states._keeper._task.done():
        await asyncio.sleep(0.01)
    return await database_sync_to_async(McpServerState.objects.in_bulk, thread_sensitive=False)()


@pytest.mark.django_db(transaction=True)
async def test_workers_store_what_they_find_out(settings, keeper, monkeypatch):
    monkeypatch.setattr(connections, "FIRST_PATIENCE_SECONDS", 40.0)
    command = (sys.executable, str(ROOT / "tests" / "mcp_server.py"), "stdio")
    settings.PENGUIN_MCP_SERVERS = (
        McpServer("good", command=command, cwd=ROOT),
        McpServer("bad", url="http://127.0.0.1:9/mcp"),
    )
    tools = await mcp_tools.tools_for("owner", is_local_owner=True)
    rows = await stored()
    assert (rows["good"].tools, rows["good"].problem) == (len(tools), "")
    assert (rows["bad"].tools, rows["bad"].problem) == (None, "It cannot be reached.")
    await mcp_tools.tools_for("owner", is_local_owner=True)
    assert (await stored())["good"].told_at == rows["good"].told_at  # nothing new, nothing written
    await mcp_tools.close()


@pytest.mark.django_db(transaction=True)
async def test_the_last_word_stands(keeper):
    for state in (ServerState("s", 3, ""), ServerState("s", None, "It ended."), ServerState("s", 4, "")):
        states.tell(state)
    row = (await stored())["s"]
    assert (row.tools, row.problem) == (4, "")


def test_capabilities_tell_it_to_those_it_concerns(api, owner_api, person, settings, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    settings.PENGUIN_MODEL = "openai-chat:gpt-5-mini"
    settings.PENGUIN_MCP_SERVERS = (
        McpServer("mine", command=("x",)),
        McpServer("theirs", command=("x",), users=frozenset({person.username})),
    )
    states._store(ServerState("mine", None, "It ended with exit code 1."))
    [mine] = owner_api.get("/api/v1/capabilities").json()["mcp_servers"]
    assert (mine["name"], mine["tools"], mine["problem"]) == ("mine", None, "It ended with exit code 1.")
    assert mine["told_at"]
    [theirs] = api.get("/api/v1/capabilities").json()["mcp_servers"]
    assert theirs == {"name": "theirs", "tools": None, "problem": "", "told_at": None}


def test_without_servers_the_list_is_empty(owner_api):
    assert owner_api.get("/api/v1/capabilities").json()["mcp_servers"] == []
