"""Files beneath a root directory, whatever links and names a client or a model comes up with.

`resolving` finds the one name of a file, `beneath` opens it by that name, `tree` reads and lists, `changes` writes.
Only regular files are read, and what is mounted beneath the root does not belong to it.

A hard link is a name like any other: what has one beneath the root is beneath the root. To write a file is to put a new
one in its place, so its other names keep what they had. The file tools look at the names that secrets have.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conversations.confined_files.errors import FileMissing, FileTooLarge, NotARegularFile, OutsideRoot
from conversations.confined_files.resolving import relative_to
from conversations.confined_files.tree import Kind, Tree
from penguin_site.errors import DomainError

__all__ = [
    "FileMissing",
    "FileTooLarge",
    "ListedFile",
    "NotARegularFile",
    "OutsideRoot",
    "list_files",
    "opened",
    "read_file",
    "relative_to",
]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A regular file beneath a root; `path` is relative to the root."""

    path: str
    size: int
    modified_at: float


def read_file(root: Path, path: str, *, most_bytes: int) -> bytes:
    """The content of a regular file beneath `root`. Raises for what is missing, outside, no file, or too large."""
    with Tree(root) as tree:
        return tree.read(tree.resolve(path).path, most_bytes=most_bytes)


@contextmanager
def opened(root: Path, path: str) -> Iterator[int]:
    """A descriptor of the regular file at `path` beneath `root`, for reading."""
    with Tree(root) as tree, tree.opened(tree.resolve(path).path) as descriptor:
        yield descriptor


def list_files(root: Path, *, most: int) -> list[ListedFile]:
    """The regular files beneath `root` by path, at most so many; symbolic links are neither shown nor entered."""
    found: list[ListedFile] = []
    with Tree(root) as tree:
        for entry in tree.walk(".", skipped=lambda folder: False):
            if entry.kind is not Kind.FILE:
                continue
            try:
                entry.path.encode()
                with tree.opened(entry.path) as descriptor:
                    status = os.fstat(descriptor)
            except (
                DomainError,
                OSError,
                UnicodeEncodeError,
            ):  # gone meanwhile, or a name that no JSON can carry
                continue
            found.append(ListedFile(entry.path, status.st_size, status.st_mtime))
            if len(found) == most:
                break
    return sorted(found, key=lambda file: file.path)
