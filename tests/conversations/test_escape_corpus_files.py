"""A corpus of hostile paths, links and names against every file tool: nothing outside of the root is read or changed.

Outside lie canaries: their content must not stand in any result, error, preview or target, and they must be as before
afterwards. Secrets inside the root are canaries too. With `openat2` and without.
"""

import os
from pathlib import Path

import pytest

from conversations.confined_files import beneath
from conversations.tools.base import BlockingTool, ToolError, Workplace
from conversations.tools.files import EditFile, ReadFile, WriteFile
from conversations.tools.grep import GrepSearch
from conversations.tools.listing import FindFiles, ListFiles
from conversations.tools.patch import ApplyPatch
from tests.tool_calls import call, workplace

CANARY = "CANARY-7f3a"
# The second line of each canary: what calls say themselves is no leak, so they name the first line only.
TAIL = "TAIL-55c1"
TEXT = f"{CANARY}\n{TAIL}\n"

# Links in the root. OUT is the directory outside, ROOT the root, as absolute paths.
LINKS = {
    "l-file": "../outside/canary.txt",
    "l-folder": "../outside",
    "l-absolute-file": "OUT/canary.txt",
    "l-absolute-folder": "OUT",
    "l-absolute-inside": "ROOT/plain.txt",
    "l-to-slash": "/",
    "l-to-etc": "/etc",
    "l-to-proc": "/proc/self/root",
    "l-to-cwd": "/proc/self/cwd",
    "l-to-fd": "/proc/self/fd",
    "l-to-environ": "/proc/self/environ",
    "l-chain-1": "l-chain-2",
    "l-chain-2": "sub/l-chain-3",
    "sub/l-chain-3": "../l-chain-4",
    "l-chain-4": "../outside/canary.txt",
    "l-folder-chain": "sub/l-up",
    "sub/l-up": "../..",
    "l-up": "..",
    "l-out-and-in": "../root/plain.txt",
    "l-many-ups": "../" * 60 + "etc/passwd",
    "l-dots": "sub/../../outside/canary.txt",
    "l-slashes": ".//..///outside////canary.txt",
    "l-loop": "l-loop",
    "l-loop-a": "l-loop-b",
    "l-loop-b": "l-loop-a",
    "l-dangling-out": "../outside/new.txt",
    "l-dangling-folder": "../outside/new/file.txt",
    "l-self": ".",
    "l-secret": ".env",
    "l-secret-folder": ".ssh",
    "l-git": ".git",
    "l-device": "/dev/zero",
    "l-null": "/dev/null",
    "l-stdin": "/dev/stdin",
    "l-tty": "/dev/tty",
    "l-newline\n": "../outside/canary.txt",
    "l-bidi‮": "../outside/canary.txt",
    "l blank": "../outside/canary.txt",
    "-l-dash": "../outside/canary.txt",
    "l-deep/l": "../../outside",
}

