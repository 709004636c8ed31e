"""Files are changed all or none, and only while they are what they were: with and without the kernel's help."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from conversations.confined_files import beneath, changes, renames
from conversations.confined_files.changes import Change, apply_changes, hash_of, remove_spares, sha256
from conversations.confined_files.errors import (
    ChangedMeanwhile,
    FileTooLarge,
    HalfChanged,
    NotARegularFile,
    OutsideRoot,
)
from conversations.confined_files.tree import Tree
from penguin_site.errors import DomainError


def no_links(*args: object, **kwargs: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(params=["renameat2", "links", "neither"])
def renaming(request, monkeypatch) -> str:
    """What the file system can do."""
    if request.param != "renameat2":
        monkeypatch.setattr(renames, "USE_RENAMEAT2", False)
        monkeypatch.setattr(beneath, "USE_OPENAT2", False)
    if request.param == "neither":
        monkeypatch.setattr(os, "link", no_links)
    return request.param


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


def apply(root: Path, *wanted: Change) -> None:
    with Tree(root) as tree:
        apply_changes(tree, wanted)


def contents(root: Path) -> dict[str, str]:
    """All there is beneath the root: spare files too."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else "folder"
        for path in sorted(root.rglob("*"))
    }


def replaced(path: str, old: bytes, new: bytes | None) -> Change:
    return Change(path, sha256(old), new)


def test_files_are_created_replaced_and_deleted(root, renaming):
    (root / "old.txt").write_text("old")
    (root / "gone.txt").write_text("gone")
    apply(
        root,
        Change("a/b/new.txt", "", b"new"),
        replaced("old.txt", b"old", b"newer"),
        replaced("gone.txt", b"gone", None),
    )
    assert contents(root) == {"a": "folder", "a/b": "folder", "a/b/new.txt": "new", "old.txt": "newer"}


def test_permission_bits_stay_but_those_that_lend_rights(root, renaming):
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o4754)
    apply(root, replaced("run.sh", b"old", b"new"))
    assert (root / "run.sh").stat().st_mode & 0o7777 == 0o754


def test_a_new_file_gets_the_bits_that_the_umask_leaves(root):
    before = os.umask(0o027)
    try:
        apply(root, Change("new.txt", "", b""))
    finally:
        os.umask(before)
    assert (root / "new.txt").stat().st_mode & 0o777 == 0o640


def test_the_owner_stays(root):
    (root / "a.txt").write_text("old")
    if os.geteuid() == 0:  # only root may give files away
        os.chown(root / "a.txt", 1234, 2345)
    before = (root / "a.txt").stat()
    apply(root, replaced("a.txt", b"old", b"new"))
    after = (root / "a.txt").stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_other_names_of_a_file_keep_the_old_content(root, tmp_path, renaming):
    (tmp_path / "outside.txt").write_text("old")
    try:
        (root / "a.txt").hardlink_to(tmp_path / "outside.txt")
    except PermissionError:  # the fixture took links away; the file system has them
        pytest.MonkeyPatch().undo()
        (root / "a.txt").write_text("old")
    apply(root, replaced("a.txt", b"old", b"new"))
    assert ((root / "a.txt").read_text(), (tmp_path / "outside.txt").read_text()) == ("new", "old")


@pytest.mark.parametrize("wrong", ["changed", "missing", "there", "folder", "link", "pipe"])
def test_nothing_changes_when_one_file_is_not_as_expected(root, renaming, wrong):
    (root / "a.txt").write_text("a")
    other = root / "other"
    change = Change("other", sha256(b"expected"), b"x")
    if wrong == "changed":
        other.write_text("changed")
    elif wrong == "there":
        other.write_text("there")
        change = Change("other", "", b"x")
    elif wrong == "folder":
        other.mkdir()
    elif wrong == "link":
        other.symlink_to("a.txt")
    elif wrong == "pipe":
        os.mkfifo(other)
    before = sorted(os.listdir(root))
    with pytest.raises((ChangedMeanwhile, NotARegularFile, OutsideRoot)):
        apply(root, replaced("a.txt", b"a", b"A"), Change("folder/new", "", b"n"), change)
    assert sorted(os.listdir(root)) == before
    assert (root / "a.txt").read_text() == "a"


@pytest.mark.parametrize("moment", range(4))
def test_a_failure_in_the_middle_is_undone(root, renaming, monkeypatch, moment):
    for name in "abc":
        (root / f"{name}.txt").write_text(name)
    before = contents(root)
    real, calls = changes._Step._swap, []

    def failing(step: changes._Step) -> None:
        calls.append(step)
        if len(calls) == moment + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(step)

    monkeypatch.setattr(changes._Step, "_swap", failing)
    with pytest.raises(OSError, match="No space left"):
        apply(
            root,
            Change("new/x.txt", "", b"x"),
            *(
                replaced(f"{name}.txt", name.encode(), new)
                for name, new in [("a", b"A"), ("b", None), ("c", b"C")]
            ),
        )
    assert len(calls) == moment + 1
    assert contents(root) == before


