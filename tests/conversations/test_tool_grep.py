"""grep_search, find_files, list_files: what is found, what is left out, and that they end in time."""

import os
import threading
import time
from pathlib import Path

import pytest

from conversations.tools import grep, listing
from conversations.tools.base import InvalidArguments, ToolError, Workplace
from conversations.tools.grep import GrepSearch
from conversations.tools.listing import FindFiles, ListFiles
from tests.tool_calls import call, workplace

search, find, show = GrepSearch(), FindFiles(), ListFiles()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for path, text in FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    (root / "image.png").write_bytes(b"\x89PNG\0needle\n")
    (root / "latin1.txt").write_bytes(b"caf\xe9 needle\n")
    (root / "link.txt").symlink_to("a.txt")
    (root / "linked").symlink_to("src")
    (root / "twin.txt").hardlink_to(root / ".env")
    os.mkfifo(root / "pipe")
    with open(os.fsencode(root) + b"/\xff.txt", "wb") as odd:
        odd.write(b"needle in a strange name\n")
    return root


FILES = {
    "a.txt": "first\nneedle here\r\nNeedle there\n",
    "src/app.py": "def needle():\n    return 1\n",
    "src/web/app.ts": "let needle = 1\n",
    "src/web/deep/x.tsx": "needle\n",
    "src/new\nline.txt": "needle\n",
    "node_modules/lib/index.js": "needle\n",
    ".git/config": "needle\n",
    ".venv/lib/x.py": "needle\n",
    "__pycache__/x.py": "needle\n",
    ".env": "needle=secret\n",
    ".ssh/id_rsa": "needle\n",
    "keys/server.pem": "needle\n",
    ".github/ci.yml": "needle: yes\n",
    "private/plan.txt": "needle\n",
}


@pytest.fixture
def place(root: Path) -> Workplace:
    return workplace(root)


ALL = [
    ".github/ci.yml:1: needle: yes",
    "a.txt:2: needle here",
    "latin1.txt:1: caf\ufffd needle",
    "private/plan.txt:1: needle",
    "src/app.py:1: def needle():",
    '"src/new\\nline.txt":1: needle',
    "src/web/app.ts:1: let needle = 1",
    "src/web/deep/x.tsx:1: needle",
    '"\\udcff.txt":1: needle in a strange name',
    "(Not searched: .git, .venv, __pycache__, node_modules. Name one to search in it.)",
]


# --- grep_search


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({"pattern": "needle"}, ALL),
        ({"pattern": "^needle here$"}, ["a.txt:2: needle here", ALL[-1]]),  # not its CR
        ({"pattern": "NEEDLE h", "case_sensitive": False}, ["a.txt:2: needle here", ALL[-1]]),
        ({"pattern": r"^\s*return", "path": "src"}, ["src/app.py:2:     return 1"]),
        ({"pattern": "needle", "path": "src", "glob": "*.{ts,tsx}"}, ALL[6:8]),
        ({"pattern": "needle", "glob": "src/*.py"}, [ALL[4], ALL[-1]]),
        ({"pattern": "needle", "glob": "*/*.py"}, [ALL[4], ALL[-1]]),
        ({"pattern": "needle", "path": "a.txt"}, [ALL[1]]),
        ({"pattern": "needle", "path": "link.txt"}, [ALL[1]]),
        ({"pattern": "needle", "path": "linked/web"}, ALL[6:8]),
        ({"pattern": "needle", "path": "node_modules"}, ["node_modules/lib/index.js:1: needle"]),
        ({"pattern": "nothing like it"}, ["(No line fits.)", ALL[-1]]),
        ({"pattern": "first\\nneedle"}, ["(No line fits.)", ALL[-1]]),
        ({"pattern": r"(?<!let )needle", "path": "src/web"}, [ALL[7]]),
        ({"pattern": r"\Aneedle\Z", "path": "src/web"}, [ALL[7]]),
        ({"pattern": r"first(?!\s*needle)", "path": "a.txt"}, ["a.txt:1: first"]),  # a line sees itself alone
        ({"pattern": r"first\s*+$", "path": "a.txt"}, ["a.txt:1: first"]),
        ({"pattern": r"(?i)NEEDLE THERE", "path": "a.txt"}, ["a.txt:3: Needle there"]),
        ({"pattern": "", "path": "a.txt"}, None),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_lines_are_found(place, arguments, lines):
    if lines is None:
        with pytest.raises(InvalidArguments):
            call(search, place, **arguments)
    else:
        assert call(search, place, **arguments).splitlines() == lines


