"""The processes that `serve` starts, each in a process group of its own."""

import ctypes
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from penguin_site import process_table

# In the environment of each child and of whatever it starts: by these they are found again, all of a data dir when
# `serve` was killed, or those of one child.
_SERVED_FROM = "PENGUIN_SERVED_FROM"
_CHILD = "PENGUIN_CHILD"
_LEFTOVER_PATIENCE_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """`python manage.py COMMAND`, from the moment it is made. Its output goes to our terminal."""

    def __init__(
        self, name: str, command: str, *, directory: Path, manage: Path, env: dict[str, str]
    ) -> None:
        self.name = name
        self.mark = secrets.token_hex(8)
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, str(manage), *command.split()],
            env={**os.environ, **env, _SERVED_FROM: str(directory), _CHILD: self.mark},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches `serve` alone, which stops the others in order
            preexec_fn=_end_with_parent,
        )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.started_at

    @property
    def end(self) -> str:
        """How it ended, for the log."""
        code = self.process.poll()
        if code is None:
            return "runs"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def ask_to_stop(self) -> None:
        if self.alive:
            self.process.terminate()

    def stop(self, *, seconds: float) -> None:
        """SIGTERM, and SIGKILL after `seconds`, then to whatever it has started too."""
        self.ask_to_stop()
        process_table.wait_until(lambda: not self.alive, seconds=seconds)
        if self.alive:
            self.process.kill()
        self.process.wait()
        self.end_descendants()

    def end_descendants(self) -> None:
        """What it has started and not stopped."""
        process_table.send(process_table.marked_with(f"{_CHILD}={self.mark}"), signal.SIGKILL)


def stop_leftovers(directory: Path) -> list[int]:
    """Ends what an earlier `serve` on this data dir has started and not stopped; the pids it found."""
    mark = f"{_SERVED_FROM}={directory}"
    found = process_table.marked_with(mark)
    for number in (signal.SIGTERM, signal.SIGKILL):
        process_table.send(process_table.marked_with(mark), number)
        if process_table.wait_until(
            lambda: not process_table.marked_with(mark), seconds=_LEFTOVER_PATIENCE_SECONDS
        ):
            break
    return sorted(found)


def _end_with_parent() -> None:
    # Between fork and exec. The kernel sends the signal when `serve` dies without having stopped us.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