@pytest.mark.parametrize("what", ["content", "deleted", "link", "folder"])
def test_a_change_between_check_and_rename_is_not_lost(root, tmp_path, renaming, monkeypatch, what):
    """Somebody comes in at the last moment, after the hashes were compared."""
    (root / "a.txt").write_text("old")
    (root / "b.txt").write_text("b")
    (tmp_path / "outside").write_text("outside")
    real = changes._Step._swap

    def interrupted(step: changes._Step) -> None:
        if step.name == "a.txt":
            (root / "a.txt").unlink()
            if what == "content":
                (root / "a.txt").write_text("somebody else's")
            elif what == "link":
                (root / "a.txt").symlink_to(tmp_path / "outside")
            elif what == "folder":
                (root / "a.txt").mkdir()
        real(step)

    monkeypatch.setattr(changes._Step, "_swap", interrupted)
    with pytest.raises(DomainError):
        apply(root, replaced("b.txt", b"b", b"B"), replaced("a.txt", b"old", b"new"))
    assert (root / "b.txt").read_text() == "b"
    assert (tmp_path / "outside").read_text() == "outside"
    if what == "deleted":
        assert not (root / "a.txt").exists()
    elif what == "link":
        assert os.readlink(root / "a.txt") == str(tmp_path / "outside")
    elif what == "content":
        assert (root / "a.txt").read_text() == "somebody else's"
    assert not [name for name in os.listdir(root) if name.startswith(".penguin")]


def test_a_file_that_appears_at_the_last_moment_is_not_overwritten(root, renaming, monkeypatch):
    real = changes._Step._swap

    def interrupted(step: changes._Step) -> None:
        (root / "new.txt").write_text("somebody else's")
        real(step)

    monkeypatch.setattr(changes._Step, "_swap", interrupted)
    with pytest.raises(ChangedMeanwhile):
        apply(root, Change("new.txt", "", b"mine"))
    assert contents(root) == {"new.txt": "somebody else's"}


def test_what_cannot_be_undone_keeps_the_old_content_and_says_so(root, monkeypatch):
    (root / "a.txt").write_text("a")
    (root / "b.txt").write_text("changed")
    (root / "b.txt").write_text("b")
    real_swap = changes._Step._swap

    def swap_then_break(step: changes._Step) -> None:
        if step.name == "b.txt":
            monkeypatch.setattr(changes, "exchange", no_links)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real_swap(step)

    monkeypatch.setattr(changes._Step, "_swap", swap_then_break)
    with pytest.raises(HalfChanged, match=r"a\.txt"):
        apply(root, replaced("a.txt", b"a", b"A"), replaced("b.txt", b"b", b"B"))
    found = contents(root)
    assert (found.pop("a.txt"), found.pop("b.txt")) == ("A", "b")
    assert list(found.values()) == ["a"]  # the spare file


def test_what_a_dead_process_left_behind_is_taken_away(root, monkeypatch):
    class Died(BaseException):
        pass

    (root / "a.txt").write_text("old")
    change = replaced("a.txt", b"old", b"new")

    def die(*args: object) -> None:
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(changes._Step, "commit", die)
        dying.setattr(changes, "_discard", lambda steps: None)
        with pytest.raises(Died):
            apply(root, change)
    assert len(contents(root)) == 2
    apply(root, change)  # tried again, it minds its own spare file
    assert contents(root) == {"a.txt": "new"}
    with Tree(root) as tree:
        (root / changes._spare_name(change.path, change.before, change.after)).write_text("left")
        remove_spares(tree, [(change.path, change.before, change.after), ("no/where.txt", "", "")])
    assert contents(root) == {"a.txt": "new"}


def test_hashes(root, renaming):
    (root / "a.txt").write_text("a")
    (root / "folder").mkdir()
    with open(root / "huge", "wb") as file:
        file.truncate(changes.MOST_REPLACED_BYTES + 1)
    with Tree(root) as tree:
        assert hash_of(tree, "a.txt") == sha256(b"a")
        assert [hash_of(tree, path) for path in ("none", "none/none", "a.txt/none")] == ["", "", ""]
        with pytest.raises(NotARegularFile):
            hash_of(tree, "folder")
        with pytest.raises(FileTooLarge):
            hash_of(tree, "huge")


def test_a_folder_that_turns_into_a_link_all_the_time_lets_nothing_out(root, tmp_path):
    """`target` is now a folder, now a link out of the root, thousands of times, while it is written to and read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.txt").write_text("canary")
    (root / "real").mkdir()
    (root / "link").symlink_to(outside)
    (root / "target").mkdir()
    swaps, written, stop = 0, 0, threading.Event()
    # How often a write gets in between two swaps is up to the machine: both counts are waited for.
    patience = time.monotonic() + 60

    def swap() -> None:
        nonlocal swaps
        with Tree(root) as tree:
            while (swaps < 2000 or written < 50) and time.monotonic() < patience:
                renames.exchange(tree.descriptor, "link", "target")
                swaps += 1
        stop.set()

    swapper = threading.Thread(target=swap)
    swapper.start()
    with Tree(root) as tree:
        while not stop.is_set():
            try:
                path = tree.resolve("target/file.txt").path
                apply_changes(tree, [Change(path, hash_of(tree, path), f"text {written}".encode())])
                written += 1
                assert b"canary" not in tree.read(path, most_bytes=100)
            except DomainError:
                continue
    swapper.join()
    assert swaps >= 2000 and written >= 50
    assert contents(outside) == {"file.txt": "canary"}
