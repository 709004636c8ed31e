"""Finds the one true name of a path: relative to its root, without links and `..`.

What may be done with a file is decided by this name, and it is opened by this name (`beneath`), without following links
again. So nothing that happens between the two leads elsewhere than to what was decided on.
"""

import errno
import os
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from conversations.confined_files.beneath import open_folder_in
from conversations.confined_files.errors import ChangedMeanwhile, FileMissing, OutsideRoot, UnusablePath

_MOST_LINKS = 40  # as the kernel
_MOST_DEPTH = 128  # folders that are held open at once
_MOST_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path leads. `path` is "." for the root itself; `missing` of its last parts do not exist yet."""

    path: str
    missing: int
    links: tuple[str, ...]  # the links on the way, by their own resolved names


def relative_to(root: Path, path: str) -> str:
    """The path relative to the root, as it is spelled; an absolute one must begin with the root."""
    if "\x00" in path or not path.strip():
        raise OutsideRoot("The path is empty or has a NUL byte.")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise UnusablePath("The path is not valid Unicode.") from None
    if len(encoded) > _MOST_BYTES or any(len(part) > 255 for part in encoded.split(b"/")):
        raise FileMissing("There can be no such file: the path is too long.")
    if not path.startswith("/"):
        return path
    try:
        return str(Path(path).relative_to(root))
    except ValueError:
        raise OutsideRoot from None


def resolve(root: int, relative: str) -> Resolved:
    """Follows links that stay inside. OutsideRoot for others, be it only on the way, and for all absolute ones."""
    walk = _Walk(root)
    try:
        return walk.to(relative)
    finally:
        walk.close()


class _Walk:
    """The folders from the root to where the walk has come, each held open: `..` goes to where it came from."""

    def __init__(self, root: int) -> None:
        self.folders = [os.dup(root)]
        self.names: list[str] = []
        self.links: list[str] = []

    def close(self) -> None:
        for folder in self.folders:
            os.close(folder)

    def to(self, relative: str) -> Resolved:
        pending = deque(_parts(relative))
        while pending:
            part = pending.popleft()
            if part == "..":
                self._up()
                continue
            try:
                status = os.stat(part, dir_fd=self.folders[-1], follow_symlinks=False)
            except FileNotFoundError:
                return self._missing([part, *pending])
            if stat.S_ISLNK(status.st_mode):
                pending.extendleft(reversed(self._link(part)))
            elif stat.S_ISDIR(status.st_mode):
                self._down(part)
            elif pending:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            else:
                self.names.append(part)
        return self._resolved(self.names, 0)

    def _up(self) -> None:
        if not self.names:
            raise OutsideRoot
        self.names.pop()
        os.close(self.folders.pop())

    def _down(self, name: str) -> None:
        if len(self.names) == _MOST_DEPTH:
            raise UnusablePath("The path is too deep.")
        self.folders.append(open_folder_in(self.folders[-1], name))
        self.names.append(name)

    def _link(self, name: str) -> list[str]:
        """The parts of where a link points to."""
        self.links.append("/".join([*self.names, name]))
        if len(self.links) > _MOST_LINKS:
            raise OutsideRoot("The path has too many symbolic links.")
        try:
            target = os.readlink(name, dir_fd=self.folders[-1])
        except OSError as error:
            # No link any more: somebody is busy with it.
            raise (ChangedMeanwhile() if error.errno == errno.EINVAL else error) from None
        if target.startswith("/"):
            raise OutsideRoot("The path leads over an absolute symbolic link.")
        return _parts(target)

    def _missing(self, rest: list[str]) -> Resolved:
        if ".." in rest:
            raise FileMissing
        if len(self.names) + len(rest) > _MOST_DEPTH:
            raise UnusablePath("The path is too deep.")
        return self._resolved([*self.names, *rest], len(rest))

    def _resolved(self, names: list[str], missing: int) -> Resolved:
        return Resolved("/".join(names) or ".", missing, tuple(self.links))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
