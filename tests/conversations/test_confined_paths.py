"""Where paths lead beneath a root: the same with `openat2` as without."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conversations import confined_files
from conversations.confined_files import beneath
from conversations.confined_files.tree import Kind, Tree
from penguin_site.errors import DomainError

DEEP = "/".join(["d"] * 60)


@pytest.fixture(params=["openat2", "walk"])
def opener(request, monkeypatch) -> str:
    if request.param == "walk":
        monkeypatch.setattr(beneath, "USE_OPENAT2", False)
    return request.param


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / DEEP).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary.txt").write_text("outside")
    for place in ("a.txt", "sub/b.txt", f"{DEEP}/c.txt", "new\nline.txt", "‮bidi.txt", "ä.txt"):
        (root / place).write_text("inside")
    for name, target in LINKS.items():
        (root / name).symlink_to(target.replace("ROOT", str(root)).replace("OUT", str(tmp_path / "outside")))
    for name in ("pipe", "sub/pipe"):
        os.mkfifo(root / name)
    return root


LINKS = {
    "inner": "sub/b.txt",
    "inner-folder": "sub",
    "chain": "inner",
    "sub/up-and-in": "../a.txt",
    "out": "../outside/canary.txt",
    "out-folder": "../outside",
    "out-and-in": "../root/a.txt",
    "absolute": "OUT/canary.txt",
    "absolute-in": "ROOT/a.txt",
    "loop": "loop",
    "loop-a": "loop-b",
    "loop-b": "loop-a",
    "dangling": "nothing.txt",
    "null": "/dev/null",
    "self": "/proc/self/cwd",
    "to-pipe": "pipe",
    "many-ups": "../" * 40 + "etc/passwd",
    "sub/out-chain": "../out-folder/canary.txt",
    "proc-fd": "/proc/self/fd/0",
}


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("a.txt", "a.txt"),
        ("./a.txt", "a.txt"),
        ("sub//b.txt", "sub/b.txt"),
        ("sub/./b.txt", "sub/b.txt"),
        ("sub/../a.txt", "a.txt"),
        ("ROOT/a.txt", "a.txt"),
        ("ROOT/sub/../a.txt", "a.txt"),
        ("inner", "sub/b.txt"),
        ("inner-folder/b.txt", "sub/b.txt"),
        ("inner-folder/../a.txt", "a.txt"),
        ("chain", "sub/b.txt"),
        ("sub/up-and-in", "a.txt"),
        (f"{DEEP}/c.txt", f"{DEEP}/c.txt"),
        ("new\nline.txt", "new\nline.txt"),
        ("‮bidi.txt", "‮bidi.txt"),
        ("ä.txt", "ä.txt"),
    ],
    ids=ascii,
)
def test_what_stays_inside_is_found_under_its_one_name(root, opener, path, resolved):
    with Tree(root) as tree:
        assert tree.resolve(path.replace("ROOT", str(root))).path == resolved
    assert confined_files.read_file(root, path.replace("ROOT", str(root)), most_bytes=100) == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/canary.txt",
        "sub/../../outside/canary.txt",
        "sub/../../root/a.txt",  # out and in again
        "ROOT/../outside/canary.txt",
        "ROOTx/a.txt",
        "/ROOT/a.txt",
        "OUT/canary.txt",
        "out",
        "out-folder/canary.txt",
        "out-and-in",
        "absolute",
        "absolute-in",
        "inner-folder/../../outside/canary.txt",
        "sub/out-chain",
        "many-ups",
        "loop",
        "loop-a",
        "loop/x",
        "dangling",
        "null",
        "self/a.txt",
        "proc-fd",
        "/proc/self/root/etc/passwd",
        "/proc/self/environ",
        "/dev/fd/0",
        "pipe",
        "to-pipe",
        "sub",
        ".",
        "",
        " ",
        "a.txt/",
        "a.txt/.",
        "a.txt/../a.txt",
        "a.txt/x",
        "missing/../a.txt",
        "a.txt\0.md",
        "\udcff.txt",
        "\ud800",
        "~/x",
        "x" * 256,
        "x/" * 129,
        "d/" * 2500,
        "..\\outside\\canary.txt",
        "%2e%2e/outside/canary.txt",
        "．．/outside/canary.txt",
        "file:///etc/passwd",
    ],
    ids=lambda path: ascii(path[:60]),
)
def test_nothing_else_is_read(root, opener, path, tmp_path):
    path = path.replace("ROOT", str(root)).replace("OUT", str(tmp_path / "outside"))
    if path.rstrip("/.") == "a.txt":  # a file is not a folder, but nothing is lost by being lenient
        assert confined_files.read_file(root, path, most_bytes=100) == b"inside"
        return
    with pytest.raises(DomainError) as error:
        confined_files.read_file(root, path, most_bytes=100)
    assert error.value.status in (400, 403, 404)


def test_a_resolved_name_does_not_follow_what_is_put_in_its_place(root, opener, tmp_path):
    with Tree(root) as tree:
        assert tree.resolve("sub/b.txt").path == "sub/b.txt"
        (root / "sub").rename(root / "away")
        (root / "sub").symlink_to(tmp_path / "outside")
        (tmp_path / "outside" / "b.txt").write_text("outside")
        with pytest.raises(DomainError):
            tree.read("sub/b.txt", most_bytes=100)
        (root / "a.txt").unlink()
        (root / "a.txt").symlink_to("away/b.txt")  # inside, but not what was resolved
        with pytest.raises(DomainError):
            tree.read("a.txt", most_bytes=100)


def test_a_socket_and_a_pipe_do_not_hang_the_reader(root, opener):
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(root)  # the path of a socket may be 107 bytes long
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        for name in ("socket", "pipe", "sub/pipe"):
            with pytest.raises(DomainError):
                confined_files.read_file(root, name, most_bytes=100)


def test_what_is_not_there_yet_is_resolved_as_far_as_it_exists(root, opener):
    with Tree(root) as tree:
        for path, resolved, missing in [
            ("new.txt", "new.txt", 1),
            ("inner-folder/x/new.txt", "sub/x/new.txt", 2),
            ("dangling", "nothing.txt", 1),
            (".", ".", 0),
        ]:
            found = tree.resolve(path)
            assert (found.path, found.missing) == (resolved, missing)


def test_links_on_the_way_are_told(root, opener):
    with Tree(root) as tree:
        assert tree.resolve("chain").links == ("chain", "inner")
        assert tree.resolve("inner-folder/up-and-in").links == ("inner-folder", "sub/up-and-in")


def test_a_file_is_read_up_to_the_limit(root, opener):
    assert confined_files.read_file(root, "a.txt", most_bytes=6) == b"inside"
    with pytest.raises(confined_files.FileTooLarge):
        confined_files.read_file(root, "a.txt", most_bytes=5)


def test_a_folder_lists_what_it_holds_and_nothing_is_followed(root, opener):
    (root / "sub" / "folder").mkdir()
    with open(os.fsencode(root / "sub") + b"/\xff", "w"):
        pass
    with Tree(root) as tree:
        entries = [(entry.path, entry.kind) for entry in tree.entries("sub")]
        walked = [entry.path for entry in tree.walk(".", skipped=lambda folder: folder.path == "d")]
        assert tree.entries(DEEP)[0].path == f"{DEEP}/c.txt"
    assert entries == [
        ("sub/b.txt", Kind.FILE),
        ("sub/folder", Kind.FOLDER),
        ("sub/out-chain", Kind.LINK),
        ("sub/pipe", Kind.OTHER),
        ("sub/up-and-in", Kind.LINK),
        ("sub/\udcff", Kind.FILE),
    ]
    assert "sub/folder" in walked and "d" in walked and "d/d" not in walked
    assert not any("canary" in path or path.startswith("inner-folder/") for path in walked)


def test_a_root_that_is_gone(tmp_path, opener):
    with pytest.raises(confined_files.FileMissing):
        confined_files.read_file(tmp_path / "gone", "a.txt", most_bytes=100)


MOUNTS = """
import os, subprocess, sys
from pathlib import Path
from conversations import confined_files
from conversations.confined_files import beneath
from penguin_site.errors import DomainError
beneath.USE_OPENAT2 = sys.argv[2] == "openat2" and beneath.USE_OPENAT2
root = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "none", root / "mounted"], check=True)
(root / "mounted" / "file.txt").write_text("on another file system")
for path in ("mounted/file.txt", "link/file.txt", "mounted/../a.txt"):
    try:
        confined_files.read_file(root, path, most_bytes=100)
    except DomainError as error:
        print(path, error.code)
print([file.path for file in confined_files.list_files(root, most=10)])
"""


def test_what_is_mounted_beneath_the_root_does_not_belong_to_it(tmp_path, opener):
    (tmp_path / "mounted").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "link").symlink_to("mounted")
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    result = subprocess.run(
        [*unshare, sys.executable, "-c", MOUNTS, str(tmp_path), opener],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.splitlines() == [
        "mounted/file.txt outside_root",
        "link/file.txt outside_root",
        "mounted/../a.txt outside_root",
        "['a.txt']",
    ], result.stderr
