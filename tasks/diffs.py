"""The diff of an execution: what changed in its directory, where that is a git repository, since it started.

The tree of the start and the store it lies in are made before the first run. The diff is computed anew for whoever asks
while the execution lives, and stored at its end; then the store goes.
"""

import asyncio
import logging
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from conversations.directories import signed
from conversations.models import Conversation
from penguin_site.errors import Conflict, TooManyRequests
from tasks import snapshots
from tasks.core.execution_states import LIVE
from tasks.core.tree_changes import Diff
from tasks.models import Execution, ExecutionDiff

logger = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 60.0
# Somebody waits for this one, and a thread with them.
ASKED_SECONDS = 20.0
MOST_AT_ONCE = 2
# Whose store nobody asked for and nobody removed: its worker was lost.
ABANDONED_SECONDS = 3600.0

_at_once = threading.BoundedSemaphore(MOST_AT_ONCE)


class NoDiff(Conflict):
    """This execution has no diff: when it started, its directory was no git repository that could be read."""

    code = "no_diff"


class DiffUnavailable(Conflict):
    """The diff cannot be made now."""

    code = "diff_unavailable"


async def tree_at_start(execution_id: UUID, directory: Path) -> str:
    """The tree of the directory, for `base_tree`; empty where there is none. Call it before anything is changed."""
    if not await asyncio.to_thread(snapshots.is_repository, directory):
        return ""
    try:
        return await snapshots.begin(_store(execution_id), directory, seconds=SNAPSHOT_SECONDS)
    except snapshots.SnapshotError as error:
        logger.warning("No diff of execution %s: %s", execution_id, error)
        return ""


async def diff_since(execution_id: UUID, directory: Path, tree: str) -> Diff | None:
    """What has changed since `tree_at_start` returned `tree`; None where that cannot be said."""
    try:
        return await snapshots.compare(_store(execution_id), directory, tree, seconds=SNAPSHOT_SECONDS)
    except snapshots.SnapshotError as error:
        logger.warning("No diff of execution %s: %s", execution_id, error)
        return None


def store_diff(execution_id: UUID, diff: Diff | None, *, now: datetime) -> None:
    """Keeps the diff of an execution that has ended; the first one stays."""
    if diff is not None:
        ExecutionDiff.objects.get_or_create(
            execution_id=execution_id, defaults={"diff": diff.as_json(), "created_at": now}
        )
    snapshots.remove(_store(execution_id))


def diff_of(execution: Execution) -> dict[str, Any]:
    """The stored diff, or that of this moment. Raises NoDiff, DiffUnavailable, TooManyRequests."""
    if stored := _stored(execution):
        return stored
    try:
        return _diff_of_now(execution)
    except (NoDiff, DiffUnavailable):
        if stored := _stored(execution):  # it has ended meanwhile
            return stored
        raise


def _stored(execution: Execution) -> dict[str, Any] | None:
    found = ExecutionDiff.objects.filter(execution_id=execution.id).first()
    return {"diff": found.diff, "final": True, "created_at": found.created_at} if found else None


def _diff_of_now(execution: Execution) -> dict[str, Any]:
    store = _store(execution.id)
    if not execution.base_tree:
        raise NoDiff
    if not store.is_dir():
        raise NoDiff("The state in which this execution found its directory is not kept any more.")
    directory = _directory(execution.conversation)
    if not _at_once.acquire(blocking=False):
        raise TooManyRequests("Other diffs are being made; ask again.", retry_after_seconds=2)
    try:
        diff = asyncio.run(snapshots.compare(store, directory, execution.base_tree, seconds=ASKED_SECONDS))
    except snapshots.SnapshotError as error:
        raise DiffUnavailable(str(error)) from error
    finally:
        _at_once.release()
    return {"diff": diff.as_json(), "final": False, "created_at": None}


def finish_diffs(*, now: datetime) -> int:
    """Stores the diffs of executions that ended without doing so themselves; how many there were. May run twice."""
    ended = (
        Execution.objects.filter(id__in=[execution_id for execution_id, _ in _stores()], stored_diff=None)
        .exclude(status__in=[s.value for s in LIVE])
        .select_related("conversation")
    )
    done = 0
    for execution in ended:
        try:
            directory = _directory(execution.conversation)
        except DiffUnavailable:
            continue
        diff = asyncio.run(diff_since(execution.id, directory, execution.base_tree))
        if diff is not None:
            store_diff(execution.id, diff, now=now)
            done += 1
    return done


def forget_abandoned() -> int:
    """Removes old stores that no live execution needs; how many there were. May run twice."""
    before = time.time() - ABANDONED_SECONDS
    old = [(execution_id, folder) for execution_id, folder in _stores() if folder.stat().st_mtime < before]
    ids = [execution_id for execution_id, _ in old]
    live = Execution.objects.filter(id__in=ids, status__in=[s.value for s in LIVE])
    needed = set(live.values_list("id", flat=True))
    abandoned = [folder for execution_id, folder in old if execution_id not in needed]
    for folder in abandoned:
        snapshots.remove(folder)
    return len(abandoned)


def _stores() -> list[tuple[UUID, Path]]:
    """Stores and unfinished ones with their executions; one of those has the execution's id before a dot."""
    place = settings.PENGUIN_DATA_DIR / "executions"
    folders = list(place.iterdir()) if place.is_dir() else []
    return [(UUID(folder.name.partition(".")[0]), folder) for folder in folders]


def _store(execution_id: UUID) -> Path:
    place: Path = settings.PENGUIN_DATA_DIR / "executions" / str(execution_id)
    return place


def _directory(conversation: Conversation | None) -> Path:
    """The bound directory, if it is still the same one."""
    if conversation is None or not conversation.directory:
        raise DiffUnavailable("The session of this execution is gone.")
    try:
        found = Path(conversation.directory).stat()
    except OSError:
        raise DiffUnavailable("The directory of this execution is gone.") from None
    identity = (signed(found.st_dev), signed(found.st_ino))
    if identity != (conversation.directory_device, conversation.directory_inode):
        raise DiffUnavailable("The directory of this execution was replaced by another one.")
    return Path(conversation.directory)
