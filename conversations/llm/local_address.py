"""What the local model's process and the workers that ask it tell each other, in `<data dir>/run/`.

local-model.json    address and key (0600), there while the process serves
local-model.pid     its pid and start time in clock ticks, for whoever has to stop it
local-model.lock    held by whoever starts it
local-model-users/  a file for each process that asks it, touched at each request
"""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Address:
    url: str
    pid: int
    started: int
    key: str = field(repr=False)


class RunFiles:
    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / "run"
        self.lock = self.directory / "local-model.lock"
        self.log = self.directory / "local-model.log"
        self._address = self.directory / "local-model.json"
        self._pid = self.directory / "local-model.pid"
        self._users = self.directory / "local-model-users"

    def make(self) -> None:
        for directory in (self.directory, self._users):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def address(self) -> Address | None:
        """Of the process that serves now; None when there is none, or only what a killed one has left."""
        try:
            address = Address(**json.loads(self._address.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return address if start_time(address.pid) == address.started else None

    def publish(self, address: Address) -> None:
        _write(self._pid, f"{address.pid} {address.started}\n")
        _write(self._address, json.dumps(asdict(address)))

    def withdraw(self) -> None:
        self._address.unlink(missing_ok=True)
        self._pid.unlink(missing_ok=True)

    def mark_used(self) -> None:
        """Says that this process asks the model: it is kept for as long as such processes live."""
        mark = self._users / f"{os.getpid()}-{start_time(os.getpid())}"
        try:
            mark.touch(mode=0o600)
        except FileNotFoundError:
            self.make()
            mark.touch(mode=0o600)

    def unmark_used(self) -> None:
        (self._users / f"{os.getpid()}-{start_time(os.getpid())}").unlink(missing_ok=True)

    def last_used(self) -> float | None:
        """When a process that still lives last asked (seconds since 1970); None when none is left. Removes the dead."""
        latest = None
        for mark in list(self._users.glob("*-*")):
            pid, _, started = mark.name.partition("-")
            try:
                if str(start_time(int(pid))) == started:
                    latest = max(latest or 0.0, mark.stat().st_mtime)
                else:
                    mark.unlink(missing_ok=True)
            except (OSError, ValueError):
                continue
        return latest


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of the process; None when there is none, or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # behind the program's name, which may hold anything
    return None if fields[0] in ("Z", "X") else int(fields[19])


def idle_seconds(last_used: float | None) -> float:
    return float("inf") if last_used is None else time.time() - last_used


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and readable to nobody else."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
