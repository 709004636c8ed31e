"""Control groups: they bound memory and processes of a whole command, where this process may make them.

Both versions are used: version 2 where our own group, or one above it, hands its controllers down to new groups;
version 1 wherever the controller's tree is writable. Nothing depends on them: without them resource limits stay.

Moving a process into a group makes the kernel wait for all processors, some 10 ms. In version 1 a thread may move
itself without that, and what it starts is where it is: so the thread that starts a command visits its group.
"""

import errno
import functools
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from conversations.sandbox.limits import Limits

_PREFIX = "penguin-"
_REMOVE_TRIES = 20
_REMOVE_PAUSE_SECONDS = 0.01
_TRIAL_LIMITS = Limits(cpu_seconds=1, memory_bytes=1 << 30)
# controller -> (file of the limit in version 1, in version 2, field of Limits)
_FILES = {
    "pids": ("pids.max", "pids.max", "processes"),
    "memory": ("memory.limit_in_bytes", "memory.max", "memory_bytes"),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """A group beneath which new groups have these controllers."""

    folder: Path
    version: int
    controllers: tuple[str, ...]
    home: Path  # the group that this process is in


class Group:
    """The groups of one command: one folder in version 2, one a controller in version 1."""

    def __init__(self, limits: Limits) -> None:
        self._folders: list[tuple[_Place, Path]] = []
        name = _new_name()
        try:
            for place in _places():
                folder = place.folder / name
                folder.mkdir()
                self._folders.append((place, folder))
                _set_limits(place, folder, limits)
        except OSError:
            self.remove()
            raise

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Meanwhile what this thread starts belongs to the groups of version 1."""
        inside: list[_Place] = []
        try:
            for place, folder in self._folders:
                if place.version == 1:
                    _move_this_thread(folder)
                    inside.append(place)
            yield
        finally:
            for place in inside:
                _move_this_thread(place.home)

    def take_in(self, pid: int) -> None:
        """A process that was started on such a visit, into the groups that cannot be visited."""
        for place, folder in self._folders:
            if place.version == 2:
                (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """After the last process of the command has ended."""
        for _, folder in self._folders:
            _remove(folder)
        self._folders = []


def controllers() -> frozenset[str]:
    """Which of `memory` and `pids` are at hand."""
    return frozenset(name for place in _places() for name in place.controllers)


@functools.cache
def _places() -> tuple[_Place, ...]:
    found: list[_Place] = []
    missing = list(_FILES)
    for place in _candidates():
        wanted = tuple(name for name in place.controllers if name in missing)
        works = tuple(name for name in wanted if _works(replace(place, controllers=(name,))))
        if works:
            found.append(replace(place, controllers=works))
            missing = [name for name in missing if name not in works]
            _sweep(place.folder)
    return tuple(found)


def _works(place: _Place) -> bool:
    """A trial: a new group there has the limit's file, may be limited, and may take a process in."""
    folder = place.folder / _new_name()
    try:
        folder.mkdir()
    except OSError:
        return False
    try:
        _ask_for(place, folder)
        _set_limits(place, folder, _TRIAL_LIMITS)
        return _can_take_in(folder) if place.version == 2 else _can_be_visited(folder, place.home)
    except OSError:
        return False
    finally:
        _remove(folder)


def _ask_for(place: _Place, folder: Path) -> None:
    """In version 2 the group above hands its controllers down if asked to, where no processes are in it itself."""
    for controller in place.controllers:
        if place.version == 2 and not (folder / _FILES[controller][1]).exists():
            (place.folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _new_name() -> str:
    return f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


def _set_limits(place: _Place, folder: Path, limits: Limits) -> None:
    for controller in place.controllers:
        first, second, field = _FILES[controller]
        (folder / (first if place.version == 1 else second)).write_text(str(getattr(limits, field)))


def _remove(folder: Path) -> None:
    """Once its processes are gone; the kernel may need a moment to notice that."""
    for _ in range(_REMOVE_TRIES):
        try:
            folder.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(_REMOVE_PAUSE_SECONDS)


def _can_take_in(folder: Path) -> bool:
    """Moves a short-lived child, as moving ourselves there and back would show to everybody."""
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE, env={}) as child:
        try:
            (folder / "cgroup.procs").write_text(str(child.pid))
        except OSError:
            return False
        return True


def _can_be_visited(folder: Path, home: Path) -> bool:
    if not os.access(home / "tasks", os.W_OK):
        return False
    _move_this_thread(folder)
    _move_this_thread(home)
    return True


def _move_this_thread(folder: Path) -> None:
    (folder / "tasks").write_text("0")


def _candidates() -> Iterator[_Place]:
    """Our own group in each tree, then those above it."""
    own = _own_groups()
    for folder, kind, options in _mounts():
        names = tuple(name for name in _FILES if kind == "cgroup2" or name in options)
        path = own.get("" if kind == "cgroup2" else next(iter(names), "-"))
        if not names or path is None:
            continue
        inside = folder / path.lstrip("/")
        for place in (inside, *inside.parents):
            if place.is_relative_to(folder):
                yield _Place(place, 2 if kind == "cgroup2" else 1, names, inside)


def _mounts() -> Iterator[tuple[Path, str, list[str]]]:
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        # A bind of a part of the tree cannot be matched with the path of our group.
        if kind in ("cgroup", "cgroup2") and before.split(" ")[3] == "/":
            yield Path(before.split(" ")[4]), kind, options.split(",")


def _own_groups() -> dict[str, str]:
    """Controller (empty: version 2) -> path of the group that this process is in."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        _, names, path = line.split(":", 2)
        found |= dict.fromkeys(names.split(","), path)
    return found


def _sweep(folder: Path) -> None:
    """Removes what workers left that were killed: their groups are empty, and nobody would ever remove them."""
    for group in folder.glob(f"{_PREFIX}*-*"):
        owner = group.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            try:
                group.rmdir()
            except OSError:  # another's, in another PID namespace
                pass
