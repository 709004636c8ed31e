"""The files of a session as its tools may see them: beneath the root, and neither secrets nor the server's own.

Paths in, messages for the model out: every error of the file system or of `confined_files` becomes a ToolError that
names the path as the model spelled it.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from django.conf import settings

from conversations.confined_files import changes
from conversations.confined_files.changes import Change
from conversations.confined_files.resolving import Resolved
from conversations.confined_files.tree import Entry, Kind, Tree, read_whole
from conversations.core import path_globs
from conversations.core.diffs import shown_path
from conversations.core.secret_files import is_secret, is_write_protected
from conversations.core.text_files import decoded_text
from conversations.tools.base import ToolError, Workplace
from penguin_site.errors import DomainError

# Of all that tools return, so many characters; the runner cuts further.
MOST_CHARACTERS = 400_000
# Folders of other people's code and of caches: searches enter them only when they are named.
_SKIPPED = """
.git .hg .svn node_modules .venv venv __pycache__ .tox .nox .mypy_cache .pytest_cache .ruff_cache .gradle .terraform
"""
SKIPPED_FOLDERS = frozenset(_SKIPPED.split())
_MOST_SEARCH_SECONDS = 2.0
_SECRET = "this file may hold secrets, and file tools neither read nor write it. Ask the user for what you need of it"


class Files:
    """The files of one call; see `files_of`. Methods but `resolve` and `writable` take resolved paths."""

    def __init__(self, tree: Tree, place: Workplace) -> None:
        self.tree = tree
        self._place = place

    def resolve(self, path: str) -> str:
        """The one name of a path, whatever it is a path of; for the policy to judge."""
        found = self._resolved(path)
        # A link whose own name is a secret's is judged by that name.
        return next((link for link in found.links if is_secret(link)), found.path)

    def readable(self, path: str) -> str:
        """The same for a path that may be read."""
        found = self._resolved(path)
        if any(self.is_protected(name) for name in (*found.links, found.path)):
            raise ToolError(f"{shown_path(path)}: {_SECRET}.")
        return found.path

    def writable(self, path: str) -> str:
        """The same for a path that may be written, created or deleted."""
        if path.endswith(("/", "/.", "/..")) or path in (".", ".."):
            raise ToolError(f"{shown_path(path)}: this is the name of a directory, not of a file.")
        resolved = self.readable(path)
        if is_write_protected(resolved) or self._belongs_to_bare_repository(resolved):
            raise ToolError(f"{shown_path(path)}: git's own files are changed with git commands only.")
        if not resolved.isprintable() and not self._exists(resolved):
            raise ToolError(
                f"{shown_path(path)}: the name has characters that cannot be seen; choose another name."
            )
        return resolved

    def read(self, path: str, *, most_bytes: int = changes.MOST_REPLACED_BYTES) -> bytes:
        with _told(path), self.tree.opened(path) as descriptor:
            status = os.fstat(descriptor)
            if status.st_nlink > 1 and (status.st_dev, status.st_ino) in self._secret_inodes:
                raise ToolError(f"{shown_path(path)}: another name of {_SECRET}.")
            return read_whole(descriptor, most_bytes=most_bytes)

    def read_if_there(self, path: str) -> bytes | None:
        return self.read(path) if self._exists(path) else None

    def size_of(self, path: str) -> int | None:
        """Bytes of a regular file; None for anything else, and for what cannot be opened."""
        try:
            with self.tree.opened(path) as descriptor:
                return os.fstat(descriptor).st_size
        except (DomainError, OSError):
            return None

    def entries(self, path: str) -> list[Entry]:
        with _told(path):
            return self.tree.entries(path)

    def walk(self, path: str, *, is_over: Callable[[], bool], skipped: set[str]) -> Iterator[Entry]:
        """All beneath a folder but what is closed. Adds the names of folders that were not entered to `skipped`."""

        def is_skipped(folder: Entry) -> bool:
            name = folder.path.rpartition("/")[2]
            if name in SKIPPED_FOLDERS:
                skipped.add(name)
            return name in SKIPPED_FOLDERS or self.is_closed(folder.path)

        with _told(path):
            for entry in self.tree.walk(path, skipped=is_skipped, is_over=is_over):
                if not self._is_hidden(entry.path):
                    yield entry

    def is_protected(self, path: str) -> bool:
        """Whether it is secret, or the server's own."""
        full = self._place.root / path
        return is_secret(path) or (self._server_data is not None and full.is_relative_to(self._server_data))

    def is_closed(self, path: str) -> bool:
        """Whether searches leave it out."""
        return self.is_protected(path) or self._is_hidden(path)

    def apply(self, wanted: Sequence[Change]) -> None:
        with _told(", ".join(change.path for change in wanted[:5])):
            changes.apply_changes(self.tree, wanted)

    def hash_of(self, path: str) -> str:
        with _told(path):
            return changes.hash_of(self.tree, path)

    def _resolved(self, path: str) -> Resolved:
        with _told(path):
            return self.tree.resolve(path)

    def _exists(self, path: str) -> bool:
        with _told(path):
            return self.tree.resolve(path).missing == 0

    def _is_hidden(self, path: str) -> bool:
        """By a rule of the user."""
        root = str(self._place.root)
        return any(
            path_globs.matches(path, pattern, root=root, generous=True) for pattern in self._place.closed
        )

    @cached_property
    def _server_data(self) -> Path | None:
        """The server's data directory where the root is above it: its database and keys are not the session's."""
        data_dir: Path = settings.PENGUIN_DATA_DIR.resolve()
        is_below = data_dir.is_relative_to(self._place.root) and data_dir != self._place.root
        return data_dir if is_below else None

    @cached_property
    def _secret_inodes(self) -> set[tuple[int, int]]:
        """Files with a secret's name beneath the root: no other name (hard link) is a way to their content."""
        until = time.monotonic() + _MOST_SEARCH_SECONDS
        found = set()
        for entry in self.tree.walk(".", skipped=lambda _: False, is_over=lambda: time.monotonic() > until):
            if entry.kind is Kind.FILE and self.is_protected(entry.path):
                try:
                    with self.tree.opened(entry.path) as descriptor:
                        status = os.fstat(descriptor)
                except (DomainError, OSError):
                    continue
                found.add((status.st_dev, status.st_ino))
        if time.monotonic() > until:
            raise ToolError(
                "This file has several names (hard links), and there are too many files to find out whether one of "
                "them is a secret's. Copy it, and read the copy."
            )
        return found

    def _belongs_to_bare_repository(self, path: str) -> bool:
        """Whether it is the configuration or a hook of a repository without a `.git` folder."""
        parts = path.lower().split("/")
        for at, part in enumerate(parts):
            if part in ("config", "config.worktree", "hooks", "commondir"):
                folder = "/".join(path.split("/")[:at])
                if all(self._exists(f"{folder}/{name}".lstrip("/")) for name in ("HEAD", "objects")):
                    return True
        return False


@contextmanager
def files_of(place: Workplace) -> Iterator[Files]:
    with _told("."), Tree(place.root) as tree:
        yield Files(tree, place)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Errors about a path become what the model is told of it."""
    try:
        yield
    except DomainError as error:
        raise ToolError(f"{shown_path(path)}: {error.message}") from None
    except OSError as error:
        raise ToolError(f"{shown_path(path)}: {error.strerror or 'the file system failed'}.") from None


def text_of(path: str, data: bytes) -> str:
    """The text of a file, without a byte order mark; ToolError where it is none."""
    text = decoded_text(data)
    if text is None:
        raise ToolError(f"{shown_path(path)}: a binary file of {len(data)} bytes, not text (UTF-8).")
    return text
