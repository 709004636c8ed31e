"""apply_patch: several files or none, what it refuses, and what becomes of one that was cut short."""

import os
from pathlib import Path

import pytest

from conversations.confined_files import changes
from conversations.tools.base import InvalidArguments, Reconciled, ToolError, Workplace
from conversations.tools.patch import ApplyPatch
from tests.tool_calls import call, workplace

patch = ApplyPatch()

ALL = """\
diff --git a/changed.txt b/changed.txt
--- a/changed.txt
+++ b/changed.txt
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
--- /dev/null
+++ b/new/created.txt
@@ -0,0 +1,2 @@
+first
+second
--- a/deleted.txt
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/old.txt b/renamed/new.txt
similarity index 50%
rename from old.txt
rename to renamed/new.txt
--- a/old.txt
+++ b/renamed/new.txt
@@ -1,2 +1,2 @@
 stays
-goes
+comes
"""
BEFORE = {"changed.txt": "one\ntwo\nthree\n", "deleted.txt": "gone\n", "old.txt": "stays\ngoes\n"}
AFTER = {
    "changed.txt": "one\nTWO\nthree\n",
    "new/created.txt": "first\nsecond\n",
    "renamed/new.txt": "stays\ncomes\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    for name, text in BEFORE.items():
        (root / name).write_text(text)
    return root


@pytest.fixture
def place(root: Path) -> Workplace:
    return workplace(root)


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_files_are_changed_created_deleted_and_renamed(root, place):
    text = call(patch, place, patch=ALL)
    assert contents(root) == AFTER
    assert text.splitlines() == [
        "Applied:",
        "changed changed.txt",
        "created new/created.txt",
        "created renamed/new.txt",
        "deleted deleted.txt",
        "deleted old.txt",
    ]


def test_targets_tell_what_is_read_written_and_deleted(root, place):
    (root / "link").symlink_to("changed.txt")
    targets = patch.targets({"patch": ALL.replace("changed.txt", "link")}, place)
    assert targets.reads == ("changed.txt", "deleted.txt", "old.txt")
    assert targets.writes == ("changed.txt", "new/created.txt", "renamed/new.txt")
    assert targets.deletes == ("deleted.txt", "old.txt")


def test_the_preview_shows_all(place):
    preview = patch.preview({"patch": ALL}, place)
    assert all(line in preview for line in ("-two\n+TWO\n", "+first\n+second\n", "-gone\n", "+comes\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-two\n", "-zwei\n"), "changed.txt: hunk 1 does not fit"),
        (("-goes\n", "-went\n"), "renamed/new.txt: hunk 1 does not fit"),
        (("-gone\n", "-going\n"), "deleted.txt: hunk 1"),
        (("new/created.txt", "changed.txt"), "it is there already"),
        (("renamed/new.txt", "deleted.txt"), "it is there already"),
        (("deleted.txt", "missing.txt"), "no such file"),
        (("new/created.txt", "renamed/new.txt"), "changes it twice"),
        (("new/created.txt", "new/../../out.txt"), "."),
        (("new/created.txt", "../out.txt"), "leads out"),
        (("new/created.txt", ".git/hooks/pre-commit"), "git commands"),
        (("renamed/new.txt", ".env"), "secrets"),
        (("old.txt", ".env"), "secrets"),
        (("new/created.txt", "changed.txt/x"), "no such file"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_nothing_is_applied_unless_all_is(root, place, change, message):
    (root / ".env").write_text("stays\ngoes\n")
    before = contents(root)
    with pytest.raises(ToolError, match=message):
        call(patch, place, patch=ALL.replace(*change))
    assert contents(root) == before
    assert not (root / "new").exists() and not (root / "renamed").exists()


@pytest.mark.parametrize("moment", range(5))
def test_a_failing_disk_leaves_all_as_it_was(root, place, monkeypatch, moment):
    real, count = changes._Step._swap, 0

    def failing(step: changes._Step) -> None:
        nonlocal count
        count += 1
        if count == moment + 1:
            raise OSError(28, os.strerror(28))
        real(step)

    monkeypatch.setattr(changes._Step, "_swap", failing)
    with pytest.raises(ToolError, match="No space left"):
        call(patch, place, patch=ALL)
    assert contents(root) == BEFORE


@pytest.mark.parametrize("done", range(6))
def test_what_a_lost_worker_left_undone_is_finished(root, place, monkeypatch, done):
    """The process dies after so many of the five changes."""

    class Died(BaseException):
        pass

    effects = patch.plan({"patch": ALL}, place)
    real, count = changes._Step._swap, 0

    def dying(step: changes._Step) -> None:
        nonlocal count
        count += 1
        if count > done:
            raise Died
        real(step)

    with monkeypatch.context() as broken:
        broken.setattr(changes._Step, "_swap", dying)
        broken.setattr(changes._Step, "undo", lambda step: True)
        broken.setattr(changes, "_discard", lambda steps: None)
        broken.setattr(changes._Folders, "remove_made", lambda folders: None)
        if done < 5:
            with pytest.raises(Died):
                call(patch, place, planned=effects, patch=ALL)
        else:
            call(patch, place, planned=effects, patch=ALL)
    verdict = patch.reconcile({"patch": ALL}, effects, place)
    assert verdict is (Reconciled.NOT_APPLIED if done == 0 else Reconciled.APPLIED)
    assert contents(root) == (BEFORE if done == 0 else AFTER)
    if done == 0:
        call(patch, place, planned=effects, patch=ALL)
        assert contents(root) == AFTER


@pytest.mark.parametrize("changed", ["changed.txt", "old.txt", "new/created.txt"])
def test_it_is_unclear_where_somebody_else_was_at_it(root, place, changed):
    effects = patch.plan({"patch": ALL}, place)
    (root / "new").mkdir()
    (root / "renamed").mkdir()
    (root / "renamed/new.txt").write_text("stays\ncomes\n")  # done
    (root / changed).write_text("somebody else's")
    before = contents(root)
    assert patch.reconcile({"patch": ALL}, effects, place) is Reconciled.UNCLEAR
    assert contents(root) == before


def test_a_renamed_file_that_is_lost_is_unclear(root, place):
    effects = patch.plan({"patch": ALL}, place)
    (root / "old.txt").unlink()
    assert patch.reconcile({"patch": ALL}, effects, place) is Reconciled.UNCLEAR


def test_a_file_that_changed_since_the_plan_is_not_overwritten(root, place):
    effects = patch.plan({"patch": ALL}, place)
    (root / "changed.txt").write_text("one\ntwo\nthree\nfour\n")  # the patch would still fit
    with pytest.raises(ToolError, match="changed meanwhile"):
        call(patch, place, planned=effects, patch=ALL)
    assert contents(root) == {**BEFORE, "changed.txt": "one\ntwo\nthree\nfour\n"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\xef\xbb\xbfone\r\ntwo\r\nthree\r\n", b"\xef\xbb\xbfone\r\nTWO\r\nthree\r\n"),
        (b"one\ntwo\nthree", b"one\nTWO\nthree"),
    ],
)
def test_marks_and_line_ends_of_a_file_stay(root, place, old, new):
    (root / "changed.txt").write_bytes(old)
    call(patch, place, patch=ALL)
    assert (root / "changed.txt").read_bytes() == new


def test_a_binary_file_is_renamed_but_not_patched(root, place):
    (root / "image.png").write_bytes(b"\x89PNG\0")
    call(patch, place, patch="diff --git a/image.png b/b.png\nrename from image.png\nrename to b.png\n")
    assert (root / "b.png").read_bytes() == b"\x89PNG\0"
    with pytest.raises(ToolError, match="binary"):
        call(patch, place, patch="--- a/b.png\n+++ b/b.png\n@@ -1 +1 @@\n-x\n+y\n")


def test_a_delete_has_to_name_all_lines(root, place):
    with pytest.raises(ToolError, match="does not remove all"):
        call(patch, place, patch="--- a/old.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-stays\n")
    with pytest.raises(ToolError, match="does not remove all"):
        call(patch, place, patch="diff --git a/old.txt b/old.txt\ndeleted file mode 100644\n")


def test_a_patch_has_bounds(place):
    with pytest.raises(InvalidArguments, match="100 is the most"):
        call(
            patch, place, patch="".join(f"--- /dev/null\n+++ b/{n}\n@@ -0,0 +1 @@\n+x\n" for n in range(101))
        )
    with pytest.raises(InvalidArguments, match="no file in it"):
        call(patch, place, patch="nothing")
