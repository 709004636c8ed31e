"""Where a run's tools work: the directory its session is bound to, or a folder of the session's own."""

import os
import stat
from pathlib import Path

from conversations import sandbox
from conversations.directories import own_workspace, signed
from conversations.runner.live_run import LiveRun
from conversations.tools.base import ToolError, Workplace


def workplace(run: LiveRun, *, closed: tuple[str, ...] = ()) -> Workplace:
    """May block. Raises ToolError when the bound directory is gone or is another one by now."""
    return Workplace(
        root=_bound(run) if run.directory else _own(run),
        owner_id=run.owner_id,
        conversation_id=run.conversation_id,
        session_id=run.session_id,
        run_id=run.id,
        is_local_owner=bool(run.options.get("is_local_owner")),
        sandbox=sandbox.level().value,
        closed=closed,
    )


def _bound(run: LiveRun) -> Path:
    assert run.directory
    try:
        found = os.stat(run.directory)
    except OSError:
        raise ToolError(f"The session's directory {run.directory} is gone.") from None
    same = (signed(found.st_dev), signed(found.st_ino)) == run.directory_identity
    if not same or not stat.S_ISDIR(found.st_mode):
        raise ToolError(f"The session's directory {run.directory} was replaced by another one.")
    return Path(run.directory)


def _own(run: LiveRun) -> Path:
    own = own_workspace(run.owner_id, is_local_owner=bool(run.options.get("is_local_owner")))
    folder = own / "sessions" / run.session_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
