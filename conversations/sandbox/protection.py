"""What a command must not change or see inside its own root: git's settings and hooks, and the server's data.

Whoever runs git in a repository runs what its config and its hooks say, so a command may change neither. They are
mounted read-only, and every directory above them onto itself: a mount point cannot be renamed, so nobody can move a
repository away and put another one in its place. Where the root is no repository, an empty directory that cannot be
written holds the name `.git` while commands run.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Looking for repositories below the root ends after so many directories: it happens before each command.
_MOST_DIRECTORIES = 300
_GITDIR_LINE = 4096


@dataclass(slots=True)
class Protection:
    """Absolute paths beneath the root. `release()` once the command has ended."""

    root: Path
    pinned: list[Path] = field(default_factory=list)  # cannot be renamed; those above come first
    frozen: list[Path] = field(default_factory=list)  # read-only
    masked: list[Path] = field(default_factory=list)  # seen as empty
    # Git would take its config from where such a file says. It has no place in a repository of its own.
    _redirections: list[Path] = field(default_factory=list)
    _placeholder: int | None = None  # descriptor of the empty `.git`, locked

    def release(self) -> None:
        self._remove_redirections()
        if self._placeholder is not None:
            _give_back(self.root / ".git", self._placeholder)
            self._placeholder = None

    def _remove_redirections(self) -> None:
        for path in self._redirections:
            try:
                path.unlink(missing_ok=True)
            except OSError:  # a directory, which git does not read
                pass

    def _pin_above(self, path: Path) -> None:
        for above in reversed(path.parents):
            if above != self.root and above.is_relative_to(self.root) and above not in self.pinned:
                self.pinned.append(above)

    def _freeze(self, path: Path) -> None:
        if path not in self.frozen:
            self._pin_above(path)
            self.frozen.append(path)

    def _mask(self, path: Path) -> None:
        self._pin_above(path)
        self.masked.append(path)

    def _freeze_repository(self, gitdir: Path, *, is_main: bool) -> None:
        if is_main:
            self._redirections.append(gitdir / "commondir")
        for name, is_directory in (("config", False), ("hooks", True)):
            if not _is_there(gitdir / name, is_directory=is_directory, make=True):
                self._freeze(
                    gitdir
                )  # a link, say, which could be exchanged: nothing here can be written then
                return
            self._freeze(gitdir / name)
        for name in ("config.worktree", "commondir"):
            if not (is_main and name == "commondir") and _is_there(gitdir / name, is_directory=False):
                self._freeze(gitdir / name)

    def _protect_git(self, directory: Path) -> None:
        entry = directory / ".git"
        try:
            mode = entry.lstat().st_mode
        except OSError:
            return
        if stat.S_ISDIR(mode):
            self._freeze_repository(entry, is_main=True)
        elif stat.S_ISREG(mode):  # of a worktree or a submodule
            self._freeze(entry)
        gitdir = _where_it_leads(entry, mode)
        if gitdir is not None and gitdir.is_relative_to(self.root) and gitdir.is_dir():
            self._freeze_repository(gitdir, is_main=False)


def protect(root: Path, data_dir: Path) -> Protection:
    """Finds out and prepares; may block. `root` is resolved."""
    protection = Protection(root)
    data_dir = data_dir.resolve()
    if data_dir.is_relative_to(root) and data_dir.is_dir():
        protection._mask(data_dir)
    if (root / "HEAD").is_file() and (root / "objects").is_dir():  # the root is a bare repository
        protection._freeze_repository(root, is_main=True)
    elif _is_missing_or_empty(root / ".git"):
        protection._placeholder = _hold(root / ".git")
        if protection._placeholder is not None:
            protection._mask(root / ".git")
    else:
        protection._protect_git(root)
    for directory in _directories(root, data_dir):
        protection._protect_git(directory)
    protection._remove_redirections()  # what a command left whose worker was killed
    return protection


def _directories(root: Path, leave_out: Path) -> Iterator[Path]:
    """Directories below the root, the nearest first, two levels deep at most."""
    left = _MOST_DIRECTORIES
    level = [root]
    for _ in range(2):
        below: list[Path] = []
        for directory in level:
            try:
                with os.scandir(directory) as entries:
                    found = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            for path in found:
                if path.name in (".git", "node_modules") or path == leave_out:
                    continue
                if left == 0:
                    return
                left -= 1
                below.append(path)
                yield path
        level = below


def _where_it_leads(entry: Path, mode: int) -> Path | None:
    """The directory that a `.git` file or link names."""
    try:
        if stat.S_ISLNK(mode):
            return entry.resolve()
        if not stat.S_ISREG(mode):
            return None
        with entry.open("rb") as file:
            line = file.read(_GITDIR_LINE)
        if not line.startswith(b"gitdir:"):
            return None
        return (entry.parent / os.fsdecode(line.removeprefix(b"gitdir:").strip())).resolve()
    except (OSError, ValueError, RuntimeError):
        return None


def _is_there(path: Path, *, is_directory: bool, make: bool = False) -> bool:
    """Whether it is there as what it should be. `make`: empty, so that it is there before a command makes it."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if not make:
            return False
        try:
            if is_directory:
                path.mkdir()
            else:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except OSError:
            return False
        return True
    except OSError:
        return False
    return stat.S_ISDIR(mode) if is_directory else stat.S_ISREG(mode)


def _is_missing_or_empty(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return not path.is_symlink() and next(entries, None) is None
    except FileNotFoundError:
        return not path.is_symlink()
    except OSError:
        return False


def _hold(path: Path) -> int | None:
    """Makes the directory, or shares the one of another command; locked until `_give_back`.

    None where it cannot be made: what the server cannot write there, a command cannot either.
    """
    while True:
        try:
            path.mkdir(exist_ok=True)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            if not path.parent.is_dir():
                return None
            continue  # another command's end removed it in between
        except OSError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _give_back(path: Path, descriptor: int) -> None:
    """The last command in this root removes the directory."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.rmdir()
    except OSError:  # another command holds it, or somebody outside has made a repository of it
        pass
    finally:
        os.close(descriptor)
