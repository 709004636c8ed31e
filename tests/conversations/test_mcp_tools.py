"""Tools of real MCP servers, programs and HTTP: what they do, and that a bad server harms nobody but itself."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from conversations.core.tool_calls import Effect
from conversations.mcp import connections
from conversations.mcp import tools as mcp_tools
from conversations.mcp.config import McpServer
from conversations.tools.base import InvalidArguments, Invocation, Tool, ToolError, ToolResult, Workplace
from tests.processes import ROOT, free_port

PROGRAM = (sys.executable, str(ROOT / "tests" / "mcp_server.py"), "stdio")
PLACE = Workplace(Path("/"), 1, 1, "session", "run", True, "none")


@pytest.fixture
async def servers(settings, monkeypatch) -> AsyncIterator[Callable[..., None]]:
    """Sets which servers there are. Starting one takes seconds on a busy machine."""
    monkeypatch.setattr(connections, "FIRST_PATIENCE_SECONDS", 40.0)
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 40.0)

    def use(*found: McpServer) -> None:
        settings.PENGUIN_MCP_SERVERS = found

    use()
    yield use
    await mcp_tools.close()


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


def program(name: str = "local", *, log: Path | None = None, start: str = "", **changes) -> McpServer:
    env = {"MCP_START": start, "MCP_LOG": str(log or ""), **changes.pop("env", {})}
    return McpServer(**{"name": name, "command": PROGRAM, "env": env, "cwd": ROOT, **changes})


async def offered(username: str = "owner", *, is_local_owner: bool = True) -> dict[str, Tool]:
    return {tool.name: tool for tool in await mcp_tools.tools_for(username, is_local_owner=is_local_owner)}


async def run(tool: Tool, **arguments) -> ToolResult:
    tool.check(arguments)
    return await tool.run(Invocation("call", arguments, PLACE))


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_without_servers_nothing_is_offered(servers):
    assert await offered() == {}


async def test_tools_are_listed_called_and_described(servers):
    servers(program(effects={"environment": Effect.READ_ONLY}))
    tools = await offered()
    add = tools["mcp__local__add"]
    assert add.description == "Adds two numbers."
    assert add.parameters["required"] == ["a", "b"]
    assert (add.effect, add.changes_nothing) == (Effect.AT_MOST_ONCE, False)
    assert tools["mcp__local__environment"].changes_nothing
    assert add.targets({"a": 1, "b": 2}, PLACE).foreign
    assert await run(add, a=1, b=2) == ToolResult("3")
    with pytest.raises(InvalidArguments, match="Missing: b"):
        await run(add, a=1)
    result = await run(add, a="no number", b=1)
    assert result.failed


async def test_names_that_providers_do_not_take_are_changed(servers):
    servers(program())
    [name] = [name for name in await offered() if "odd" in name]
    assert name.startswith("mcp__local__odd_name_with_everything_")
    assert (await run((await offered())[name])).text == "odd"


async def test_a_call_that_fails_at_the_server_is_a_failed_result(servers):
    servers(program())
    result = await run((await offered())["mcp__local__fail"])
    assert result.failed
    assert "that did not work" in result.text


async def test_results_are_text_and_the_rest_is_named(servers):
    servers(program())
    result = await run((await offered())["mcp__local__mixed"])
    assert result.text.splitlines() == [
        "first",
        "[image: image/png, 5 bytes]",
        "[resource file:///a.txt]",
        "inside",
        "[resource b at file:///b.txt]",
    ]


async def test_a_server_sees_the_environment_of_its_entry_alone(servers, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    servers(program(env={"TOKEN": "its own"}, cwd=tmp_path))
    seen = json.loads((await run((await offered())["mcp__local__environment"])).text)
    variables = {name for name in seen["variables"] if name != "LC_CTYPE"}  # Python sets that itself
    assert variables == {"PATH", "HOME", "TOKEN", "MCP_START", "MCP_LOG"}
    assert seen["directory"] == str(tmp_path)
    assert "secret" not in json.dumps(seen)


async def test_one_program_serves_all_runs_of_a_worker(servers, log):
    servers(program(log=log))
    both = await asyncio.gather(offered(), offered())
    results = await asyncio.gather(
        *(run(tools["mcp__local__add"], a=n, b=n) for tools in both for n in range(20))
    )
    assert sorted(int(result.text) for result in results) == sorted(2 * n for n in range(20) for _ in both)
    assert log.read_text().count("start") == 1


async def test_only_those_it_is_for_are_offered_a_servers_tools(servers, log):
    servers(program("mine", log=log), program("theirs", users=frozenset({"alice"})))
    assert {name.split("__")[1] for name in await offered("alice", is_local_owner=False)} == {"theirs"}
    assert await offered("bob", is_local_owner=False) == {}
    assert log.read_text() == ""  # nobody whose server it is has asked
    assert {name.split("__")[1] for name in await offered()} == {"mine"}
    assert [state.name for state in mcp_tools.states_for("alice", is_local_owner=False)] == ["theirs"]


async def test_a_call_that_takes_too_long_is_given_up_and_cancelled(servers, log):
    servers(program(log=log, timeout_seconds=0.5))
    tools = await offered()
    with pytest.raises(ToolError, match=r"within 0\.5 seconds.*not known"):
        await run(tools["mcp__local__sleep"], seconds=30)
    await until(lambda: "sleep cancelled" in log.read_text())
    assert (await run(tools["mcp__local__add"], a=1, b=1)).text == "2"


async def test_a_cancelled_call_is_cancelled_at_the_server(servers, log):
    servers(program(log=log))
    tools = await offered()
    call = asyncio.create_task(run(tools["mcp__local__sleep"], seconds=30))
    await until(lambda: "sleep begun" in log.read_text())
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: "sleep cancelled" in log.read_text())
    assert (await run(tools["mcp__local__add"], a=1, b=1)).text == "2"


async def test_a_crash_in_the_middle_of_a_call_is_told_and_mended(servers, log, monkeypatch):
    monkeypatch.setattr(connections, "RETRY_SECONDS", 0.2)
    servers(program(log=log))
    tools = await offered()
    others = asyncio.create_task(run(tools["mcp__local__sleep"], seconds=30))
    await until(lambda: "sleep begun" in log.read_text())
    with pytest.raises(ToolError, match=r"connection has ended.*not known"):
        await run(tools["mcp__local__crash"])
    with pytest.raises(ToolError, match="connection has ended"):
        await others
    await until(lambda: bool(mcp_tools.states_for("owner", is_local_owner=True)[0].problem))
    [state] = mcp_tools.states_for("owner", is_local_owner=True)
    assert (state.tools, state.problem) == (None, "It ended with exit code 3. It said: I am broken")
    # Not again at once, and then again.
    with pytest.raises(ToolError, match="exit code 3"):
        await run(tools["mcp__local__add"], a=1, b=1)
    await asyncio.sleep(0.25)
    assert (await run((await offered())["mcp__local__add"], a=1, b=1)).text == "2"
    assert log.read_text().count("start") == 2
    assert log.read_text().count("crash begun") == 1


async def test_another_definition_has_another_hash(servers):
    servers(program(), program("other"))
    tools = await offered()
    before = {name: tool.definition_hash() for name, tool in tools.items()}
    assert len(set(before.values())) == len(before)
    await mcp_tools.close()
    servers(program(env={"MCP_DESCRIPTION": "Deletes everything."}))
    after = {name: tool.definition_hash() for name, tool in (await offered()).items()}
    assert {name for name in after if after[name] != before[name]} == {"mcp__local__add"}


async def test_a_server_that_says_its_tools_have_changed_is_asked_again(servers):
    servers(program())
    add = (await offered())["mcp__local__add"]
    connection = next(iter(mcp_tools._connections[asyncio.get_running_loop()].values()))
    listed_at = connection._session._listed_at
    await offered()
    assert connection._session._listed_at == listed_at
    connection._session._changed = True
    assert (await offered())["mcp__local__add"].definition_hash() == add.definition_hash()
    assert connection._session._listed_at > listed_at


@pytest.mark.parametrize(
    "bad, complaint",
    [
        (
            program("bad", start="exit", env={"MCP_TOKEN": "hunter2"}),
            "exit code 1. It said: no configuration found for <MCP_TOKEN>",
        ),
        (
            program("bad", command=("/no/such/program",)),
            "exit code 127. It said: /no/such/program: No such file",
        ),
        (program("bad", cwd=Path("/no/such/folder")), "cannot be started: No such file"),
        (program("bad", command=("cat",)), ""),  # answers everything with itself
        (program("bad", start="long_line"), "a message of more than"),
        (McpServer("bad", url="http://127.0.0.1:9/mcp"), "cannot be reached"),
    ],
    ids=["exits", "missing", "no_folder", "echo", "long_line", "unreachable"],
)
async def test_a_broken_server_is_missing_and_the_others_are_not(servers, bad, complaint):
    servers(bad, program("good"))
    assert {name.split("__")[1] for name in await offered()} == {"good"}
    await until(lambda: complaint in mcp_tools.states_for("owner", is_local_owner=True)[0].problem)
    state, good = mcp_tools.states_for("owner", is_local_owner=True)
    assert state.problem
    assert (state.tools, good.problem) == (None, "")
    assert good.tools


@pytest.mark.parametrize("start", ["sleep", "babble"])
async def test_a_server_that_gives_no_answer_is_waited_for_once(servers, start, monkeypatch):
    servers(program("good"))
    await offered()
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 6.0)
    monkeypatch.setattr(connections, "FIRST_PATIENCE_SECONDS", 3.0)
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 0.1)
    servers(program("bad", start=start), program("good"))
    for patience, more in (
        (3.0, 6.0),
        (0.1, 3.0),
    ):  # as long as it is meant to wait, and what would be too long
        began = time.monotonic()
        assert {name.split("__")[1] for name in await offered()} == {"good"}
        assert patience <= time.monotonic() - began < more
        assert "does not answer yet" in mcp_tools.states_for("owner", is_local_owner=True)[0].problem
    cpu = time.process_time()
    await until(lambda: "not ready" in mcp_tools.states_for("owner", is_local_owner=True)[0].problem)
    assert time.process_time() - cpu < 1.5  # whatever it sends
    assert {name.split("__")[1] for name in await offered()} == {"good"}


async def test_what_a_program_prints_beside_its_messages_is_ignored(servers):
    servers(program(start="noise"))
    assert (await run((await offered())["mcp__local__add"], a=2, b=2)).text == "4"


async def test_long_results_come_whole_and_too_long_ones_end_the_connection(servers):
    servers(program())
    tools = await offered()
    assert (await run(tools["mcp__local__large"], size=1_000_000)).text == "x" * 1_000_000
    with pytest.raises(ToolError, match="has ended"):
        await run(tools["mcp__local__large"], size=5_000_000)


async def test_nothing_of_a_program_outlives_its_connection(servers):
    servers(program())
    pids = json.loads((await run((await offered())["mcp__local__start_child"])).text)
    assert pids["group"] == pids["server"] != os.getpgid(0)
    assert is_alive(pids["child"])
    await mcp_tools.close()
    assert not is_alive(pids["server"])
    assert not is_alive(pids["child"])


async def test_nothing_of_a_program_outlives_a_killed_worker(tmp_path):
    """The worker is a process of its own here, and is killed with SIGKILL."""
    code = f"""
