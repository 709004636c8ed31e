"""Renames inside one folder that never overwrite: to a free name, and two names exchanged.

Linux does either in one step (`renameat2`). On file systems that cannot, the same is done in several; a process killed
between them leaves a file under the spare name.
"""

import ctypes
import errno
import os

from conversations.confined_files.beneath import libc

_NOREPLACE, _EXCHANGE = 1, 2
_ASIDE = "~"
_NOT_SUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP}

USE_RENAMEAT2 = hasattr(libc, "renameat2")


def rename_to_free_name(folder: int, old: str, new: str) -> None:
    """FileExistsError where `new` is taken."""
    if _renameat2(folder, old, new, _NOREPLACE):
        return
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(old, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        _rename_if_free(folder, old, new)


def exchange(folder: int, one: str, other: str) -> None:
    """Both must be there."""
    if _renameat2(folder, one, other, _EXCHANGE):
        return
    aside = one + _ASIDE
    try:
        # `other` keeps its name until it gets its new content.
        os.link(other, aside, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        _rename_if_free(folder, other, aside)
    try:
        os.rename(one, other, src_dir_fd=folder, dst_dir_fd=folder)
    except NotADirectoryError:  # a folder does not take the place of a file
        os.unlink(other, dir_fd=folder)
        os.rename(one, other, src_dir_fd=folder, dst_dir_fd=folder)
    os.rename(aside, one, src_dir_fd=folder, dst_dir_fd=folder)


def discard(folder: int, spare: str) -> None:
    """Removes a spare file, and what an exchange that was cut short left beside it."""
    for name in (spare, spare + _ASIDE):
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            continue


def _rename_if_free(folder: int, old: str, new: str) -> None:
    try:
        os.stat(new, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _renameat2(folder: int, old: str, new: str, flags: int) -> bool:
    """False where the system or the file system cannot."""
    if not USE_RENAMEAT2 or libc is None:
        return False
    if libc.renameat2(folder, os.fsencode(old), folder, os.fsencode(new), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_SUPPORTED:
        return False
    raise OSError(number, os.strerror(number))
