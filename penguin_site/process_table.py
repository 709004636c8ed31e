"""Finds processes in Linux' process table by what is truly theirs: their directory, their environment.

A pid that was written down proves nothing later: the kernel gives it to another program.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PROC = Path("/proc")


def all_pids() -> set[int]:
    """Every process but this one."""
    return {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()} - {os.getpid()}


def working_in(belongs: Callable[[Path], bool]) -> set[int]:
    """The processes whose working directory satisfies `belongs`."""
    found = set()
    for pid in all_pids():
        try:
            directory = os.readlink(_PROC / str(pid) / "cwd")
        except OSError:
            continue  # ended meanwhile, a zombie, or another user's
        if belongs(Path(directory.removesuffix(" (deleted)"))):
            found.add(pid)
    return found


def marked_with(variable: str) -> set[int]:
    """The processes that were started with `variable` (NAME=value) in their environment."""
    wanted = os.fsencode(variable)
    found = set()
    for pid in all_pids():
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            found.add(pid)
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it was faster


def wait_until(done: Callable[[], bool], *, seconds: float) -> bool:
    """Polls `done` every 20 ms; False when the time is over and it still is not."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