# Paths as a model could send them. Those that are links alone stand in LINKS.
PATHS = [
    "../outside/canary.txt",
    "./../outside/canary.txt",
    "sub/../../outside/canary.txt",
    "sub/sub/../../../outside/canary.txt",
    "../root/../outside/canary.txt",
    "../root/plain.txt",
    "missing/../../outside/canary.txt",
    "..",
    "../",
    "../.",
    "../..",
    "../../../../../../../../../../etc/passwd",
    "../" * 200 + "etc/passwd",
    "OUT/canary.txt",
    "/OUT/canary.txt",
    "OUT/../outside/canary.txt",
    "ROOT/../outside/canary.txt",
    "ROOT/./../outside/canary.txt",
    "ROOT/sub/../../outside/canary.txt",
    "ROOT-neighbour/canary.txt",
    "ROOT/l-folder/canary.txt",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd/pyproject.toml",
    "/proc/1/root/etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/dev/fd/0",
    "/",
    "//",
    "l-folder/canary.txt",
    "l-folder/../outside/canary.txt",
    "l-absolute-folder/canary.txt",
    "l-to-slash/etc/passwd",
    "l-to-etc/passwd",
    "l-to-proc/etc/passwd",
    "l-to-cwd/pyproject.toml",
    "l-to-fd/0",
    "l-folder-chain/outside/canary.txt",
    "l-up/outside/canary.txt",
    "l-self/l-self/l-up/outside/canary.txt",
    "l-self/../outside/canary.txt",
    "l-deep/l/canary.txt",
    "l-loop/canary.txt",
    "l-secret-folder/id_ed25519",
    "l-git/config",
    "l-git/hooks/pre-commit",
    "l-folder/new.txt",
    "l-up/new.txt",
    "plain.txt/../../outside/canary.txt",
    "plain.txt/x",
    "pipe",
    "socket",
    ".env",
    "./.env",
    "sub/../.env",
    ".ENV",
    ".env ",
    ".ssh/id_ed25519",
    ".git/config",
    ".git/hooks/pre-commit",
    ".GIT/config",
    "sub/.git",
    "h-env",
    "a\0../outside/canary.txt",
    "../outside/canary.txt\0.md",
    "..\0/outside/canary.txt",
    "\0",
    "",
    " ",
    "..\\outside\\canary.txt",
    "..%2foutside%2fcanary.txt",
    "%2e%2e/outside/canary.txt",
    "．．/outside/canary.txt",
    "․․/outside/canary.txt",
    "..∕outside∕canary.txt",
    "..⁄outside⁄canary.txt",
    "\udcae\udcae/outside/canary.txt",
    "\ud800/../../outside/canary.txt",
    "\u202e../outside/canary.txt",
    "~/canary.txt",
    "~root/.bashrc",
    "$HOME/canary.txt",
    "$(cat ../outside/canary.txt)",
    "`cat ../outside/canary.txt`",
    "file:///OUT/canary.txt",
    "file://OUT/canary.txt",
    "C:\\outside\\canary.txt",
    "\\\\?\\OUT\\canary.txt",
    "../outside/canary.txt/",
    "../outside/canary.txt/.",
    "../outside//canary.txt",
    "..//outside/./canary.txt",
    "... /../../outside/canary.txt",
    "x/" * 300 + "../" * 301 + "outside/canary.txt",
    "sub/" + "x" * 300,
    "x" * 5000,
    "*/../../outside/canary.txt",
    "{..,sub}/outside/canary.txt",
    "[.][.]/outside/canary.txt",
    "-rf",
    "--help",
    "|cat ../outside/canary.txt",
]

HOSTILE = [*LINKS, *PATHS]
IDS = [f"{number}:{path[:40]!a}" for number, path in enumerate(HOSTILE)]


@pytest.fixture(params=["openat2", "walk"])
def _opener(request, monkeypatch) -> None:
    if request.param == "walk":
        monkeypatch.setattr(beneath, "USE_OPENAT2", False)


@pytest.fixture
def base(tmp_path: Path, _opener: None, monkeypatch) -> Path:
    """A root with all that is hostile in it, and the canaries around it."""
    base = tmp_path / "base"
    root = base / "root"
    for folder in ("sub/sub", ".ssh", ".git/hooks", "l-deep"):
        (root / folder).mkdir(parents=True)
    for folder in ("outside", "root-neighbour"):
        (base / folder).mkdir()
        (base / folder / "canary.txt").write_text(TEXT)
    for secret in (".env", ".ssh/id_ed25519", ".git/config", ".git/hooks/pre-commit"):
        (root / secret).write_text(TEXT)
    (root / "plain.txt").write_text("plain\n")
    (root / "sub" / "plain.txt").write_text("plain\n")
    (root / "h-env").hardlink_to(root / ".env")
    for name, target in LINKS.items():
        (root / name).symlink_to(named(target, base))
    os.mkfifo(root / "pipe")
    os.mknod(root / "socket", 0o140600)
    monkeypatch.setenv("PENGUIN_CANARY", CANARY)
    return base


def named(path: str, base: Path) -> str:
    return path.replace("OUT", str(base / "outside")).replace("ROOT", str(base / "root"))


