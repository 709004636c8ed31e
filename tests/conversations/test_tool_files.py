"""read_file, write_file, edit_file: what the model gets, what is refused, and what is kept of a file."""

import asyncio
import errno
import os
import threading
import time
from pathlib import Path

import pytest

from conversations.confined_files import tree
from conversations.tools import changing, file_access
from conversations.tools.base import InvalidArguments, Invocation, Reconciled, Tool, ToolError, Workplace
from conversations.tools.files import EditFile, ReadFile, WriteFile
from tests.tool_calls import call, workplace

read, write, edit = ReadFile(), WriteFile(), EditFile()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def place(root: Path) -> Workplace:
    return workplace(root)


# --- read_file


@pytest.mark.parametrize(
    ("content", "arguments", "shown"),
    [
        ("a\nb\n", {}, "     1\ta\n     2\tb"),
        ("a\nb", {}, "     1\ta\n     2\tb"),
        ("a\r\nb\r\n", {}, "     1\ta\n     2\tb"),
        ("\n", {}, "     1\t"),
        ("", {}, "(The file is empty.)"),
        ("\ufeffa\n", {}, "     1\ta"),
        ("ä\u2028b\x0bc\n", {}, "     1\tä\u2028b\x0bc"),
        ("a\nb\nc\n", {"offset": 2, "limit": 1}, "     2\tb\n(Lines 2-2 of 3. Go on with offset=3.)"),
        ("a\nb\nc\n", {"offset": 2}, "     2\tb\n     3\tc"),
        ("x" * 3000, {}, "     1\t" + "x" * 2000 + "... (1000 more characters in this line)"),
    ],
)
def test_lines_are_numbered(root, place, content, arguments, shown):
    (root / "a.txt").write_bytes(content.encode())
    assert call(read, place, path="a.txt", **arguments) == shown


def test_two_thousand_lines_are_shown_and_how_to_go_on(root, place):
    (root / "a.txt").write_text("".join(f"{n}\n" for n in range(1, 4001)))
    lines = call(read, place, path="a.txt").splitlines()
    assert lines[1999:] == ["  2000\t2000", "(Lines 1-2000 of 4000. Go on with offset=2001.)"]
    assert call(read, place, path="a.txt", offset=2001, limit=5000).splitlines()[-1] == "  4000\t4000"


def test_the_text_is_bounded(root, place):
    (root / "a.txt").write_text(("x" * 1900 + "\n") * 2000)
    text = call(read, place, path="a.txt")
    assert file_access.MOST_CHARACTERS < len(text) < file_access.MOST_CHARACTERS + 4000
    assert "Go on with offset=" in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bin", b"\x7fELF\0\0", "binary file of 6 bytes"),
        ("latin1.txt", b"caf\xe9", "binary file"),
        ("utf16.txt", "text".encode("utf-16"), "binary file"),
        ("folder", None, "directory"),
        ("missing.txt", None, "no such file"),
        ("missing/missing.txt", None, "no such file"),
        ("a.bin/x", b"", "no such file"),
    ],
)
def test_what_cannot_be_read_is_told(root, place, name, content, message):
    (root / "folder").mkdir()
    if content is not None:
        (root / name.split("/")[0]).write_bytes(content)
    with pytest.raises(ToolError, match=message) as error:
        call(read, place, path=name)
    assert name in str(error.value)


