"""Landlock: file rules that a process lays upon itself and all it starts, and that nobody can take off."""

import ctypes
import os

from system_calls import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2  # to processes outside


def version() -> int:
    return call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION), what="landlock")


def restrict(*, readable: list[str], devices: list[str], writable: list[str]) -> None:
    """Only beneath these paths may files be opened from now on; no new privileges must be set before."""
    known = _handled(version())
    everything = known & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
    ruleset = _new_ruleset(known, version())
    try:
        for path in readable:
            _allow(ruleset, path, READ)
        for path in devices:
            _allow(ruleset, path, (READ_FILE | WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & known)
        for path in writable:
            _allow(ruleset, path, everything)
        call(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0), what="landlock")
    finally:
        os.close(ruleset)


def _handled(version: int) -> int:
    rights = (1 << 13) - 1
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if version >= since:
            rights |= right
    return rights


def _new_ruleset(rights: int, version: int) -> int:
    # handled_access_fs, handled_access_net, scoped: older kernels know the first ones only
    attributes = (ctypes.c_uint64 * 3)(rights, 0, _ABSTRACT_SOCKETS | _SIGNALS)
    size = 24 if version >= 6 else 8
    return call(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0), what="landlock"
    )


def _allow(ruleset: int, path: str, rights: int) -> None:
    class PathBeneath(ctypes.Structure):
        _pack_ = 1
        _fields_ = [("allowed_access", ctypes.c_uint64), ("parent", ctypes.c_int32)]

    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _FILE_RIGHTS
        rule = PathBeneath(rights, descriptor)
        call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0), what=path)
    finally:
        os.close(descriptor)
