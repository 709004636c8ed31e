"""A root directory that is held open, and what may be read beneath it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path

from conversations.confined_files.beneath import FOLDER_FLAGS, READ_FLAGS, open_beneath
from conversations.confined_files.errors import (
    FileMissing,
    FileTooLarge,
    NotAFolder,
    check_regular,
    domain_error,
)
from conversations.confined_files.resolving import Resolved, relative_to, resolve
from penguin_site.errors import DomainError

# Of one folder, no more entries are looked at.
_MOST_ENTRIES = 100_000


class Kind(Enum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"  # a pipe, a socket, a device


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder holds; `path` is relative to the root. A name that is not UTF-8 has surrogates in it."""

    path: str
    kind: Kind


class Tree:
    """A root directory, held open; use as a context manager.

    All but `resolve` take resolved paths, as `resolve` and `walk` give them. Errors are those of `errors`, and OSError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.descriptor = os.open(root, FOLDER_FLAGS)
        except OSError:
            raise FileMissing("The directory does not exist any more.") from None

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.descriptor)

    def resolve(self, path: str) -> Resolved:
        """Where a path leads, as a client or a model spells it."""
        relative = relative_to(self.root, path)
        try:
            return resolve(self.descriptor, relative)
        except OSError as error:
            raise domain_error(error) from None

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor of the regular file at `path`, for reading."""
        descriptor = self._open(path, READ_FLAGS)
        try:
            check_regular(os.fstat(descriptor).st_mode)
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self, path: str, *, most_bytes: int) -> bytes:
        """The content of a regular file."""
        with self.opened(path) as descriptor:
            return read_whole(descriptor, most_bytes=most_bytes)

    @contextmanager
    def opened_folder(self, path: str) -> Iterator[int]:
        try:
            descriptor = self._open(path, FOLDER_FLAGS)
        except FileMissing:
            raise NotAFolder("There is no such directory.") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def entries(self, path: str) -> list[Entry]:
        """What is in a folder, by name; links are not followed."""
        before = "" if path == "." else f"{path}/"
        with self.opened_folder(path) as folder, os.scandir(folder) as found:
            entries = [Entry(before + entry.name, _kind(entry)) for entry in islice(found, _MOST_ENTRIES)]
        return sorted(entries, key=lambda entry: entry.path)

    def walk(
        self, path: str, *, skipped: Callable[[Entry], bool], is_over: Callable[[], bool] = lambda: False
    ) -> Iterator[Entry]:
        """All that lies beneath a folder: files and links, and folders before what is in them.

        `skipped` is asked about each folder, which then is not entered; what cannot be read is passed over.
        """
        pending = [iter(self.entries(path))]
        while pending and not is_over():
            entry = next(pending[-1], None)
            if entry is None:
                pending.pop()
                continue
            yield entry
            if entry.kind is Kind.FOLDER and not skipped(entry):
                try:
                    pending.append(iter(self.entries(entry.path)))
                except (DomainError, OSError):
                    pass

    def _open(self, path: str, flags: int) -> int:
        try:
            return open_beneath(self.descriptor, path, flags)
        except OSError as error:
            raise domain_error(error) from None


def read_whole(descriptor: int, *, most_bytes: int) -> bytes:
    """The content of an open file from where it stands; FileTooLarge where there is more."""
    too_large = f"A file may have at most {most_bytes} bytes."
    if os.fstat(descriptor).st_size > most_bytes:
        raise FileTooLarge(too_large)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:  # it grew, or states no size
        raise FileTooLarge(too_large)
    return data


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    if entry.is_dir(follow_symlinks=False):
        return Kind.FOLDER
    return Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER
