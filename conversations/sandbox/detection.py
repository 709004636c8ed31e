"""Finds out, once a process, how well commands can be confined here: by confining one."""

import functools
import logging
import os
import select
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings

from conversations.sandbox import box, cgroups
from conversations.sandbox.levels import LADDERS, Level
from conversations.sandbox.limits import limits_for
from conversations.sandbox.start import SandboxError, start

logger = logging.getLogger(__name__)

_TRIAL_SECONDS = 10.0
# Nothing but the loopback interface, and next to no processes.
_TRIAL = (
    'set -- /proc/[0-9]* && [ $# -le 4 ] && [ "$(grep -c : /proc/net/dev)" = 1 ] && echo confined > proof'
)


def level() -> Level:
    """By PENGUIN_SANDBOX and what this machine can do. The first call takes some milliseconds."""
    return _best(settings.PENGUIN_SANDBOX)


def report() -> dict[str, Any]:
    """For capabilities: the level, and which limits are really kept on this machine."""
    found = level()
    usable = found != Level.NONE
    return {"level": found.value, "shell_tools": usable, "limits": _limits() if usable else None}


@functools.cache
def works(candidate: Level) -> bool:
    """A trial command."""
    if candidate == Level.NONE or (candidate == Level.BUBBLEWRAP and box.bubblewrap() is None):
        return False
    try:
        with tempfile.TemporaryDirectory(prefix="penguin-sandbox-") as folder:
            root = Path(folder).resolve()
            _try(candidate, root)
            return (root / "proof").is_file()
    except (SandboxError, OSError) as error:
        logger.info("No sandbox by %s: %s", candidate, error)
        return False


@functools.cache
def _best(setting: str) -> Level:
    return next((candidate for candidate in LADDERS[setting] if works(candidate)), Level.NONE)


def _try(candidate: Level, root: Path) -> None:
    started = start(
        ["/bin/sh", "-c", _TRIAL],
        box.Box(root, root),
        level=candidate,
        limits=limits_for(_TRIAL_SECONDS),
        data_dir=settings.PENGUIN_DATA_DIR,
    )
    select.select([started.process_end], [], [], _TRIAL_SECONDS)
    started.kill()
    select.select([started.namespace_end], [], [], _TRIAL_SECONDS)
    complaint = os.read(started.output, 4096).decode(errors="replace").strip()
    os.close(started.output)
    if started.clean_up():
        raise SandboxError(complaint)


def _limits() -> dict[str, Any]:
    """With whether memory is counted for all processes of a command together; None where nothing bounds it."""
    grouped = cgroups.controllers()
    values = limits_for(1)
    # The resource limit on processes does not bind root.
    processes = "command" if "pids" in grouped else "command" if os.geteuid() else "none"
    return {
        "memory_bytes": values.memory_bytes,
        "memory_of": "command" if "memory" in grouped else "process",
        "processes": values.processes if processes != "none" else None,
        "open_files": values.open_files,
        "file_bytes": values.file_bytes,
        "temporary_bytes": values.temporary_bytes,
        "free_disk_bytes": values.free_disk_bytes,
    }
