"""What a command may use up, and how each limit is kept on this machine."""

import math
import os
import resource
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

_MIB = 1024 * 1024
_FEWEST_FREE_FILES = 1000  # of a file system that counts them
_KILL_AFTER_SECONDS = 5  # SIGXCPU first, then the end


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one command and all that it starts; `processes` counts threads too."""

    cpu_seconds: int  # of one process
    memory_bytes: int
    processes: int = 512
    open_files: int = 1024
    file_bytes: int = 2048 * _MIB
    temporary_bytes: int = 512 * _MIB  # in /tmp, and again in /dev/shm
    free_disk_bytes: int = 0


def limits_for(seconds: float) -> Limits:
    """As the settings say, for a command that may take so long."""
    return Limits(
        # A command with a thread on each core uses that many seconds of processor in one.
        cpu_seconds=math.ceil(seconds) * (os.cpu_count() or 1),
        memory_bytes=settings.PENGUIN_COMMAND_MEMORY_BYTES,
        free_disk_bytes=settings.PENGUIN_MIN_FREE_DISK_BYTES,
    )


def put_on(pid: int, limits: Limits, *, memory: bool) -> None:
    """Sets the resource limits of a process; what it starts inherits them. `memory`: no control group counts it.

    RLIMIT_DATA and not RLIMIT_AS: node, Go and Java reserve address space by the terabyte and never use it.
    """
    wanted = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (limits.cpu_seconds, limits.cpu_seconds + _KILL_AFTER_SECONDS),
        resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
        resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
        resource.RLIMIT_NPROC: (limits.processes, limits.processes),
    }
    if memory:
        wanted[resource.RLIMIT_DATA] = (limits.memory_bytes, limits.memory_bytes)
    for kind, (soft, hard) in wanted.items():
        _, allowed = resource.prlimit(pid, kind)
        if allowed != resource.RLIM_INFINITY:
            soft, hard = min(soft, allowed), min(hard, allowed)
        resource.prlimit(pid, kind, (soft, hard))


def disk_is_full(root: Path, limits: Limits) -> bool:
    """Whether the file system of `root` has less free than the floor."""
    try:
        found = os.statvfs(root)
    except OSError:  # the directory is gone; whoever uses it will say so
        return False
    few_files = found.f_files > 0 and found.f_favail < _FEWEST_FREE_FILES
    return few_files or found.f_bavail * found.f_frsize < limits.free_disk_bytes
