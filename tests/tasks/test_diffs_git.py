"""The diff of a repository: true whatever the repository holds, and without a trace in it."""

import os
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from conversations.sandbox import Level
from tasks import diffs, snapshots
from tasks.core.tree_changes import Diff

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
EVIL = "touch {root}/pwned; cat"


def git(folder: Path, *arguments: str) -> str:
    command = [*GIT, "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def fingerprint(folder: Path) -> dict[str, tuple[float, bytes]]:
    """All of a repository: its index, refs, objects and files."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture
def repository(root: Path) -> Path:
    git(root, "init", "-q")
    (root / "file").write_text("one\ntwo\nthree\n")
    (root / "gone").write_text("soon\n")
    (root / "name").write_text("".join(f"line {number}\n" for number in range(20)))
    (root / ".gitignore").write_text("*.log\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


class Execution:
    """The start of one, and what changed since."""

    def __init__(self, directory: Path) -> None:
        self.id, self.directory, self.tree = uuid4(), directory, ""

    async def begin(self) -> "Execution":
        self.tree = await diffs.tree_at_start(self.id, self.directory)
        assert self.tree
        return self

    async def diff(self) -> Diff:
        found = await diffs.diff_since(self.id, self.directory, self.tree)
        assert found is not None
        return found


async def test_the_diff_is_that_of_the_execution_alone(level: Level, repository: Path):
    """What was changed, staged or new before it started is not its own."""
    (repository / "file").write_text("one\n2\nthree\n")
    (repository / "staged").write_text("staged\n")
    (repository / "untracked").write_text("mine\n")
    git(repository, "add", "staged")
    execution = await Execution(repository).begin()
    (repository / "file").write_text("one\n2\n3\n")
    (repository / "untracked").write_text("mine\nits\n")
    (repository / "new").write_text("new\n")
    (repository / "noise.log").write_text("ignored\n")
    (repository / "picture").write_bytes(b"\x89PNG\x00\x01")
    (repository / "gone").unlink()
    (repository / "name").rename(repository / "renamed")
    diff = await execution.diff()
    assert {(file.path, file.status, file.additions, file.deletions) for file in diff.files} == {
        ("file", "modified", 1, 1),
        ("untracked", "modified", 1, 0),
        ("new", "added", 1, 0),
        ("picture", "added", None, None),
        ("gone", "deleted", 0, 1),
        ("renamed", "renamed", 0, 0),
    }
    assert "-three\n+3\n" in diff.text
    assert "+2\n" not in diff.text
    assert (diff.files_changed, diff.additions, diff.deletions, diff.truncated) == (6, 3, 2, False)
    assert [file.old_path for file in diff.files if file.status == "renamed"] == ["name"]


async def test_commits_branches_and_a_clean_status_hide_nothing(level: Level, repository: Path):
    execution = await Execution(repository).begin()
    (repository / "file").write_text("committed\n")
    git(repository, "commit", "-qam", "by the agent")
    git(repository, "checkout", "-qb", "other")
    git(repository, "update-index", "--assume-unchanged", "gone")
    (repository / "gone").write_text("hidden\n")
    (repository / ".git" / "info" / "exclude").write_text("secret\n")
    (repository / "secret").write_text("seen\n")
    diff = await execution.diff()
    assert {file.path for file in diff.files} == {"file", "gone", "secret"}


async def test_what_is_ignored_and_still_tracked_is_seen(level: Level, repository: Path):
    (repository / "kept.log").write_text("old\n")
    git(repository, "add", "-f", "kept.log")
    execution = await Execution(repository).begin()
    (repository / "kept.log").write_text("new\n")
    (repository / "other.log").write_text("added by force\n")
    git(repository, "add", "-f", "other.log")
    diff = await execution.diff()
    assert {(file.path, file.status) for file in diff.files} == {
        ("kept.log", "modified"),
        ("other.log", "added"),
    }


async def test_no_trace_is_left_in_the_repository(level: Level, repository: Path):
    (repository / "untracked").write_text("mine\n")
    before = fingerprint(repository)
    execution = await Execution(repository).begin()
    diff = await execution.diff()
    assert diff.files == ()
    assert fingerprint(repository) == before
    assert git(repository, "status", "--short").split() == ["??", "untracked"]
    assert "pwned" not in os.listdir(repository)


def _config(root: Path, **entries: str) -> None:
    for name, value in entries.items():
        git(root, "config", name.replace("_", "."), value)


def _filters(root: Path, evil: str) -> None:
    _config(root, filter_evil_clean=evil, filter_evil_smudge=evil, filter_evil_process=evil)
    (root / ".gitattributes").write_text("* filter=evil\n")


def _textconv(root: Path, evil: str) -> None:
    _config(root, diff_evil_textconv=evil, diff_evil_command=evil, diff_evil_wordRegex="(")
    (root / ".gitattributes").write_text("* diff=evil\n")


def _programs(root: Path, evil: str) -> None:
    for name in (
        "core.fsmonitor",
        "diff.external",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
    ):
        git(root, "config", name, evil)
    git(root, "config", "credential.helper", f"!{evil}")
    git(root, "config", "alias.add", f"!{evil}")
    git(root, "config", "alias.diff-tree", f"!{evil}")


def _include(root: Path, evil: str) -> None:
    (root / "settings").write_text(f"[core]\n\tfsmonitor = {evil}\n[diff]\n\texternal = {evil}\n")
    git(root, "config", "include.path", "../settings")
    git(root, "config", "includeIf.gitdir:**.path", "../settings")


def _hooks(root: Path, evil: str) -> None:
    folder = root / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    for name in ("post-index-change", "pre-commit", "fsmonitor-watchman", "reference-transaction"):
        (folder / name).write_text(f"#!/bin/sh\n{evil}\n")
        (folder / name).chmod(0o755)
    git(root, "config", "core.hooksPath", ".git/hooks")


def _attributes(root: Path, evil: str) -> None:
    (root / ".gitattributes").write_text("* working-tree-encoding=UTF-99 -diff eol=crlf ident merge=evil\n")
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "attributes").write_text("* filter=evil binary\n")


def _broken(root: Path, evil: str) -> None:
    (root / ".git" / "index").write_bytes(b"DIRC\x00\x00\x00\x09nonsense")
    (root / ".git" / "config").write_text("[core\n")
    (root / ".git" / "HEAD").write_text("nowhere\n")


def _promisor(root: Path, evil: str) -> None:
    _config(
        root, remote_evil_url=f"ext::sh -c '{evil}'", remote_evil_promisor="true", protocol_ext_allow="always"
    )
    _config(root, extensions_partialClone="evil", core_repositoryformatversion="1")


def _strange_files(root: Path, evil: str) -> None:
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("/etc/passwd")
    (root / "loop").symlink_to("loop")
    (root / "-rf").write_text("a\n")
    (root / ":(glob)**").write_text("a\n")
    (root / "new\nline\ttab").write_text("a\n")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_text("a\n")


HOSTILE = [_filters, _textconv, _programs, _include, _hooks, _attributes, _broken, _promisor, _strange_files]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__[1:])
async def test_nothing_that_a_repository_says_is_run_or_hides_a_change(level: Level, repository: Path, make):
    make(repository, EVIL.format(root=repository))
    execution = await Execution(repository).begin()
    (repository / "file").write_text("one\nchanged\nthree\n")
    diff = await execution.diff()
    assert [file.path for file in diff.files] == ["file"]
    assert "-two\n+changed\n" in diff.text
    assert not (repository / "pwned").exists()
    assert "root:" not in diff.text


@pytest.mark.parametrize(
    "make", [_filters, _programs, _attributes, _broken], ids=lambda make: make.__name__[1:]
)
async def test_nor_what_comes_while_the_execution_works(repository: Path, make):
    execution = await Execution(repository).begin()
    make(repository, EVIL.format(root=repository))
    (repository / "file").write_text("one\nchanged\nthree\n")
    diff = await execution.diff()
    assert "-two\n+changed\n" in diff.text
    assert not (repository / "pwned").exists()


async def test_forged_objects_in_the_repository_do_not_show_instead_of_files(level: Level, repository: Path):
    """Git trusts the name of an object it finds. Who works in a repository can write its objects, but not ours."""
    true = git(repository, "rev-parse", "HEAD:file").strip()
    (repository / "decoy").write_text("harmless\n")
    false = git(repository, "hash-object", "-w", "decoy").strip()
    (repository / "decoy").unlink()
    objects = repository / ".git" / "objects"
    (objects / false[:2] / false[2:]).rename(objects / true[:2] / true[2:])
    assert git(repository, "cat-file", "-p", "HEAD:file") == "harmless\n"
    execution = await Execution(repository).begin()
    (repository / "file").write_text("one\nchanged\nthree\n")
    diff = await execution.diff()
    assert "-two\n+changed\n" in diff.text
    assert "harmless" not in diff.text


async def test_a_repository_within_is_named_where_its_files_are_not_shown(level: Level, repository: Path):
    execution = await Execution(repository).begin()
    (repository / "inner").mkdir()
    git(repository / "inner", "init", "-q")
    (repository / "inner" / "file").write_text("hidden\n")
    (repository / "file").write_text("seen\n")
    diff = await execution.diff()
    assert [file.path for file in diff.files] == ["file"]
    assert "inner/" in "".join(diff.left_out)


async def test_a_linked_work_tree(level: Level, repository: Path, tmp_path: Path):
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    execution = await Execution(tmp_path / "tree").begin()
    (tmp_path / "tree" / "file").write_text("in the tree\n")
    assert [file.path for file in (await execution.diff()).files] == ["file"]


async def test_where_there_is_no_repository_there_is_no_diff(level: Level, root: Path):
    (root / "file").write_text("one\n")
    assert await diffs.tree_at_start(uuid4(), root) == ""
    assert not (root / ".git").exists()
    assert await diffs.tree_at_start(uuid4(), root / "missing") == ""


async def test_without_a_sandbox_there_is_no_diff(settings, repository: Path, caplog):
    settings.PENGUIN_SANDBOX = "off"
    assert await diffs.tree_at_start(uuid4(), repository) == ""
    assert "No sandbox is available" in caplog.text


async def test_a_slow_repository_is_given_up(level: Level, repository: Path, monkeypatch, settings):
    monkeypatch.setattr(diffs, "SNAPSHOT_SECONDS", 0.0)
    assert await diffs.tree_at_start(uuid4(), repository) == ""
    assert list((settings.PENGUIN_DATA_DIR / "executions").iterdir()) == []


async def test_a_start_that_was_cut_short_is_made_again(level: Level, repository: Path, settings):
    execution = await Execution(repository).begin()
    (repository / "file").write_text("later\n")
    first = execution.tree
    await execution.begin()
    assert execution.tree != first
    assert (await execution.diff()).files == ()
    snapshots.remove(settings.PENGUIN_DATA_DIR / "executions" / str(execution.id))
    assert await diffs.diff_since(execution.id, repository, execution.tree) is None