def test_a_large_file_is_refused(root, place):
    with open(root / "huge", "wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    with pytest.raises(ToolError, match="at most"):
        call(read, place, path="huge")


def test_a_line_after_the_end(root, place):
    (root / "a.txt").write_text("a\n")
    with pytest.raises(ToolError, match="1 lines only"):
        call(read, place, path="a.txt", offset=2)


def test_a_file_that_the_server_may_not_open(root, place, monkeypatch):
    def refused(*args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # to root the kernel never says this

    monkeypatch.setattr(tree, "open_beneath", refused)
    (root / "a.txt").write_text("a")
    with pytest.raises(ToolError, match="may not open"):
        call(read, place, path="a.txt")


# --- write_file


def test_a_file_is_created_with_its_folders_and_replaced(root, place):
    assert (
        call(write, place, path="src/new/a.py", content="a\nb\n")
        == "Created src/new/a.py (2 lines, 4 bytes)."
    )
    (root / "src/new/a.py").chmod(0o755)
    assert call(write, place, path="src/new/a.py", content="ä") == "Replaced src/new/a.py (1 lines, 2 bytes)."
    assert (root / "src/new/a.py").read_text() == "ä"
    assert (root / "src/new/a.py").stat().st_mode & 0o777 == 0o755
    assert os.listdir(root / "src/new") == ["a.py"]


def test_a_link_inside_is_written_through(root, place):
    (root / "AGENTS.md").write_text("old")
    (root / "CLAUDE.md").symlink_to("AGENTS.md")
    call(write, place, path="CLAUDE.md", content="new")
    assert (root / "AGENTS.md").read_text() == "new"
    assert (root / "CLAUDE.md").is_symlink()


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("folder", "x", "directory"),
        ("folder/", "x", "name of a directory"),
        ("new/", "x", "name of a directory"),
        (".", "x", "directory"),
        ("a.txt/b", "x", "no such file"),
        ("bad\nname", "x", "cannot be seen"),
        ("bidi\u202etxt.exe", "x", "cannot be seen"),
        ("esc\x1b[0m", "x", "cannot be seen"),
        ("a.txt", "\ud800", "lone surrogates"),
        ("a.txt", "a\0b", "NUL"),
        ("a.txt", "ä" * (1024 * 1024 + 1), "2097152 is the most"),
        (".git/config", "x", "git commands"),
        (".GIT/hooks/pre-commit", "x", "git commands"),
        ("sub/.git", "x", "git commands"),
        ("bare/config", "x", "git commands"),
        ("bare/hooks/post-receive", "x", "git commands"),
        ("linked-git/config", "x", "git commands"),
        (".env", "x", "may hold secrets"),
        ("keys/server.pem", "x", "may hold secrets"),
        ("link-to-env", "x", "may hold secrets"),
    ],
    ids=lambda value: ascii(value[:20]),
)
def test_what_cannot_be_written_is_told(root, place, path, content, message):
    (root / "folder").mkdir()
    (root / "a.txt").write_text("a")
    (root / ".git").mkdir()
    (root / "linked-git").symlink_to(".git")
    (root / ".env").write_text("KEY=secret")
    (root / "link-to-env").symlink_to(".env")
    (root / "bare" / "objects").mkdir(parents=True)
    (root / "bare" / "HEAD").write_text("ref: refs/heads/main")
    before = sorted(root.rglob("*"))
    with pytest.raises(ToolError, match=message):
        call(write, place, path=path, content=content)
    assert sorted(root.rglob("*")) == before
    assert ((root / "a.txt").read_text(), (root / ".env").read_text()) == ("a", "KEY=secret")


def test_an_ordinary_config_is_written(place):
    call(write, place, path="config", content="x")
    call(write, place, path="app/hooks/use.ts", content="x")


def test_a_name_that_is_there_may_be_strange(root, place):
    (root / "new\nline.txt").write_text("a")
    assert call(write, place, path="new\nline.txt", content="b").startswith(r'Replaced "new\nline.txt"')


# --- edit_file


@pytest.mark.parametrize(
    ("old", "arguments", "new"),
    [
        (b"a\nb\nc\n", {"old_string": "b", "new_string": "B"}, b"a\nB\nc\n"),
        (b"a\nb\nc\n", {"old_string": "a\nb\n", "new_string": ""}, b"c\n"),
        (b"a\r\nb\r\nc\r\n", {"old_string": "a\nb\n", "new_string": "x\ny\n"}, b"x\r\ny\r\nc\r\n"),
        (b"a\r\nb\r\n", {"old_string": "b", "new_string": "b\nc"}, b"a\r\nb\r\nc\r\n"),
        (
            b"a\r\nb\n",
            {"old_string": "b", "new_string": "b\nc"},
            b"a\r\nb\nc\n",
        ),  # of two minds: as it is given
        (b"\xef\xbb\xbfa\n", {"old_string": "a", "new_string": "b"}, b"\xef\xbb\xbfb\n"),
        (b"a a a", {"old_string": "a", "new_string": "b", "replace_all": True}, b"b b b"),
        (b"no end", {"old_string": "end", "new_string": "END"}, b"no END"),
        (
            b"$1 \\1 .*",
            {"old_string": "\\1 .*", "new_string": "\\g<0>"},
            b"$1 \\g<0>",
        ),  # no pattern, just text
    ],
)
def test_a_piece_is_replaced_and_all_else_stays(root, place, old, arguments, new):
    (root / "a.txt").write_bytes(old)
    call(edit, place, path="a.txt", **arguments)
    assert (root / "a.txt").read_bytes() == new


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"old_string": "z", "new_string": "x"}, "is not in a.txt. Read the file again"),
        ({"old_string": "a", "new_string": "x"}, r"3 times in a.txt \(lines 1, 2, 4\)"),
        ({"old_string": "b", "new_string": "b"}, "the same"),
        ({"old_string": "b", "new_string": "x\0"}, "NUL"),
        ({"old_string": "b", "new_string": "x" * 3_000_000}, "is the most"),
    ],
    ids=["missing", "several", "same", "nul", "large"],
)
def test_what_cannot_be_edited_is_told(root, place, arguments, message):
    (root / "a.txt").write_text("a\na\nb\na\n")
    with pytest.raises(ToolError, match=message):
        call(edit, place, path="a.txt", **arguments)
    assert (root / "a.txt").read_text() == "a\na\nb\na\n"


