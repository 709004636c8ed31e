"""A real MCP server for tests: `python tests/mcp_server.py stdio|http PORT`.

Its behaviour is set by variables: MCP_DESCRIPTION of `add`, MCP_START (sleep, exit, babble, long_line or noise
before it serves), MCP_LOG (a file that gets a line for each start and each call that was begun or cancelled).
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

server = MCPServer("test")


def log(line: str) -> None:
    if path := os.environ.get("MCP_LOG"):
        with Path(path).open("a") as file:
            file.write(line + "\n")


@server.tool(description=os.environ.get("MCP_DESCRIPTION", "Adds two numbers."))
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
def fail() -> str:
    """Fails."""
    raise ToolError("that did not work")


@server.tool()
async def sleep(seconds: float) -> str:
    """Takes a while."""
    log("sleep begun")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        log("sleep cancelled")
        raise
    log("sleep done")
    return "slept"


@server.tool()
async def crash() -> str:
    """Ends the server in the middle of the call."""
    log("crash begun")
    print("I am broken", file=sys.stderr, flush=True)
    os._exit(3)


@server.tool()
def environment() -> str:
    """All variables, and where it works."""
    return json.dumps({"variables": dict(os.environ), "directory": os.getcwd()})


@server.tool()
def start_child() -> str:
    """Starts a process that would outlive everything."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    return json.dumps({"child": child.pid, "server": os.getpid(), "group": os.getpgid(0)})


@server.tool()
def large(size: int) -> str:
    """A long text."""
    return "x" * size


@server.tool()
def mixed() -> CallToolResult:
    """Texts, an image and resources."""
    return CallToolResult(
        content=[
            TextContent(type="text", text="first"),
            ImageContent(type="image", data="aGVsbG8=", mime_type="image/png"),
            EmbeddedResource(
                type="resource", resource=TextResourceContents(uri="file:///a.txt", text="inside")
            ),
            ResourceLink(type="resource_link", name="b", uri="file:///b.txt"),
        ]
    )


@server.tool(name="odd name/with.everything")
def odd_name() -> str:
    """Has a name that providers do not take."""
    return "odd"


def prepare(how: str) -> None:
    """What MCP_START asks for."""
    log("start")
    if how == "sleep":
        time.sleep(60)
    elif how == "exit":
        sys.exit(f"no configuration found for {os.environ.get('MCP_TOKEN')}")
    elif how == "noise":
        print("Welcome to this server!\n{}\n[]\n\x00\xff\nnull", flush=True)
    elif how == "long_line":
        while True:
            sys.stdout.write("x" * 65536)
    elif how == "babble":
        notification = {
            "jsonrpc": "2.0",
            "method": "notifications/message",
            "params": {"level": "info", "data": "x"},
        }
        while True:
            sys.stdout.write(json.dumps(notification) + "\n")


if __name__ == "__main__":
    prepare(os.environ.get("MCP_START", ""))
    if sys.argv[1] == "http":
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")