def test_what_a_rule_closes_is_left_out(root):
    place = workplace(root, closed=("private/**", "*.tsx"))
    text = call(search, place, pattern="needle") + call(find, place, glob="**") + call(show, place)
    assert "plan.txt" not in text and "x.tsx" not in text and "private" not in text
    assert "src/app.py:1" in text


@pytest.mark.parametrize("path", [".env", ".ssh", "keys/server.pem", ".ssh/id_rsa"])
def test_secrets_are_not_searched(place, path):
    with pytest.raises(ToolError, match="secrets"):
        call(search, place, pattern="needle", path=path)


def test_another_name_of_a_secret_is_not_searched(place):
    assert call(search, place, pattern="secret", path="twin.txt") == "(No line fits.)"


@pytest.mark.parametrize("path", ["../", "/etc", "missing", "a.txt/x"])
def test_where_there_is_nothing_to_search(place, path):
    with pytest.raises(ToolError):
        call(search, place, pattern="root", path=path)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{2,1}", "*", "(?P<a>", "\\", "(?<=a", "(?P<1>a)"])
def test_what_is_no_expression_is_told(place, pattern):
    with pytest.raises(InvalidArguments, match="not a regular expression"):
        call(search, place, pattern=pattern)


def test_long_lines_are_shown_around_the_place(root, place):
    (root / "min.js").write_text("x" * 5000 + "needle" + "y" * 5000)
    (line,) = call(search, place, pattern="needle", path="min.js").splitlines()
    assert (
        line.startswith("min.js:1: ...x") and "xneedley" in line and line.endswith("y...") and len(line) < 450
    )


def test_many_lines_are_counted(root, place):
    (root / "many.txt").write_text("needle\n" * 1234)
    lines = call(search, place, pattern="needle", path="many.txt").splitlines()
    assert (len(lines), lines[-1]) == (501, "(734 more)")


def test_large_files_are_left_out_and_told(root, place):
    (root / "large.txt").write_text("needle\n" * 700_000)
    assert (
        call(search, place, pattern="needle h").splitlines()[-1]
        == "(Not searched: 1 files of more than 4194304 bytes.)"
    )


CATASTROPHES = [
    ("(a|aa)+$", "a" * 60 + "!"),
    ("(a|aa)+$", "a" * 60 + "!\n" + "harmless\n" * 100),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 30_000),
    (r"(x+x+)+y", "x" * 5_000 + "z" + "y" * 10),
    (r"(\w+\s?)*$", "word " * 5_000 + "!"),
    (r"((a{1,1000}){1,1000}){1,1000}b", "a" * 5_000 + "cb"),
]


@pytest.mark.parametrize(("pattern", "text"), CATASTROPHES, ids=range(len(CATASTROPHES)))
def test_a_catastrophic_pattern_ends_and_leaves_the_others_running(root, place, pattern, text):
    (root / "slow.txt").write_text(text)
    ticks, stop = 0, threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.005):
            ticks += 1

    ticker = threading.Thread(target=tick)
    ticker.start()
    began = time.monotonic()
    try:
        with pytest.raises(ToolError, match=r"takes too long on a single line \(slow.txt:1\)"):
            call(search, place, pattern=pattern, path="slow.txt")
    finally:
        stop.set()
        ticker.join()
    took = time.monotonic() - began
    assert took < listing.SEARCH_SECONDS
    assert ticks > took / 0.005 / 50  # it did not hold the interpreter


def test_a_pattern_that_is_slow_on_every_line_ends_in_time(root, place, monkeypatch):
    monkeypatch.setattr(listing, "SEARCH_SECONDS", 0.5)
    (root / "slow.txt").write_text(("a" * 22 + "!\n") * 100_000)
    began = time.monotonic()
    assert "Stopped after" in call(search, place, pattern="(a|aa)+$", path="slow.txt").splitlines()[-1]
    assert time.monotonic() - began < 30


def test_a_large_tree_ends_in_time(root, place, monkeypatch):
    monkeypatch.setattr(listing, "SEARCH_SECONDS", 0.0)
    for tool, arguments in ((search, {"pattern": "needle"}), (find, {"glob": "*.py"})):
        assert "Stopped after" in call(tool, place, **arguments).splitlines()[-1]


EXPRESSIONS = (
    r"a$ ; ^b ; \s ; a\s*$ ; ^\s*b ; [^a]b ; a[^b]*$ ; \bb ; b\B ; ^$ ; (?s).b ; (?s)a.*c ; a(?!\sb) ; (?<!a)b ; "
    r"(?<=\n)b ; \Ab ; b\Z ; a++b ; \s*+b ; (?>\s*)b ; (a)?(?(1)b|c) ; a|^c ; (?m)^a ; (?r)a$ ; \n ; \Z ; x* ; "
    r"(?x)a b ; (?i)B$ ; (?|a|b)$"
)


