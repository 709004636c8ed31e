"""Opens what lies beneath a directory by its resolved name: no link is followed, no way leads up, no mount is entered.

Where the kernel has `openat2` it does the whole walk; else each part is opened from the directory before it. Either way
a name that was checked is the name that is opened: whoever puts a link in its place meanwhile gets an error out of it.
"""

import ctypes
import errno
import os
import sys

_OPENAT2 = 437  # the same number on x86-64, arm64 and every newer architecture
_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_RESOLVE = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH

# A pipe or a device would hang the reader: it is opened without waiting, and refused then by what it is.
READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
FOLDER_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY

libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_beneath(root: int, path: str, flags: int) -> int:
    """A descriptor of what is at `path` (relative, resolved; "." is the root). OSError as `open` raises it."""
    if USE_OPENAT2:
        for _ in range(8):
            try:
                return _openat2(root, path, flags)
            except OSError as error:
                if error.errno != errno.EAGAIN:  # something was renamed during the walk
                    raise
    return _walk(root, path, flags)


def _openat2(root: int, path: str, flags: int) -> int:
    assert libc is not None
    how = _OpenHow(flags, 0, _RESOLVE)
    descriptor: int = libc.syscall(
        ctypes.c_long(_OPENAT2),
        ctypes.c_int(root),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def _walk(root: int, path: str, flags: int) -> int:
    """The same without `openat2`."""
    parts = [part for part in path.split("/") if part not in ("", ".")] or ["."]
    if ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    current = os.dup(root)
    try:
        for part in parts[:-1]:
            below = open_folder_in(current, part)
            os.close(current)
            current = below
        if flags & os.O_DIRECTORY and parts[-1] != ".":
            return open_folder_in(current, parts[-1])
        return os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=current)
    finally:
        os.close(current)


def open_folder_in(folder: int, name: str) -> int:
    """A descriptor of the directory `name` in `folder`, on the same file system."""
    below = os.open(name, FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    # Only directories are compared: overlay file systems report other devices for the files in them.
    if os.fstat(below).st_dev != os.fstat(folder).st_dev:
        os.close(below)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return below


def _has_openat2() -> bool:
    """False on an old kernel, and in a container that forbids it."""
    if libc is None:
        return False
    here = os.open("/", FOLDER_FLAGS)
    try:
        os.close(_openat2(here, ".", FOLDER_FLAGS))
    except OSError:
        return False
    finally:
        os.close(here)
    return True


USE_OPENAT2 = _has_openat2()