def test_the_result_tells_where(root, place):
    (root / "a.txt").write_text("a\na\nb\na\n")
    assert (
        call(edit, place, path="a.txt", old_string="b", new_string="x")
        == "Replaced 1 place in a.txt (line 3)."
    )
    assert (
        call(edit, place, path="a.txt", old_string="a", new_string="x", replace_all=True)
        == "Replaced 3 places in a.txt (lines 1, 2, 4)."
    )


def test_there_must_be_a_file_to_edit(place):
    with pytest.raises(ToolError, match="no such file"):
        call(edit, place, path="a.txt", old_string="a", new_string="b")


# --- what all that change files have in common


def test_targets_are_resolved_paths(root, place):
    (root / "a.txt").write_text("a")
    (root / "link").symlink_to("a.txt")
    (root / ".env").write_text("x")
    (root / "env-link").symlink_to(".env")
    (root / ".env.local").symlink_to("a.txt")
    assert read.targets({"path": f"{root}/./link"}, place).reads == ("a.txt",)
    assert write.targets({"path": "x/b.txt", "content": ""}, place).writes == ("x/b.txt",)
    targets = edit.targets({"path": "link", "old_string": "a", "new_string": "b"}, place)
    assert (targets.reads, targets.writes) == (("a.txt",), ("a.txt",))
    # The policy denies by the name of the secret, whichever way it is reached.
    assert read.targets({"path": "env-link"}, place).reads == (".env",)
    assert read.targets({"path": ".env.local"}, place).reads == (".env.local",)
    with pytest.raises(ToolError):
        read.targets({"path": "../x"}, place)


def test_a_yes_to_replace_a_file_is_for_the_file_as_it_is(root, place):
    arguments = {"path": "a.txt", "content": "new"}
    assert write.targets(arguments, place).notes == ()
    (root / "a.txt").write_text("old")
    first = write.targets(arguments, place)
    assert "replaces all of a.txt" in first.notes[0]
    (root / "a.txt").write_text("changed")
    assert write.targets(arguments, place) != first


def test_the_preview_is_a_diff(root, place):
    (root / "a.txt").write_text("a\nb\n")
    assert "-b\n+B\n" in edit.preview({"path": "a.txt", "old_string": "b", "new_string": "B"}, place)
    assert "new file" not in write.preview({"path": "a.txt", "content": "x\n"}, place)
    created = write.preview({"path": "n.txt", "content": "x\n"}, place)
    assert created.endswith("--- /dev/null\n+++ b/n.txt\n@@ -0,0 +1 @@\n+x\n")
    (root / "a.bin").write_bytes(b"\0\1")
    assert (
        write.preview({"path": "a.bin", "content": "x"}, place) == "Binary file a.bin: 2 bytes -> 1 bytes\n"
    )
    with pytest.raises(ToolError):
        write.preview({"path": ".env", "content": "x"}, place)