import asyncio, django
from pathlib import Path
django.setup()
from django.conf import settings
from conversations.mcp import tools
from conversations.mcp.config import McpServer
from conversations.tools.base import Invocation, Workplace
settings.PENGUIN_MCP_SERVERS = (McpServer("local", command={PROGRAM!r}, cwd=Path("/")),)
async def main():
    [tool] = [t for t in await tools.tools_for("o", is_local_owner=True) if t.name.endswith("start_child")]
    place = Workplace(Path("/"), 1, 1, "s", "r", True, "none")
    print((await tool.run(Invocation("c", {{}}, place))).text, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "penguin_site.settings",
            "PENGUIN_DATA_DIR": str(tmp_path),
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout
    pids = json.loads(await asyncio.wait_for(worker.stdout.readline(), 30))
    assert is_alive(pids["server"])
    worker.kill()
    await worker.wait()
    await until(lambda: not is_alive(pids["server"]) and not is_alive(pids["child"]))


# Streamable HTTP


@pytest.fixture
async def web_server(log) -> AsyncIterator[Callable]:
    """Starts the test server behind an address; called again, starts it anew on the same port."""
    port = free_port()
    process: asyncio.subprocess.Process | None = None

    async def stop() -> None:
        if process:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def start() -> str:
        nonlocal process
        await stop()
        process = await asyncio.create_subprocess_exec(
            *PROGRAM[:2],
            "http",
            str(port),
            env={**os.environ, "MCP_LOG": str(log)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return f"http://127.0.0.1:{port}/mcp"
        raise AssertionError("the server does not listen")

    yield start
    await stop()


async def test_tools_of_a_server_behind_an_address(servers, web_server, log):
    servers(McpServer("web", url=await web_server(), timeout_seconds=0.5))
    tools = await offered()
    assert (await run(tools["mcp__web__add"], a=1, b=2)).text == "3"
    assert (await run(tools["mcp__web__fail"])).failed
    with pytest.raises(ToolError, match=r"within 0\.5 seconds"):
        await run(tools["mcp__web__sleep"], seconds=30)
    await until(lambda: "sleep cancelled" in log.read_text())
    assert (await run(tools["mcp__web__add"], a=2, b=2)).text == "4"


async def test_a_server_behind_an_address_that_crashes_and_comes_back(servers, web_server, monkeypatch):
    monkeypatch.setattr(connections, "RETRY_SECONDS", 0.1)
    servers(McpServer("web", url=await web_server()))
    tools = await offered()
    with pytest.raises(ToolError, match="not known"):
        await run(tools["mcp__web__crash"])
    with pytest.raises(ToolError):
        await run(tools["mcp__web__add"], a=1, b=1)
    await web_server()
    await asyncio.sleep(0.3)
    text = ""
    async with asyncio.timeout(40):
        while not text:  # a session that the new server does not know may have to be noticed first
            try:
                text = (await run((await offered())["mcp__web__add"], a=1, b=1)).text
            except (ToolError, KeyError):
                await asyncio.sleep(0.2)
    assert text == "2"


async def test_its_headers_are_sent_and_nothing_else(servers, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    servers(McpServer("web", url=f"http://127.0.0.1:{port}/mcp", headers={"X-Token": "mine"}))
    assert await offered() == {}
    listener.close()
    assert heads
    assert all("x-token: mine\r\n" in head for head in heads)
    assert not any("authorization:" in head or "cookie:" in head for head in heads)
    assert "refused" in mcp_tools.states_for("owner", is_local_owner=True)[0].problem
