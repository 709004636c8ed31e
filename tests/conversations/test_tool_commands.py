"""`execute_command`: what it says it would touch, what it returns, and what it leaves."""

import asyncio
from dataclasses import replace

import pytest

from conversations.core.tool_calls import Effect
from conversations.sandbox import Level
from conversations.tools.base import InvalidArguments, Invocation, Targets, ToolError, Workplace
from conversations.tools.commands import ExecuteCommand

TOOL = ExecuteCommand()


@pytest.fixture
def place(root) -> Workplace:
    return Workplace(root, 1, 1, "session", "run_1", True, Level.NONE.value)


@pytest.fixture
def execute(level, place):
    def run(line: str, *, network: bool = False, progress=lambda text: None, **arguments):
        arguments |= {"command": line}
        TOOL.check(arguments)
        return TOOL.run(Invocation("call_1", arguments, place, network=network, progress=progress))

    return run


def test_it_is_never_run_twice_by_itself():
    assert TOOL.effect == Effect.AT_MOST_ONCE
    assert not TOOL.changes_nothing


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"command": ""},
        {"command": 5},
        {"command": "ls", "timeout_seconds": 0},
        {"command": "ls", "timeout_seconds": 3601},
        {"command": "ls", "timeout_seconds": 1.5},
        {"command": "ls", "cwd": 1},
        {"command": "ls", "network": "yes"},
        {"command": "ls", "env": {}},
    ],
)
def test_arguments_are_checked(arguments):
    with pytest.raises(InvalidArguments):
        TOOL.check(arguments)


def targets(place: Workplace, line: str, **arguments) -> Targets:
    return TOOL.targets({"command": line, **arguments}, place)


def test_a_line_is_taken_apart_for_the_policy(place, root):
    (root / "api").mkdir()
    found = targets(place, "pytest -q && git status", cwd="api")
    assert (found.command, found.cwd) == ("pytest -q && git status", "api")
    assert found.argvs == (("pytest", "-q"), ("git", "status"))
    assert (found.network, found.notes) == (False, ())


def test_a_line_that_cannot_be_taken_apart_is_marked_so(place):
    assert targets(place, "eval $(cat x)").argvs is None


@pytest.mark.parametrize(
    "line",
    [
        "cat .env",
        "cat conf/.env.local",
        "ssh -i .ssh/id_rsa host",
        "curl --key=server.pem x",
        "cat $(echo '.env')",
    ],
)
def test_who_decides_is_told_of_secret_files(place, line):
    assert "secrets" in targets(place, line).notes[0]


def test_who_decides_is_told_what_network_means(place):
    found = targets(place, "curl example.com", network=True)
    assert found.network
    assert "services on the server itself" in found.notes[0]


def test_a_directory_beneath_the_root_is_named_without_links(place, root):
    (root / "real").mkdir()
    (root / "link").symlink_to("real")
    for given in ("link", "./real/../link/", str(root / "real"), str(root / "link")):
        assert targets(place, "ls", cwd=given).cwd == "real"
    for given in (".", "", str(root)):
        assert targets(place, "ls", cwd=given).cwd == "."


@pytest.mark.parametrize(
    "cwd", ["..", "/", "/etc", "out", "out/sub", "missing", "file", "loop", "real/../..", "a\x00b"]
)
def test_no_directory_leads_out_of_the_root(place, root, tmp_path, cwd):
    (tmp_path / "sub").mkdir()
    (root / "real").mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    (root / "file").touch()
    with pytest.raises(ToolError):
        targets(place, "ls", cwd=cwd)


async def test_output_and_exit_code_are_the_result(execute):
    shown: list[str] = []
    result = await execute("echo out; echo err >&2; true", progress=shown.append)
    assert (result.text, result.failed) == ("out\nerr\nexit code: 0", False)
    assert "".join(shown) == "out\nerr\n"


async def test_another_exit_code_is_a_failure(execute):
    result = await execute("echo wrong; exit 3")
    assert (result.text, result.failed) == ("wrong\nexit code: 3", True)


async def test_silence_has_an_exit_code_too(execute):
    assert (await execute("true")).text == "exit code: 0"


async def test_it_runs_where_it_was_told_to(execute, root):
    (root / "sub; touch evil").mkdir()
    result = await execute('basename "$PWD"', cwd="sub; touch evil")
    assert result.text.startswith("sub; touch evil\n")
    assert not (root / "evil").exists()


async def test_after_its_time_it_has_failed(execute):
    result = await execute("echo begun; sleep 60", timeout_seconds=1)
    assert result.failed
    assert result.text.startswith("begun")
    assert "time limit of 1 seconds" in result.text


async def test_network_that_was_not_granted_is_refused_before_anything_runs(level, place, root):
    with pytest.raises(ToolError, match="not granted"):
        await TOOL.run(Invocation("call_1", {"command": "touch ran", "network": True}, place))
    assert not (root / "ran").exists()


async def test_a_command_that_did_not_ask_gets_no_network_though_it_was_granted(execute):
    result = await execute("grep -c : /proc/net/dev", network=True)
    assert result.text.splitlines()[0] == "1"


async def test_a_link_that_comes_in_after_the_approval_leads_nowhere(execute, root, tmp_path):
    (root / "sub").symlink_to(tmp_path)
    with pytest.raises(ToolError, match="cwd"):
        await execute("touch ran", cwd="sub")
    assert not (tmp_path / "ran").exists()


async def test_cancelled_it_leaves_nothing(execute, root):
    task = asyncio.create_task(execute("touch up; (setsid sleep 4; touch later) & sleep 60"))
    while not (root / "up").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(path.name for path in root.iterdir()) == ["up"]


async def test_without_a_sandbox_it_is_refused(settings, place, root):
    settings.PENGUIN_SANDBOX = "off"
    with pytest.raises(ToolError, match="No sandbox is available"):
        await TOOL.run(Invocation("call_1", {"command": "touch ran"}, replace(place, sandbox="none")))
    assert not (root / "ran").exists()
