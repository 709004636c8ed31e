"""Patches: read as models and git write them, applied exactly or not at all; and the diffs we write."""

import difflib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.core.diffs import shown_path, unified_diff
from conversations.core.patches import FilePatch, PatchMismatch, PatchSyntaxError, parse_patch

TEXT = "".join(f"line {n}\n" for n in range(1, 21))


def one(patch: str) -> FilePatch:
    (file,) = parse_patch(patch)
    return file


def applied(text: str, *hunks: str) -> str:
    return one("--- a/x\n+++ b/x\n" + "".join(hunks)).apply_to(text)


HUNK = "@@ -4,3 +4,4 @@\n line 4\n-line 5\n+five\n+and a half\n line 6\n"
PATCHED = TEXT.replace("line 5\n", "five\nand a half\n")


@pytest.mark.parametrize(
    "hunk",
    [
        HUNK,
        HUNK.replace("-4,3", "-9,3"),  # drifted
        HUNK.replace("-4,3", "-400,3"),
        HUNK.replace("-4,3", "-1,3"),
        HUNK.replace("-4,3 +4,4", "-4,7 +4,9"),  # counted too much
        HUNK.replace("-4,3 +4,4", "-4,1 +4,1"),  # too little
        HUNK.replace("-4,3 +4,4", "-4 +4"),
        HUNK.replace("@@ -4,3 +4,4 @@", "@@ -4,3 +4,4 @@ def function():"),
        HUNK.replace("@@ -4,3 +4,4 @@", "@@"),
        HUNK.replace("@@ -4,3 +4,4 @@", "@@ ... @@"),
        HUNK.replace("-4,3 +4,4", "-4,9 +4,9") + "\n\n",  # what follows is no context
        HUNK + "```\nThat should do it.\n",
        HUNK + "-- \n2.43.0\n",  # a mail's signature
        HUNK.rstrip("\n"),
        HUNK.replace("\n", "\r\n"),  # the patch came with other line ends
    ],
)
def test_a_hunk_is_found_by_its_lines(hunk):
    assert applied(TEXT, hunk) == PATCHED


def test_hunks_follow_the_drift_of_those_before_them():
    twice = TEXT + "same\n" * 3 + "mark\n" + "same\n" * 3
    moved = "new\n" * 5 + twice
    hunks = ["@@ -5 +5 @@\n-line 5\n+five\n", "@@ -26,2 +26,2 @@\n same\n-same\n+other\n"]
    assert applied(twice, *hunks).splitlines()[25:27] == ["same", "other"]
    assert applied(moved, *hunks).splitlines()[30:32] == ["same", "other"]


@pytest.mark.parametrize(
    ("text", "hunk", "message"),
    [
        (TEXT, "@@ -4,2 +4,2 @@\n line 4\n-line 55\n+x\n", "not in the file"),
        (TEXT, "@@ -4,2 +4,2 @@\n  line 4\n-line 5\n+x\n", "not in the file"),  # other indentation
        (TEXT, "@@ -4,2 +4,2 @@\n line 4\n-line 5 \n+x\n", "not in the file"),
        ("a\nb\na\nb\n", "@@ -9 +9 @@\n-b\n+c\n", r"several places \(lines 2 and 4"),
        ("a\nb\na\nb\n", "@@\n-b\n+c\n", "several places"),
        (TEXT, "@@ -30,0 +31 @@\n+x\n", "no context"),
        (TEXT, "@@\n+x\n", "no context"),
        ("ab\n", "@@ -1 +1 @@\n-b\n+c\n", "not in the file"),  # the end of a line is no line
        ("abc\n", "@@ -1 +1 @@\n-ab\n+c\n", "not in the file"),
        ("a\nb\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n", "not in the file"),
    ],
)
def test_what_does_not_fit_is_refused(text, hunk, message):
    with pytest.raises(PatchMismatch, match=message):
        applied(text, hunk)


def test_hunks_that_overlap_or_go_back_are_refused():
    later, earlier = "@@ -9 +9 @@\n-line 9\n+x\n", "@@ -2 +2 @@\n-line 2\n+y\n"
    with pytest.raises(PatchMismatch, match="hunk 2"):
        applied(TEXT, later, earlier)
    with pytest.raises(PatchMismatch, match="hunk 2"):
        applied(TEXT, later, later)


@pytest.mark.parametrize(
    ("text", "patched"),
    [
        ("a\r\nb\r\nc\r\n", "a\r\nB\r\nB2\r\nc\r\n"),
        ("a\r\nb\r\nc", "a\r\nB\r\nB2\r\nc"),
        ("a\nb\nc", "a\nB\nB2\nc"),
        ("a\nb\nc\n", "a\nB\nB2\nc\n"),
        ("a\nb\nc\r\n", None),  # of two minds: then only what is there counts
    ],
)
def test_a_file_keeps_its_line_ends(text, patched):
    hunk = "@@ -1,3 +1,4 @@\n a\n-b\n+B\n+B2\n c\n"
    if patched is None:
        with pytest.raises(PatchMismatch):
            applied(text, hunk)
    else:
        assert applied(text, hunk) == patched


