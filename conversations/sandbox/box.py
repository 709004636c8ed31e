"""What a command sees of the machine, as arguments of bubblewrap; our own `confine` understands the same."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conversations.sandbox.limits import Limits
from conversations.sandbox.protection import Protection

HOME = "/tmp/home"
BESIDE = f"{HOME}/beside"
_HERE = Path(__file__).resolve().parent
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "USER": "penguin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
# Of /etc: what programs need to start, and public certificates. Private keys stand beside those, so not all of `ssl`.
_ETC = (
    "alternatives", "crypto-policies", "ld.so.cache", "localtime", "mime.types", "pki/ca-trust/extracted",
    "pki/tls/cert.pem", "pki/tls/certs", "services", "ssl/certs", "ssl/openssl.cnf", "terminfo",
)  # fmt: skip
_BUBBLEWRAP_ALONE = (
    "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--die-with-parent", "--new-session",
    "--as-pid-1", "--clearenv", "--cap-drop", "ALL",
)  # fmt: skip
# The stand-in is a module of its own without a way to our code: it shall start fast and know nothing.
_CONFINE = "import sys; sys.path.insert(0, sys.argv.pop(1)); import launcher; sys.exit(launcher.main())"


@dataclass(frozen=True, slots=True)
class Box:
    """Where a command runs and what it may reach. `root` and `cwd` are resolved, `cwd` is in `root`."""

    root: Path
    cwd: Path
    network: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False  # the root is
    beside: Path | None = None  # a directory of ours, seen as BESIDE, that can be written


def bubblewrap() -> str | None:
    """The program, if it is installed."""
    return shutil.which("bwrap")


def bubblewrap_arguments(box: Box, protection: Protection, limits: Limits) -> list[str]:
    program = bubblewrap()
    if program is None:
        raise FileNotFoundError("bwrap")
    newer = [option for option in ("--disable-userns",) if option in _options(program)]
    return [
        program,
        *_BUBBLEWRAP_ALONE,
        *newer,
        *_view(box, protection, limits, "--size" in _options(program)),
    ]


def confine_arguments(box: Box, protection: Protection, limits: Limits) -> list[str]:
    program = [sys.executable, "-I", "-S", "-c", _CONFINE, str(_HERE / "confine")]
    return [*program, *_view(box, protection, limits, has_sizes=True)]


def _view(box: Box, protection: Protection, limits: Limits, has_sizes: bool) -> list[str]:
    size = ["--size", str(limits.temporary_bytes)] if has_sizes else []
    bind = "--ro-bind" if box.read_only else "--bind"
    view = [
        *_system(),
        *(["--share-net", *_name_service()] if box.network else []),
        # Where the server runs as root, the kernel's settings belong to the command's user.
        *["--proc", "/proc", "--remount-ro", "/proc"],
        *["--dev", "/dev", *size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"],
        # Before the root, which may lie below.
        *[*size, "--tmpfs", "/tmp", "--dir", HOME],
        *_bind(bind, box.root),
    ]
    for path in protection.pinned:
        view += _bind(bind, path)
    for path in protection.frozen:
        view += _bind("--ro-bind", path)
    for path in protection.masked:
        view += ["--tmpfs", str(path), "--remount-ro", str(path)]
    if box.beside:
        view += ["--bind", str(box.beside), BESIDE]
    for name, value in {**_ENVIRONMENT, **box.environment}.items():
        view += ["--setenv", name, value]
    return [*view, "--remount-ro", "/", "--chdir", str(box.cwd)]


def _bind(option: str, path: Path) -> list[str]:
    return [option, str(path), str(path)]


@functools.cache
def _system() -> Sequence[str]:
    """Programs, libraries and the little of /etc; the same for each command."""
    view = _bind("--ro-bind", Path("/usr"))
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = f"/{name}"
        if os.path.islink(path):
            view += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            view += ["--ro-bind", path, path]
    for name in _ETC:
        path = f"/etc/{name}"
        if os.path.exists(path):
            view += ["--ro-bind", os.path.realpath(path), path]
    for file in sorted((_HERE / "etc").iterdir()):
        view += ["--ro-bind", str(file), f"/etc/{file.name}"]
    return view


def _name_service() -> list[str]:
    path = os.path.realpath("/etc/resolv.conf")
    return ["--ro-bind", path, "/etc/resolv.conf"] if os.path.exists(path) else []


@functools.cache
def _options(program: str) -> str:
    """What this version of it understands."""
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False, env={}).stdout
