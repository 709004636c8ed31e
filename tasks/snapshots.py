"""The files of a directory as a git tree, and two such trees compared, by git in the sandbox.

Git runs with a repository of our own, in the server's data directory, and sees the directory as nothing but files: no
config, hook, filter, attribute or index of the user's repository has a say, and none of it can be changed, for the
sandbox has the directory read-only. The objects lie in our repository, too. Borrowing the user's as an alternate would
save their copies; but whoever works in the directory can write there, an object under the name of another one, say,
and git believes what it finds: the diff would show what its author likes. No ref keeps them alive, for nothing
in our repository is ever collected: it goes as a whole when the execution has ended.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from conversations.sandbox import command
from conversations.sandbox.box import BESIDE, Box
from conversations.sandbox.start import SandboxError
from tasks.core.tree_changes import MOST_PATCH_BYTES, Diff, UnreadableOutput, read_diff

P = ParamSpec("P")
T = TypeVar("T")

_MOST_STAT_BYTES = 64 * 1024 * 1024
_MOST_COMPLAINTS = 64 * 1024
_MOST_LEFT_OUT = 20
_REPOSITORY = {
    "git/HEAD": "ref: refs/heads/none\n",
    # Each file goes into one pack per call, however small: bigFileThreshold. Loose ones would be as many as the files.
    "git/config": """\
[core]
	repositoryformatversion = 0
	filemode = true
	symlinks = true
	bigFileThreshold = 0
	compression = 1
	fsync = none
	hooksPath = /dev/null
	fsmonitor = false
	untrackedCache = false
	attributesFile = /dev/null
	excludesFile = {beside}/exclude
	pager = cat
[gc]
	auto = 0
[maintenance]
	auto = false
[advice]
	addEmbeddedRepo = false
""",
    # Before all attributes that files of the directory set: bytes are taken as they are, and shown.
    "git/info/attributes": "* -text !eol -ident !filter !working-tree-encoding !diff !whitespace\n",
}
# What the user told git to ignore counts, as it was at the start. Files that are in the user's index although they are
# ignored are in ours, too; from its index only names are taken.
_TAKE = """
set -eu
[ -f "$STORE/exclude" ] || {
    : > "$STORE/exclude"
    if [ -f .git/info/exclude ]; then head -c 65536 .git/info/exclude > "$STORE/exclude"; fi
}
if [ -f "$STORE/index" ]; then cp -p "$STORE/index" "$GIT_INDEX_FILE"; fi
git add -A --ignore-errors 2> "$CALL/left_out" || [ $? = 1 ]
if GIT_INDEX_FILE="$PWD/.git/index" git ls-files -z --cached --ignored --exclude-standard > "$CALL/ignored" 2> /dev/null
then git update-index -z --add --remove --replace --stdin < "$CALL/ignored" 2> /dev/null || :
fi
git write-tree > "$CALL/tree"
"""
_COMPARE = """
compare() { git -c core.bigFileThreshold=5m diff-tree -r -M -l 400 --no-ext-diff --no-textconv "$@"; }
tree=$(cat "$CALL/tree")
compare -z --raw --numstat "$BASE" "$tree" > "$CALL/stat"
compare -p --no-color --src-prefix=a/ --dst-prefix=b/ "$BASE" "$tree" | head -c "$MOST" > "$CALL/patch"
"""


class SnapshotError(Exception):
    """The state of the directory could not be taken, and why."""


def is_repository(directory: Path) -> bool:
    """Whether git would call it the top of a work tree."""
    return (directory / ".git" / "HEAD").is_file() or (directory / ".git").is_file()


async def begin(store: Path, directory: Path, *, seconds: float) -> str:
    """Makes the store, anew if need be, and returns the tree of `directory` in it. Raises SnapshotError."""
    draft = await _in_thread(_draft, store)
    try:
        call = await _in_thread(_call, draft)
        await _run(_TAKE, draft, call, directory, {"GIT_INDEX_FILE": f"{BESIDE}/index"}, seconds)
        return await _in_thread(_put_in_place, draft, call, store)
    finally:
        await _in_thread(remove, draft)


async def compare(store: Path, directory: Path, base: str, *, seconds: float) -> Diff:
    """What has changed in `directory` since `begin` found the tree `base`; the store stays as it is."""
    call = await _in_thread(_call, store)
    try:
        inside = f"{BESIDE}/{call.name}"
        environment = {
            "GIT_INDEX_FILE": f"{inside}/index",
            "GIT_OBJECT_DIRECTORY": f"{inside}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{BESIDE}/git/objects",
            "BASE": base,
            "MOST": str(MOST_PATCH_BYTES),
        }
        await _run(_TAKE + _COMPARE, store, call, directory, environment, seconds)
        return await _in_thread(_found, call)
    finally:
        await _in_thread(remove, call)


def remove(folder: Path) -> None:
    """A store, or a part of one; it may be gone already."""
    shutil.rmtree(folder, ignore_errors=True)


async def _in_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(function, *arguments, **options)
    except (OSError, UnreadableOutput) as error:
        raise SnapshotError(f"The state of the directory could not be kept: {error}") from error


def _draft(store: Path) -> Path:
    """A store under another name: what is half made is never found."""
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{store.name}.", dir=store.parent))
    for name, content in _REPOSITORY.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).write_text(content.format(beside=BESIDE))
    for name in ("git/objects", "git/refs"):
        (draft / name).mkdir()
    return draft


def _put_in_place(draft: Path, call: Path, store: Path) -> str:
    tree = _read(call / "tree", 100).decode("ascii", "replace").strip()
    remove(call)
    remove(store)
    draft.rename(store)
    return tree


def _call(store: Path) -> Path:
    """A folder in the store for the files of one run of git."""
    call = Path(tempfile.mkdtemp(prefix="call-", dir=store))
    (call / "objects").mkdir()
    return call


def _found(call: Path) -> Diff:
    stat, patch = _read(call / "stat", _MOST_STAT_BYTES), _read(call / "patch", MOST_PATCH_BYTES)
    return read_diff(stat, patch, left_out=_left_out(_read(call / "left_out", _MOST_COMPLAINTS)))


async def _run(
    script: str, store: Path, call: Path, directory: Path, environment: dict[str, str], seconds: float
) -> None:
    root = await _in_thread(directory.resolve)
    box = Box(
        root,
        root,
        environment={
            "STORE": BESIDE,
            "CALL": f"{BESIDE}/{call.name}",
            "GIT_DIR": f"{BESIDE}/git",
            "GIT_WORK_TREE": str(root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **environment,
        },
        read_only=True,
        beside=store,
    )
    try:
        outcome = await command.run(["/bin/sh", "-c", script], box, seconds=seconds)
    except SandboxError as error:
        raise SnapshotError(str(error)) from error
    if outcome.trouble or outcome.exit_code:
        raise SnapshotError(outcome.trouble or f"git: {outcome.output.strip()[-500:]}")


def _read(path: Path, most: int) -> bytes:
    """The beginning of a file that git has written; whatever it wrote, it leads nowhere else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)


def _left_out(complaints: bytes) -> tuple[str, ...]:
    lines = complaints.decode("utf-8", "replace").replace("\x00", "\ufffd").splitlines()
    return tuple(line.removeprefix("error: ")[:300] for line in lines if line.startswith("error: "))[
        :_MOST_LEFT_OUT
    ]