@pytest.mark.parametrize(
    ("old", "new", "hunk"),
    [
        ("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        ("a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"),
        ("a", "b", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"),
        ("x\na", "y\na", "@@ -1,2 +1,2 @@\n-x\n+y\n a\n\\ No newline at end of file\n"),
        ("", "a\n", "@@ -0,0 +1 @@\n+a\n"),
        ("a\n", "", "@@ -1 +0,0 @@\n-a\n"),
        ("a\nc\n", "a\nb\nc\n", "@@ -1,0 +2 @@\n+b\n"),
        (
            "a\n\nc\n",
            "a\n\nb\nc\n",
            "@@ -1,3 +1,4 @@\n a\n\n+b\n c\n",
        ),  # an editor ate the blank of empty context
        ("--- x\n+++ y\n", "++ z\n+++ y\n", "@@ -1,2 +1,2 @@\n---- x\n+++ z\n +++ y\n"),
    ],
)
def test_ends_of_files_and_lines_that_look_like_heads(old, new, hunk):
    assert applied(old, hunk) == new


HEADS = [
    ("--- a/x.py\n+++ b/x.py\n", ("x.py", "x.py")),
    ("--- x.py\n+++ x.py\n", ("x.py", "x.py")),
    ("--- a/x.py\n+++ a/x.py\n", ("a/x.py", "a/x.py")),  # a folder that is called a
    ("--- x.py\t2024-01-01 00:00:00\n+++ x.py\t2024-01-02 00:00:00\n", ("x.py", "x.py")),
    ("--- a/with blank.py\n+++ b/with blank.py\n", ("with blank.py", "with blank.py")),
    ('--- "a/t\\303\\244b\\t.py"\n+++ "b/t\\303\\244b\\t.py"\n', ("täb\t.py", "täb\t.py")),
    ("diff --git a/x b/x\nindex 12..34 100644\n--- a/x\n+++ b/x\n", ("x", "x")),
    ("Here it is:\n\n```diff\n--- a/x\n+++ b/x\n", ("x", "x")),
    ("From 123\nSubject: x\n---\n x | 2 +-\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n", ("x", "x")),
    ("diff --git a/x b/y\nsimilarity index 90%\nrename from x\nrename to y\n--- a/x\n+++ b/y\n", ("x", "y")),
    ("--- a/x\r\n+++ b/x\r\n", ("x", "x")),
]


@pytest.mark.parametrize(("head", "names"), HEADS)
def test_names(head, names):
    file = one(head + HUNK)
    assert (file.old_path, file.new_path) == names
    assert file.apply_to(TEXT) == PATCHED


@pytest.mark.parametrize(
    ("patch", "names"),
    [
        ("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", (None, "x")),
        (
            "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n",
            (None, "x"),
        ),
        ("diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n", (None, "x")),
        ("diff --git a/x y b/x y\nnew file mode 100644\n", (None, "x y")),
        ("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", ("x", None)),
        ("diff --git a/x b/x\ndeleted file mode 100644\nindex e69de29..0000000\n", ("x", None)),
        ("diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n", ("x", "y")),
    ],
)
def test_files_are_created_deleted_and_renamed(patch, names):
    file = one(patch)
    assert (file.old_path, file.new_path) == names


def test_several_files():
    patch = "".join(head + HUNK for head, _ in HEADS if "\r" not in head)
    assert [(file.old_path, file.new_path) for file in parse_patch(patch)] == [
        names for head, names in HEADS if "\r" not in head
    ]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("", "no file"),
        ("just text", "no file"),
        ("*** Begin Patch\n*** Update File: x\n", "not a unified diff"),
        ("@@ -1 +1 @@\n-a\n+b\n", "without the names"),
        ("--- a/x\n+++ b/x\n", "no hunk"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n", "without lines"),
        ("--- a/x\n+++ b/y\n" + HUNK, "rename from"),
        ("--- /dev/null\n+++ /dev/null\n" + HUNK, "neither"),
        ("--- /dev/null\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "added lines only"),
        ("diff --git a/x b/x\n", "missing"),
        ("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", "chmod"),
        (
            "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc\n",
            "symbolic",
        ),
        ("diff --git a/x b/x\nGIT binary patch\n", "binary"),
        ("diff --git a/x b/x\nBinary files a/x and b/x differ\n", "binary"),
        ("diff --git a/x b/y\ncopy from x\ncopy to y\n", "copies"),
        ('--- "a/x\n+++ "b/x\n' + HUNK, "quoted"),
        ("--- \t\n+++ \t\n" + HUNK, "without a name"),
    ],
)
def test_what_is_no_patch_is_refused(patch, message):
    with pytest.raises(PatchSyntaxError, match=message):
        parse_patch(patch)


# --- properties

LINES = st.sampled_from(
    [
        "",
        " ",
        "a",
        "b",
        "-",
        "+",
        "--- a",
        "+++ b",
        "@@ -1 +1 @@",
        "\\ No newline",
        "\r",
        "x\r",
        "ä",
        "\x0b",
        "\u2028",
        "\x1c",
        "-- ",
    ]
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)


def lines_of(text: str) -> list[str]:
    """Not `splitlines`: it also splits at characters that end no line of a file."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS, st.integers(0, 4))
def test_what_difflib_finds_makes_the_second_text_of_the_first(old, new, context):
    pieces = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(lines_of(old), lines_of(new), "a/x", "b/x", n=context)
    ]
    if old == new:
        assert pieces == []
        return
    assert one("".join(pieces)).apply_to(old) == new


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS)
def test_our_own_diffs_too(old, new):
    if old != new:
        assert one(unified_diff(old, new, path="x")).apply_to(old) == new


@settings(max_examples=200, deadline=None)
@given(
    TEXTS,
    TEXTS,
    st.lists(st.sampled_from(["p", "q"]), min_size=1, max_size=9).map(lambda p: "".join(f"{x}\n" for x in p)),
)
def test_an_unambiguous_patch_survives_drift(old, new, before):
    """Lines that occur nowhere else are put in front: the patch applies behind them, or says that it is ambiguous."""
    if old == new or not old:
        return
    patch = one(unified_diff(old, new, path="x"))
    try:
        assert patch.apply_to(before + old) == before + new
    except PatchMismatch as error:
        assert "several places" in str(error) or "context" in str(error)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='-+ @\\\nadifgt/0123,\r"', max_size=200))
def test_any_text_is_a_patch_or_is_refused(patch):
    try:
        files = parse_patch(patch)
    except PatchSyntaxError:
        return
    for file in files:
        try:
            file.apply_to(TEXT)
        except PatchMismatch:
            pass


@pytest.mark.parametrize(
    ("text", "hunk"),
    [
        ("\n" * 1_000_000, "@@ -1,3 +1,3 @@\n" + " \n" * 100_000 + "-x\n"),
        ("a\n" * 500_000, "@@ -7 +7 @@\n" + " a\n" * 200_000 + "-b\n"),
        ("ab" * 500_000, "@@\n" + "-" + "ab" * 200_000 + "\n"),
    ],
    ids=["blank", "same", "long"],
)
def test_hostile_texts_take_no_time(text, hunk):
    began = time.process_time()  # other tests may have the processor meanwhile
    with pytest.raises(PatchMismatch):
        applied(text, hunk)
    assert time.process_time() - began < 5


# --- diffs


@pytest.mark.parametrize(
    ("old", "new", "diff"),
    [
        (None, "a\n", "diff --git a/x b/x\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n"),
        ("a\n", None, "diff --git a/x b/x\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"),
        (None, "", "diff --git a/x b/x\n--- /dev/null\n+++ b/x\n"),
        (
            TEXT,
            TEXT.replace("line 5\n", "five\n"),
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+five\n"
            " line 6\n line 7\n line 8\n",
        ),
    ],
    ids=["created", "deleted", "empty", "changed"],
)
def test_diffs(old, new, diff):
    assert unified_diff(old, new, path="x") == diff


def test_changes_far_from_each_other_are_two_hunks_and_near_ones_one():
    near = TEXT.replace("line 5\n", "x\n").replace("line 11\n", "y\n")
    far = TEXT.replace("line 5\n", "x\n").replace("line 14\n", "y\n")
    assert [unified_diff(TEXT, new, path="x").count("@@ -") for new in (near, far)] == [1, 2]


def test_a_diff_is_bounded_in_length_and_time():
    began = time.monotonic()
    old, new = "".join(f"{n}\n" for n in range(100_000)), "".join(f"{n}\n" for n in range(100_000, 0, -1))
    diff = unified_diff(old, new, path="x")
    assert len(diff) < 61_000 and diff.endswith("left out]\n")
    unified_diff("a\nb\n" * 900, "b\nc\na\n" * 300, path="x")
    assert time.monotonic() - began < 20
    assert len(unified_diff("", "x" * 1_000_000, path="x")) < 3_000


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a b/ä.txt", "a b/ä.txt"),
        ("new\nline", r'"new\nline"'),
        ("bidi\u202etxt.exe", r'"bidi\u202etxt.exe"'),
        ("esc\x1b[2J", r'"esc\x1b[2J"'),
        ('quo"te', r'"quo\"te"'),
        ("bytes\udcff", r'"bytes\udcff"'),
    ],
    ids=["plain", "newline", "bidi", "escape", "quote", "bytes"],
)
def test_names_show_as_what_they_are(path, shown):
    assert shown_path(path) == shown
