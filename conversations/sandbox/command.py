"""One command from start to end, with its output, within its time."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conversations.sandbox.box import Box
from conversations.sandbox.confined import Confined, confine
from conversations.sandbox.limits import limits_for
from conversations.sandbox.output import Output

_GIT_SECONDS = 60.0
# What a repository's own settings would run or let be waited for.
_GIT_OPTIONS = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "diff.external=", "-c", "core.pager=cat",
    "-c", "core.attributesFile=/dev/null", "--no-optional-locks",
)  # fmt: skip
_GIT_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`trouble` says in a sentence why it was ended, if it was."""

    output: str
    exit_code: int
    trouble: str = ""


async def run(
    command: Sequence[str], box: Box, *, seconds: float, progress: Callable[[str], None] = lambda text: None
) -> Outcome:
    """Runs it to its end; when cancelled, ends all of it first. Raises SandboxError where it cannot be started."""
    confined = await confine(command, box, limits=limits_for(seconds))
    output = Output()
    following = asyncio.create_task(_follow(confined, output, progress))
    trouble = ""
    try:
        try:
            async with asyncio.timeout(seconds):
                await confined.wait()
        except TimeoutError:
            trouble = f"The command was stopped: its time limit of {seconds:g} seconds was over."
            await confined.stop()
    except BaseException:
        await confined.stop()
        following.cancel()
        raise
    await following
    if confined.ran_out_of_disk:
        trouble = "The command was stopped: the disk is nearly full."
    return Outcome(output.text(), await confined.wait(), trouble)


async def run_git(root: Path, *arguments: str, seconds: float = _GIT_SECONDS) -> Outcome:
    """Our own git, in the sandbox like any command: a repository's config runs programs."""
    box = Box(root, root, environment=_GIT_ENVIRONMENT)
    return await run(["git", *_GIT_OPTIONS, *arguments], box, seconds=seconds)


def shell_line(line: str) -> list[str]:
    """The words that run a line as a person would type it."""
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return [shell, "-c", line]


def box_for(root: Path, cwd: str, *, network: bool) -> Box:
    """`cwd` is relative to the root, and has been looked at before; a link may have come since."""
    directory = (root / cwd).resolve()
    return Box(root, directory if directory.is_relative_to(root) else root, network)


async def _follow(confined: Confined, output: Output, progress: Callable[[str], None]) -> None:
    while True:
        data = await confined.read()
        shown = output.add(data, final=not data)
        if shown:
            progress(shown)
        if not data:
            return
