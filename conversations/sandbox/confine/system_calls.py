"""The system calls that Python has no function for, or only in modules whose import takes longer than all else here.

Each raises OSError.
"""

import ctypes
import os

NEW_NAMESPACES = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "pid": 0x20000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
}
NEW_NETWORK = 0x40000000

NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
DETACH = 2
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4

_MOUNT_SETATTR = 442  # from here on the same number on every architecture
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_SET_PARENT_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES, _DROP_FROM_BOUNDING_SET = 1, 38, 24
_CAPABILITY_VERSION = 0x20080522
_INTERNET, _DATAGRAMS, _SET_INTERFACE_FLAGS, _UP = 2, 2, 0x8914, 1
SIGKILL, SIGPIPE, SIGXFSZ = 9, 13, 25

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def call(number: int, *arguments: object, what: str) -> int:
    return check(_libc.syscall(ctypes.c_long(number), *arguments), what)


def unshare(flags: int) -> None:
    check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    arguments = [text.encode() if text else None for text in (source, target, kind, options)]
    check(_libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3]), target)


def set_mount_attributes(path: str, attributes: int) -> None:
    """Of the mount at `path` and all below it."""
    # attr_set, attr_clr, propagation, userns_fd
    values = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(values))
    call(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, ctypes.byref(values), size, what=path)


def unmount(path: str) -> None:
    check(_libc.umount2(path.encode(), DETACH), path)


def pivot_root(new: str, old: str) -> None:
    call(_PIVOT_ROOT[os.uname().machine], new.encode(), old.encode(), what=new)


def bring_loopback_up() -> None:
    descriptor = check(_libc.socket(_INTERNET, _DATAGRAMS, 0), "socket")
    # struct ifreq: the name, then the flags
    request = b"lo".ljust(16, b"\0") + _UP.to_bytes(2, "little") + bytes(22)
    check(_libc.ioctl(descriptor, ctypes.c_ulong(_SET_INTERFACE_FLAGS), request), "loopback")
    os.close(descriptor)


def default_signal(number: int) -> None:
    _libc.signal(number, None)


def die_with_parent() -> None:
    check(_libc.prctl(_SET_PARENT_DEATH_SIGNAL, SIGKILL, 0, 0, 0), "parent death signal")


def no_new_privileges() -> None:
    check(_libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")


def drop_capabilities() -> None:
    """All of them, for this process and what it starts."""
    for number in range(64):
        if _libc.prctl(_DROP_FROM_BOUNDING_SET, number, 0, 0, 0) < 0:
            break  # the kernel knows no more of them
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    check(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")
