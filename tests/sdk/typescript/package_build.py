"""The TypeScript package, built and packed once for everybody who tests it."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.stack import clean_environment

PACKAGE = ROOT / "sdk/typescript"
_TOOLS = ("package-lock.json",)
_SOURCES = (*_TOOLS, "package.json", "tsconfig.json", "src", "scripts")
_SECONDS = 300


def need(program: str) -> str:
    """The program; without it the test is skipped, but not where CI is set: there it has to be installed."""
    if path := shutil.which(program):
        return path
    reason = f"{program} is not installed (see apt-packages.txt)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set.")
    pytest.skip(reason)


def build() -> Path:
    """The package's folder, with its tools in `node_modules` and what it publishes in `dist`."""
    need("node")
    with _only_one():
        _once(PACKAGE / "node_modules/.installed-from", _TOOLS, "ci", "--no-audit", "--no-fund")
        _once(PACKAGE / "dist/.built-from", _SOURCES, "run", "build")
    return PACKAGE


def _once(stamp: Path, sources: tuple[str, ...], *command: str) -> None:
    """Runs npm unless it has been done for these sources. The stamp is written last: half a build is none."""
    now = _digest(sources)
    if not stamp.exists() or stamp.read_text() != now:
        npm(*command)
        stamp.write_text(now)


def pack(folder: Path) -> Path:
    """Unpacks what would be published to `folder/node_modules/penguin-sdk`, as an installation does."""
    packed = json.loads(
        npm("pack", "--json", "--ignore-scripts", "--pack-destination", str(folder), cwd=build())
    )
    target = folder / "node_modules/penguin-sdk"
    target.parent.mkdir(parents=True)
    with tarfile.open(folder / packed[0]["filename"]) as archive:
        archive.extractall(folder, filter="data")
    (folder / "package").rename(target)
    return target


def npm(*arguments: str, cwd: Path = PACKAGE) -> str:
    return run(need("npm"), *arguments, cwd=cwd)


def run(*command: str, cwd: Path, **environment: str) -> str:
    """The output of a program that has to succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _digest(sources: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in sources:
        path = PACKAGE / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


@contextmanager
def _only_one() -> Iterator[None]:
    """Tests of several processes share the folder."""
    name = hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:16]
    with open(Path(tempfile.gettempdir()) / f"penguin-sdk-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
