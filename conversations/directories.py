"""Where sessions work: the directory a session may be bound to, and each person's own workspace."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from penguin_site.errors import InvalidRequest

_SYSTEM = [Path("/etc"), Path("/proc"), Path("/sys"), Path("/dev")]


class InvalidDirectory(InvalidRequest):
    """This directory cannot be used."""

    code = "invalid_directory"

    def __init__(self, message: str | None = None) -> None:
        message = message or " ".join((type(self).__doc__ or "").split())
        super().__init__(message, errors=[{"loc": ["body", "directory"], "msg": message}])


@dataclass(frozen=True, slots=True)
class BoundDirectory:
    """A directory by its resolved path and its identity, which outlives a change of spelling."""

    path: str
    device: int
    inode: int


def own_workspace(user_id: int, *, is_local_owner: bool) -> Path:
    """The part of the workspace that belongs to a person; made on demand. The local owner's is the whole."""
    path: Path = settings.PENGUIN_WORKSPACE
    if not is_local_owner:
        path = path / "users" / str(user_id)
    path.mkdir(parents=True, exist_ok=True)
    return path


def resolve_directory(path: str, *, user_id: int, is_local_owner: bool) -> BoundDirectory:
    """The directory that a session of this person may be bound to; InvalidDirectory where it may not."""
    if not path.startswith("/") or "\x00" in path:
        raise InvalidDirectory("directory must be an absolute path.")
    try:
        resolved = Path(path).resolve(strict=True)
        found = os.stat(resolved)
    except (OSError, RuntimeError, UnicodeEncodeError):
        # One sentence for missing and forbidden: it must not tell what lies outside the allowed roots.
        raise InvalidDirectory("directory does not exist.") from None
    if not _is_allowed(resolved, user_id=user_id, is_local_owner=is_local_owner):
        raise InvalidDirectory(
            "directory is not one that sessions may use." if is_local_owner else "directory does not exist."
        )
    if not stat.S_ISDIR(found.st_mode):
        raise InvalidDirectory("directory is not a directory.")
    return BoundDirectory(str(resolved), signed(found.st_dev), signed(found.st_ino))


def signed(value: int) -> int:
    """The 64 bits of a device or inode number as Postgres keeps them."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _is_allowed(path: Path, *, user_id: int, is_local_owner: bool) -> bool:
    if path == Path("/") or any(path.is_relative_to(system) for system in _SYSTEM):
        return False
    workspace = settings.PENGUIN_WORKSPACE.resolve()
    data_dir = settings.PENGUIN_DATA_DIR.resolve()
    if path.is_relative_to(data_dir) and not path.is_relative_to(workspace):
        return False
    if is_local_owner:
        roots = [Path(root).resolve() for root in settings.PENGUIN_ALLOWED_ROOTS]
        return not roots or any(path.is_relative_to(root) for root in roots)
    others = workspace / "users"
    own = own_workspace(user_id, is_local_owner=False).resolve()
    if path.is_relative_to(own):
        return True
    # A configured root is shared by all, but never opens another person's folder.
    roots = [Path(root).resolve() for root in settings.PENGUIN_ALLOWED_ROOTS]
    return any(path.is_relative_to(root) for root in roots) and not (
        path.is_relative_to(others) or others.is_relative_to(path)
    )
