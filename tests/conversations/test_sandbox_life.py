"""Commands begin, are read, and end: whatever they do, nothing of them is left."""

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversations.sandbox import box, command, confined
from conversations.sandbox.start import SandboxError


@pytest.fixture
def marker():
    """A number of seconds to sleep by which processes are known; none of them may be left."""
    value = f"3600.{secrets.randbelow(10**9):09}"
    yield value
    assert not alive(value)


async def appears(path: Path) -> None:
    async with asyncio.timeout(40):
        while not os.path.exists(path):  # noqa: ASYNC240
            await asyncio.sleep(0.01)


def alive(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if marker.encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize(
    "line, code",
    [
        ("true", 0),
        ("exit 7", 7),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("no-such-program", 127),
        ("sh -c 'exit 3'; exit 4", 4),
        ("exec >&- 2>&-; sleep 0.3; exit 5", 5),  # what it writes has ended long before it has
        ("cat", 0),  # there is no input
    ],
)
async def test_the_exit_code_is_the_commands(sh, line, code):
    assert (await sh(line)).exit_code == code


async def test_output_comes_in_order_as_it_is_written(sh):
    pieces: list[tuple[float, str]] = []
    outcome = await sh(
        "echo one; echo two >&2; sleep 0.5; printf '\\303'; sleep 0.2; printf '\\274\\377\\000end'",
        progress=lambda text: pieces.append((time.monotonic(), text)),
    )
    assert outcome.output == "one\ntwo\n\u00fc\ufffd\ufffdend"
    assert "".join(text for _, text in pieces) == outcome.output
    first_words = next(moment for moment, text in pieces if "one" in text)
    assert pieces[-1][0] - first_words > 0.5


@pytest.mark.parametrize(
    "line",
    [
        "sleep {marker} &",
        "(setsid sleep {marker} &) ; nohup sleep {marker} > /dev/null 2>&1 &",
        "(trap '' TERM HUP; setsid sh -c 'sleep {marker}; sleep {marker}' &)",
    ],
)
async def test_what_a_command_leaves_behind_ends_with_it(sh, marker, line):
    started = time.monotonic()
    outcome = await sh(line.format(marker=marker) + "\necho done")
    assert (outcome.output.splitlines()[-1], outcome.exit_code) == ("done", 0)
    assert time.monotonic() - started < 60
    assert not alive(marker)


async def test_a_command_is_stopped_when_its_time_is_over(sh, marker):
    outcome = await sh(f"echo begun; sleep {marker}", seconds=0.5)
    assert "time limit of 0.5 seconds" in outcome.trouble
    assert outcome.output.startswith("begun\n")
    assert outcome.exit_code


async def test_cancelling_gives_every_process_time_to_clean_up(sh, root, marker):
    child = "trap 'sleep 0.5; touch cleaned; exit' TERM; touch up; while :; do sleep 0.05; done"
    task = asyncio.create_task(sh(f'sh -c "{child}"; sh -c "sleep {marker}"; touch next'))
    await appears(root / "up")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (root / "cleaned").exists()
    assert not (root / "next").exists()


async def test_what_ignores_the_request_to_end_is_killed(sh, root, marker):
    tree = f"trap '' TERM INT HUP; (setsid sleep {marker} &); sh -c 'sleep {marker}; :' & touch up; sleep {marker}; :"
    task = asyncio.create_task(sh(tree))
    await appears(root / "up")
    assert len(alive(marker)) > 3
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(marker)
    assert confined.GRACE_SECONDS <= time.monotonic() - started < confined.GRACE_SECONDS + 30


async def test_cancelling_again_ends_the_grace(sh, root, marker):
    task = asyncio.create_task(sh(f"trap '' TERM; touch up; sleep {marker}; :"))
    await appears(root / "up")
    started = time.monotonic()
    task.cancel()
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(marker)
    assert time.monotonic() - started < confined.GRACE_SECONDS


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("delay", [0, 0.001, 0.003, 0.006, 0.012, 0.025])
async def test_cancelling_while_it_starts_leaves_nothing(sh, marker, delay, times):
    task = asyncio.create_task(sh(f"sleep {marker}"))
    await asyncio.sleep(delay)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(marker)


def what_is_held() -> tuple[int, list[Path], int]:
    """Open files, control groups and ended children that nobody has looked after."""
    groups = Path("/sys/fs/cgroup").glob(f"**/penguin-{os.getpid()}-*")
    children = [int(stat.rpartition(")")[2].split()[1]) for stat in process_states()]
    return len(list(Path("/proc/self/fd").iterdir())), list(groups), children.count(os.getpid())


def process_states() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield path.read_text()
        except OSError:
            continue


async def test_no_descriptor_group_or_directory_is_left(sh, root):
    await sh("true")
    before = what_is_held()
    for _ in range(3):
        await sh("sleep 60 & true")
        await sh("sleep 60", seconds=0.05)
    assert what_is_held() == before
    assert list(root.iterdir()) == []


async def test_many_commands_run_side_by_side(level, root):
    folders = [root / f"{number}" for number in range(12)]
    for folder in folders:
        folder.mkdir()
    runs = [
        command.run(
            command.shell_line("sleep 0.2; basename $PWD"),
            command.box_for(folder, ".", network=False),
            seconds=20,
        )
        for folder in folders
    ]
    outcomes = await asyncio.gather(*runs)
    assert [outcome.output.strip() for outcome in outcomes] == [folder.name for folder in folders]


async def test_without_a_sandbox_nothing_is_run(settings, root):
    settings.PENGUIN_SANDBOX = "off"
    with pytest.raises(SandboxError, match="No sandbox"):
        await command.run(["touch", "ran"], command.box_for(root, ".", network=False), seconds=5)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("root_name, cwd_name", [("gone", "gone"), (".", "gone")])
async def test_a_sandbox_that_does_not_start_says_why(level, root, root_name, cwd_name):
    try:
        outcome = await command.run(["touch", "ran"], box.Box(root / root_name, root / cwd_name), seconds=5)
    except SandboxError as error:  # it had ended before its limits were in place
        said = str(error)
    else:
        assert outcome.exit_code
        said = outcome.output
    assert "gone" in said
    assert list(root.iterdir()) == []