def canaries(base: Path) -> dict[str, object]:
    """All that must not change: what is outside, and the protected files inside."""
    found: dict[str, object] = {}
    for path in sorted(base.rglob("*")):
        name = str(path.relative_to(base))
        if not name.startswith("root/") or name.removeprefix("root/").startswith(
            (".env", ".ssh", ".git", "h-env")
        ):
            found[name] = path.read_text() if path.is_file() and not path.is_symlink() else "folder"
    return found


def links(base: Path) -> dict[str, str]:
    return {name: os.readlink(base / "root" / name) for name in LINKS}


def tried(base: Path, tool: BlockingTool, **arguments: str) -> str:
    """Everything that a call tells: targets, preview, result or error."""
    place: Workplace = workplace(base / "root")
    told: list[str] = []
    for step in (
        lambda: tool.check(arguments),
        lambda: str(tool.targets(arguments, place)),
        lambda: tool.preview(arguments, place) or "",
        lambda: str(tool.plan(arguments, place)),
        lambda: call(tool, place, **arguments),
    ):
        try:
            told.append(str(step()))
        except ToolError as error:
            told.append(str(error))
    return "\n".join(told)


def check(base: Path, before: dict[str, object], told: str, *, may_tell: bool = False) -> None:
    assert canaries(base) == before
    assert may_tell or TAIL not in told
    assert "root:x:0:0" not in told


@pytest.mark.parametrize("path", HOSTILE, ids=IDS)
def test_no_file_tool_gets_out(base, path):
    """One test for all tools, so that what one of them left behind is there for the next."""
    path, before, linked = named(path, base), canaries(base), links(base)
    # git's own files may be read, not written.
    is_git = path.startswith((".git/", "l-git"))
    check(base, before, tried(base, ReadFile(), path=path), may_tell=is_git)
    check(base, before, tried(base, ListFiles(), path=path))
    check(base, before, tried(base, ListFiles(), pattern=path))
    check(base, before, tried(base, GrepSearch(), pattern="TAIL|root", path=path), may_tell=is_git)
    check(base, before, tried(base, GrepSearch(), pattern="TAIL|root", glob=path))
    check(base, before, tried(base, FindFiles(), glob=path))
    check(base, before, tried(base, FindFiles(), glob=f"{path}/*"))
    check(base, before, tried(base, EditFile(), path=path, old_string=CANARY, new_string="changed"))
    for patch in PATCHES:
        told = tried(base, ApplyPatch(), patch=patch.replace("PATH", path))
        check(base, before, told, may_tell=TAIL in patch)
    check(base, before, tried(base, WriteFile(), path=path, content="changed\n"))
    changed = {name for name, target in links(base).items() if target != linked[name]}
    assert not changed


PATCHES = [
    f"--- a/PATH\n+++ b/PATH\n@@ -1 +1 @@\n-{CANARY}\n+changed\n",
    f"--- PATH\n+++ PATH\n@@ -1 +1 @@\n-{CANARY}\n+changed\n",
    "--- /dev/null\n+++ b/PATH\n@@ -0,0 +1 @@\n+changed\n",
    f"--- a/PATH\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-{CANARY}\n-{TAIL}\n",
    "diff --git a/PATH b/stolen.txt\nrename from PATH\nrename to stolen.txt\n",
    "diff --git a/plain.txt b/PATH\nrename from plain.txt\nrename to PATH\n",
]


def test_searches_of_everything_stay_inside(base):
    before = canaries(base)
    for told in (
        tried(base, GrepSearch(), pattern="TAIL|root"),
        tried(base, GrepSearch(), pattern="(?i)tail", glob="**"),
        tried(base, FindFiles(), glob="**"),
        tried(base, FindFiles(), glob="**/canary.txt"),
        tried(base, ListFiles()),
    ):
        check(base, before, told)
        assert "outside" not in told


def test_the_corpus_would_notice(base):
    """Without confinement the same calls reach the canaries: the corpus is not vacuous."""
    reached = 0
    for path in HOSTILE:
        try:
            full = os.path.join(base / "root", named(path, base))
            if os.path.isfile(full) and CANARY in Path(full).read_text():
                reached += 1
        except (ValueError, OSError, UnicodeError):
            continue
    assert len(HOSTILE) > 120
    assert reached > 40