def test_the_quick_look_at_whole_texts_misses_no_line():
    """Whatever the expression, what is nowhere in a text fits none of its lines."""
    texts = ["a\n\nb\n", "ab\nba", "\n", "", "a b\n c", "aa\nab\n\nbb"]
    for pattern in EXPRESSIONS.split(" ; "):
        expression = grep.Expression(pattern, case_sensitive=True)
        for text in texts:
            if any(expression.match(line) for line in text.split("\n")):
                assert not expression.is_nowhere_in(text), (pattern, text)


# --- find_files


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("*.py", ["src/app.py"]),
        ("**/*.py", ["src/app.py"]),
        ("src/**/*.{ts,tsx}", ["src/web/app.ts", "src/web/deep/x.tsx"]),
        ("src/*", ["src/app.py", '"src/new\\nline.txt"']),
        ("src/web/**", ["src/web/app.ts", "src/web/deep/x.tsx"]),
        ("linked/web/*.ts", ["src/web/app.ts"]),
        ("ROOT/src/*.py", ["src/app.py"]),
        ("a.tx?", ["a.txt"]),
        ("link.txt", ["link.txt"]),
        (".env", [".env  (protected)"]),
        ("keys/*", ["keys/server.pem  (protected)"]),
        ("node_modules/**/*.js", ["node_modules/lib/index.js"]),
        ("**/index.js", ["(No such file.)"]),
        ("*.[pt]y", ["(No such file.)"]),
    ],
)
def test_files_are_found_by_pattern(root, place, glob, paths):
    found = call(find, place, glob=glob.replace("ROOT", str(root))).splitlines()
    assert [line for line in found if not line.startswith("(Not searched")] == paths


@pytest.mark.parametrize(
    "glob", ["../*", "/etc/*", "/etc/passwd", "src/../../*", "missing/*.py", ".ssh/*", ".ssh/**"]
)
def test_patterns_that_lead_nowhere(place, glob):
    with pytest.raises(ToolError):
        call(find, place, glob=glob)


def test_a_way_up_behind_a_wildcard_finds_nothing(place):
    assert call(find, place, glob="*/../../*").splitlines()[0] == "(No such file.)"


def test_patterns_take_no_time(root, place):
    (root / ("a" * 250)).write_text("")
    began = time.monotonic()
    call(find, place, glob="*a" * 100 + "b")
    call(find, place, glob="**/" * 100 + "b")
    assert time.monotonic() - began < 30
    with pytest.raises(InvalidArguments, match="more than 64"):
        call(find, place, glob="{a,b}" * 7)


def test_many_files_are_counted(root, place):
    (root / "many").mkdir()
    for number in range(1010):
        (root / "many" / f"{number}.txt").write_text("")
    assert call(find, place, glob="many/*").splitlines()[-1] == "(10 more)"
    assert call(show, place, path="many").splitlines()[-1] == "(10 more)"


# --- list_files


def test_a_directory_is_listed(place):
    assert call(show, place).splitlines() == [
        ".env  (protected: file tools do not open it)",
        ".git/",
        ".github/",
        ".ssh/  (protected: file tools do not open it)",
        ".venv/",
        "__pycache__/",
        "a.txt  (32 bytes)",
        "image.png  (12 bytes)",
        "keys/",
        "latin1.txt  (12 bytes)",
        "link.txt  (symbolic link)",
        "linked  (symbolic link)",
        "node_modules/",
        "pipe  (no regular file)",
        "private/",
        "src/",
        "twin.txt  (14 bytes)",
        '"\\udcff.txt"  (25 bytes)',
    ]
    assert call(show, place, path="src", pattern="*.{py,ts}") == "src/app.py  (27 bytes)"
    assert call(show, place, path="linked/web").splitlines() == [
        "src/web/app.ts  (15 bytes)",
        "src/web/deep/",
    ]
    assert call(show, place, path="src", pattern="*.rs") == "(Nothing there.)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "a.txt"}, "no such directory"),
        ({"path": "missing"}, "no such directory"),
        ({"path": ".."}, "leads out"),
        ({"path": "/"}, "leads out"),
        ({"path": ".ssh"}, "secrets"),
        ({"pattern": "**/*.py"}, "find_files"),
        ({"pattern": "src/*"}, "find_files"),
    ],
)
def test_what_cannot_be_listed_is_told(place, arguments, message):
    with pytest.raises(ToolError, match=message):
        call(show, place, **arguments)
