"""What git says of the difference between two trees, read."""

import pytest

from tasks.core import tree_changes
from tasks.core.tree_changes import FileChange, UnreadableOutput, read_diff

A, B = "a" * 40, "b" * 40


def raw(letter: str, *paths: str) -> bytes:
    return (
        f":100644 100644 {A} {B} {letter}".encode()
        + b"".join(b"\0" + path.encode() for path in paths)
        + b"\0"
    )


@pytest.mark.parametrize(
    "stat, expected",
    [
        (b"", []),
        (raw("M", "f") + b"2\t1\tf\0", [FileChange("f", "modified", 2, 1)]),
        (raw("A", "new") + b"3\t0\tnew\0", [FileChange("new", "added", 3, 0)]),
        (raw("D", "old") + b"0\t3\told\0", [FileChange("old", "deleted", 0, 3)]),
        (raw("M", "pic") + b"-\t-\tpic\0", [FileChange("pic", "modified", None, None)]),
        (raw("T", "link") + b"1\t1\tlink\0", [FileChange("link", "type_changed", 1, 1)]),
        (raw("R086", "old", "new") + b"1\t2\t\0old\0new\0", [FileChange("new", "renamed", 1, 2, "old")]),
        # Names may be anything but NUL.
        (raw("A", "a\tb\nc:d") + b"1\t0\ta\tb\nc:d\0", [FileChange("a\tb\nc:d", "added", 1, 0)]),
        (raw("A", ":100644") + b"1\t0\t:100644\0", [FileChange(":100644", "added", 1, 0)]),
        (raw("A", "") [:-2] + b"\0\xff\xfe\0" + b"1\t0\t\xff\xfe\0", [FileChange("��", "added", 1, 0)]),
        (
            raw("M", "f") + raw("A", "g") + b"2\t1\tf\0" + b"1\t0\tg\0",
            [FileChange("f", "modified", 2, 1), FileChange("g", "added", 1, 0)],
        ),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_files(stat, expected):
    assert list(read_diff(stat, b"").files) == expected


@pytest.mark.parametrize("stat", [b":100644", raw("M", "f")[:-3], b"x\ty\tz\0", b"1\t2\t\0old", b"nothing\0"])
def test_what_git_does_not_write(stat):
    with pytest.raises(UnreadableOutput):
        read_diff(stat, b"")


def test_a_long_patch_ends_behind_a_whole_line_and_says_so():
    line = b"+" + b"x" * 99 + b"\n"
    diff = read_diff(raw("A", "f") + b"90000\t0\tf\0", line * 4_500)
    assert diff.truncated
    assert len(diff.text) <= tree_changes.MOST_CHARACTERS
    assert diff.text.endswith("x\n")
    assert diff.additions == 90_000
    assert not read_diff(b"", line * 3).truncated


def test_many_files_are_counted_and_the_first_ones_named():
    names = [f"f{number}" for number in range(1_500)]
    stat = b"".join(raw("A", name) for name in names) + b"".join(f"1\t0\t{name}\0".encode() for name in names)
    diff = read_diff(stat, b"")
    assert (len(diff.files), diff.files_changed, diff.additions, diff.truncated) == (
        1_000,
        1_500,
        1_500,
        True,
    )


def test_text_that_no_database_takes():
    assert read_diff(b"", b"+a\x00b\xff\n").text == "+a�b�\n"
