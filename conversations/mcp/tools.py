"""The tools of MCP servers as tools of ours, for whom they are meant.

What a server says of its tools goes to the model and to its provider, so it is kept within what those take: a tool
with an unusable definition is left out, and the others stay.
"""

import asyncio
import hashlib
import importlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from conversations.core.tool_calls import Effect
from conversations.mcp import states
from conversations.mcp.config import McpServer
from conversations.mcp.names import tool_name
from conversations.mcp.results import result_text
from conversations.mcp.states import ServerState, servers_for
from conversations.tools.base import (
    Arguments,
    InvalidArguments,
    Invocation,
    Targets,
    Tool,
    ToolError,
    ToolResult,
    Workplace,
)

MOST_DESCRIPTION = 4000
MOST_SCHEMA_BYTES = 32 * 1024
# What providers take at the top of a schema.
_TOP = ("type", "properties", "required", "additionalProperties", "description", "$defs", "definitions")
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


class _Remote(Protocol):
    name: str
    description: str
    schema: dict[str, Any]


class McpTool(Tool):
    """One tool of a server."""

    def __init__(
        self,
        server: McpServer,
        remote: _Remote,
        parameters: dict[str, Any],
        call: Callable[[str, dict[str, Any]], Awaitable[Any]],
    ) -> None:
        self._server, self._remote, self._call = server, remote, call
        self.name = tool_name(server.name, remote.name)
        self.description = remote.description.strip()[:MOST_DESCRIPTION] or f"{remote.name} of {server.name}."
        self.parameters = parameters
        self.effect = server.effect_of(remote.name)
        self.changes_nothing = self.effect is Effect.READ_ONLY

    def definition_hash(self) -> str:
        """Of what the server says, uncut; and of the class it was given here."""
        remote = self._remote
        definition = [self._server.name, remote.name, remote.description, remote.schema, self.effect.value]
        return hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def check(self, arguments: Arguments) -> None:
        """Only that nothing is missing: the server checks the rest, by a schema whose patterns are its own risk."""
        missing = [name for name in self.parameters.get("required", ()) if name not in arguments]
        if missing:
            raise InvalidArguments(f"Missing: {', '.join(missing)}.")

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        where = self._server.url or self._server.command[0]
        note = f"The MCP server {self._server.name!r} ({where}) acts on it, outside of the sandbox."
        return Targets(foreign=True, notes=(note,))

    async def run(self, invocation: Invocation) -> ToolResult:
        from conversations.mcp.connections import ServerFailed

        try:
            result = await self._call(self._remote.name, dict(invocation.arguments))
        except ServerFailed as failure:
            doubt = " Whether the call took effect is not known." if failure.may_have_acted else ""
            raise ToolError(f"MCP server {self._server.name}: {failure}{doubt}") from None
        return result_text(result)


async def tools_for(username: str, *, is_local_owner: bool) -> list[Tool]:
    """The tools of all servers that this person may use, in the file's order.

    Takes the time of the slowest server: ten seconds at most, two for one that was slow or has failed before.
    """
    servers = servers_for(username, is_local_owner=is_local_owner)
    if not servers:
        return []
    connections = [await _connection(server) for server in servers]
    lists = await asyncio.gather(*(connection.tools() for connection in connections))
    found: dict[str, Tool] = {}
    for connection, remotes in zip(connections, lists, strict=True):
        for remote in remotes:
            parameters = usable_parameters(remote.schema)
            if remote.name and parameters is not None:
                tool = McpTool(connection.server, remote, parameters, connection.call)
                found.setdefault(tool.name, tool)
    return list(found.values())


def states_for(username: str, *, is_local_owner: bool) -> list[ServerState]:
    """How the servers of this person do, as far as this process has asked them."""
    known = _connections.get(asyncio.get_running_loop(), {})
    return [
        _state(known[server.name]) if server.name in known else ServerState(server.name, None, "")
        for server in servers_for(username, is_local_owner=is_local_owner)
    ]


async def close() -> None:
    """Ends this loop's connections and the programs behind them."""
    connections = _connections.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(connection.close() for connection in connections.values()))


def usable_parameters(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the arguments as all providers take it; None where that cannot be made."""
    try:
        if len(orjson.dumps(schema)) > MOST_SCHEMA_BYTES:
            return None
        Draft202012Validator.check_schema(schema)
    except (SchemaError, TypeError, RecursionError):
        return None
    if schema.get("type", "object") != "object":
        return None
    properties = schema.get("properties", {})
    if not all(_PROPERTY.fullmatch(name) for name in properties):
        return None
    usable = {key: schema[key] for key in _TOP if key in schema}
    return {"type": "object", "properties": {}, **usable}


async def _connection(server: McpServer) -> Any:
    # The package takes a second to import: not for installations without servers, and not on the event loop.
    module = await asyncio.to_thread(importlib.import_module, "conversations.mcp.connections")
    known = _connections.setdefault(asyncio.get_running_loop(), {})
    if server.name not in known:
        connection = module.Connection(server, lambda: states.tell(_state(connection)))
        known[server.name] = connection
    return known[server.name]


def _state(connection: Any) -> ServerState:
    return ServerState(connection.server.name, connection.tools_known, connection.problem)


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Any]] = WeakKeyDictionary()
