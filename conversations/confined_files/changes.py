"""Changes files beneath a root: all of several changes or none, and only while the files are what they were.

New content is written to a spare file beside the old one, and is on the disk before it takes the name. The two exchange
their names in one step of the kernel; if what comes out is not the file that was expected, they are exchanged back. So
nobody else's change is lost, and no reader sees half a file. Permission bits stay (those that lend rights do not), and
the owner where that is allowed; other hard links of the file keep the old content.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from conversations.confined_files.beneath import READ_FLAGS, open_beneath, open_folder_in
from conversations.confined_files.errors import (
    ChangedMeanwhile,
    FileTooLarge,
    HalfChanged,
    NotARegularFile,
    check_regular,
    domain_error,
)
from conversations.confined_files.renames import discard, exchange, rename_to_free_name
from conversations.confined_files.tree import Tree
from penguin_site.errors import DomainError

# A file that is to be replaced or deleted may have so much.
MOST_REPLACED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Change:
    """What one file is to become. `path` is resolved; hashes are SHA-256 in hex, empty where there is no file."""

    path: str
    before: str
    content: bytes | None  # None: no file any more

    @property
    def after(self) -> str:
        return "" if self.content is None else sha256(self.content)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hash_of(tree: Tree, path: str) -> str:
    """SHA-256 of the file at a resolved path, empty where there is none. NotARegularFile for anything else."""
    try:
        return _hash(open_beneath(tree.descriptor, path, READ_FLAGS))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise domain_error(error) from None


def apply_changes(tree: Tree, changes: Sequence[Change]) -> None:
    """Makes all changes, or none: ChangedMeanwhile where a file is not as `before` says. Missing folders are made.

    Each path may occur once. What cannot be undone after a failure (a disk that is gone) is HalfChanged.
    """
    steps: list[_Step] = []
    folders = _Folders(tree)
    try:
        for change in changes:
            steps.append(folders.step(change))
            steps[-1].stage()
        for step in steps:
            step.commit()
        folders.sync()
    except BaseException as error:
        half = [step.change.path for step in reversed(steps) if not step.undo()]
        _discard(steps)
        folders.remove_made()
        if half:
            raise HalfChanged(f"Changed in part, and this could not be undone: {', '.join(half)}.") from error
        raise (domain_error(error) if isinstance(error, OSError) else error) from None
    else:
        _discard(steps)
    finally:
        folders.close()


def remove_spares(tree: Tree, changes: Sequence[tuple[str, str, str]]) -> None:
    """Takes away what a process left behind that died over these changes (path, before, after)."""
    for path, before, after in changes:
        folder, _ = os.path.split(path)
        try:
            with tree.opened_folder(folder or ".") as descriptor:
                discard(descriptor, _spare_name(path, before, after))
        except (DomainError, OSError):  # the folder is gone too
            continue


@dataclass(slots=True)
class _Step:
    """One change in its folder. Until it is committed the spare file has the new content, afterwards the old one."""

    change: Change
    folder: int
    name: str
    spare: str
    is_committed: bool = False
    is_stuck: bool = False  # it could not be undone: the spare file is all there is of the old content

    def stage(self) -> None:
        if _hash_in(self.folder, self.name) != self.change.before:
            raise ChangedMeanwhile
        discard(self.folder, self.spare)  # of a process that died over the same change
        if self.change.content is not None:
            self._write(self.change.content)

    def _write(self, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o600 if self.change.before else 0o666  # the old one's bits come below
        with os.fdopen(os.open(self.spare, flags, mode, dir_fd=self.folder), "wb") as file:
            file.write(content)
            file.flush()
            if self.change.before:
                self._keep_rights(file.fileno())
            os.fsync(file.fileno())

    def _keep_rights(self, descriptor: int) -> None:
        old = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        new = os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            try:
                os.fchown(descriptor, old.st_uid, old.st_gid)
            except OSError:  # only root may; then the writer owns it
                pass
        os.fchmod(descriptor, old.st_mode & 0o777)

    def commit(self) -> None:
        try:
            self._swap()
            self.is_committed = True
            if self.change.before and _hash_in(self.folder, self.spare) != self.change.before:
                raise ChangedMeanwhile
        except (FileNotFoundError, FileExistsError, NotARegularFile, FileTooLarge):
            raise ChangedMeanwhile from None

    def _swap(self) -> None:
        if self.change.content is None:
            rename_to_free_name(self.folder, self.name, self.spare)
        elif self.change.before:
            exchange(self.folder, self.spare, self.name)
        else:
            rename_to_free_name(self.folder, self.spare, self.name)

    def undo(self) -> bool:
        """Whether all is as before."""
        if not self.is_committed:
            return True
        try:
            if self.change.content is None:
                rename_to_free_name(self.folder, self.spare, self.name)
            elif self.change.before:
                exchange(self.folder, self.spare, self.name)
            else:
                rename_to_free_name(self.folder, self.name, self.spare)
        except OSError:
            self.is_stuck = True
            return False
        return True


def _discard(steps: Sequence[_Step]) -> None:
    for step in steps:
        try:
            if not step.is_stuck:
                discard(step.folder, step.spare)
        except OSError:  # it stays behind; the change itself is done or undone
            continue


@dataclass(slots=True)
class _Folders:
    """The folders of some changes, held open, and those made for them."""

    tree: Tree
    opened: list[int] = field(default_factory=list)
    made: list[tuple[int, str]] = field(default_factory=list)

    def step(self, change: Change) -> _Step:
        folder, name = os.path.split(change.path)
        descriptor = self._open(folder, may_make=change.content is not None)
        spare = _spare_name(change.path, change.before, change.after)
        return _Step(change, descriptor, name, spare)

    def _open(self, path: str, *, may_make: bool) -> int:
        current = os.dup(self.tree.descriptor)
        for part in path.split("/") if path else []:
            try:
                below = self._below(current, part, may_make=may_make)
            finally:
                os.close(current)
            current = below
        self.opened.append(current)
        return current

    def _below(self, folder: int, name: str, *, may_make: bool) -> int:
        try:
            return open_folder_in(folder, name)
        except FileNotFoundError:
            if not may_make:
                raise ChangedMeanwhile from None
        os.mkdir(name, dir_fd=folder)
        parent = os.dup(folder)
        self.opened.append(parent)
        self.made.append((parent, name))
        return open_folder_in(folder, name)

    def sync(self) -> None:
        """Names are on the disk too. Not all file systems can; the content is there by then."""
        for folder in self.opened:
            try:
                os.fsync(folder)
            except OSError:
                continue

    def remove_made(self) -> None:
        for folder, name in reversed(self.made):
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError:  # somebody uses it by now
                continue

    def close(self) -> None:
        for folder in self.opened:
            os.close(folder)


def _spare_name(path: str, before: str, after: str) -> str:
    """Told by the change alone, so that whoever comes after a crash finds it."""
    return f".penguin-{sha256(f'{path}:{before}:{after}'.encode())[:24]}.tmp"


def _hash_in(folder: int, name: str) -> str:
    try:
        return _hash(os.open(name, READ_FLAGS | os.O_NOFOLLOW, dir_fd=folder))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise domain_error(error) from None


def _hash(descriptor: int) -> str:
    """Of an open file, which it closes."""
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        check_regular(status.st_mode)
        if status.st_size > MOST_REPLACED_BYTES:
            raise FileTooLarge(
                f"A file of more than {MOST_REPLACED_BYTES} bytes is not replaced by this tool."
            )
        return hashlib.file_digest(file, "sha256").hexdigest()