def test_a_file_that_changed_since_the_plan_is_not_overwritten(root, place):
    (root / "a.txt").write_text("old")
    arguments = {"path": "a.txt", "content": "new"}
    planned = write.plan(arguments, place)
    (root / "a.txt").write_text("somebody else's")
    with pytest.raises(ToolError, match="changed meanwhile"):
        call(write, place, planned=planned, **arguments)
    assert (root / "a.txt").read_text() == "somebody else's"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("new", Reconciled.APPLIED),
        ("old", Reconciled.NOT_APPLIED),
        ("other", Reconciled.UNCLEAR),
        (None, Reconciled.UNCLEAR),
    ],
)
def test_hashes_tell_whether_a_lost_write_was_applied(root, place, state, verdict):
    (root / "a.txt").write_text("old")
    arguments = {"path": "a.txt", "content": "new"}
    effects = write.plan(arguments, place)
    if state is None:
        (root / "a.txt").unlink()
    else:
        (root / "a.txt").write_text(state)
    assert write.reconcile(arguments, effects, place) is verdict


def test_a_lost_creation(root, place):
    arguments = {"path": "sub/a.txt", "content": "new"}
    effects = write.plan(arguments, place)
    assert write.reconcile(arguments, effects, place) is Reconciled.NOT_APPLIED
    call(write, place, planned=effects, **arguments)
    assert write.reconcile(arguments, effects, place) is Reconciled.APPLIED


def test_what_is_the_same_already_is_not_written(root, place):
    (root / "a.txt").write_text("same")
    before = (root / "a.txt").stat()
    call(write, place, path="a.txt", content="same")
    assert (root / "a.txt").stat() == before


async def test_a_cancelled_write_is_done_or_not_when_the_call_returns(root, place, monkeypatch):
    real, begun = changing.Files.apply, threading.Event()

    def slow(self, wanted):
        begun.set()
        time.sleep(0.2)
        real(self, wanted)

    monkeypatch.setattr(changing.Files, "apply", slow)
    task = asyncio.create_task(write.run(Invocation("call", {"path": "a.txt", "content": "new"}, place)))
    assert await asyncio.to_thread(begun.wait, 40)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (root / "a.txt").read_text() == "new"


def test_a_root_that_is_gone(tmp_path):
    with pytest.raises(ToolError, match="does not exist any more"):
        call(read, workplace(tmp_path / "gone"), path="a.txt")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (read, {}),
        (read, {"path": ""}),
        (read, {"path": 5}),
        (read, {"path": "a", "offset": 0}),
        (read, {"path": "a", "limit": "x"}),
        (read, {"path": "a", "file": "b"}),
        (write, {"path": "a"}),
        (edit, {"path": "a", "old_string": "", "new_string": "b"}),
    ],
    ids=lambda value: value.name if isinstance(value, Tool) else str(value),
)
def test_arguments_are_checked(tool, arguments):
    with pytest.raises(InvalidArguments):
        tool.check(arguments)


# --- secrets and the server's own files


def test_another_name_of_a_secret_is_no_way_to_it(root, place):
    (root / ".env").write_text("KEY=secret")
    (root / "notes.txt").hardlink_to(root / ".env")
    (root / "twin.txt").write_text("two names, no secret")
    (root / "other.txt").hardlink_to(root / "twin.txt")
    with pytest.raises(ToolError, match="another name"):
        call(read, place, path="notes.txt")
    with pytest.raises(ToolError, match="another name"):
        call(edit, place, path="notes.txt", old_string="KEY", new_string="x")
    with pytest.raises(ToolError, match="another name"):
        write.preview({"path": "notes.txt", "content": "x"}, place)
    assert "two names" in call(read, place, path="other.txt")


def test_the_server_s_data_below_the_root_is_closed(settings, tmp_path):
    """A checkout of the server itself, with its data in it, is a directory like any other otherwise."""
    (tmp_path / "data" / "secret-key").write_text("key")
    (tmp_path / "alias").symlink_to("data")
    (tmp_path / "hard").hardlink_to(tmp_path / "data" / "secret-key")
    (tmp_path / "a.txt").write_text("a")
    place = workplace(tmp_path)
    for path in ("data/secret-key", "alias/secret-key", "hard", "data/../data/secret-key"):
        with pytest.raises(ToolError):
            call(read, place, path=path)
        with pytest.raises(ToolError):
            call(write, place, path=path, content="x")
    assert (tmp_path / "data" / "secret-key").read_text() == "key"
    assert call(read, place, path="a.txt").endswith("a")
    own = settings.PENGUIN_WORKSPACE / "mine"
    own.mkdir()
    call(write, workplace(own), path="a.txt", content="below the data directory, but the session's")
