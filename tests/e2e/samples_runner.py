"""Runs the samples of the usage guide as a user does: the file as it is, with only the server's address changed."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

SAMPLES = Path(__file__).parent / "samples"
# As the samples have it; each test puts the address of its own server there.
PRINTED_ADDRESS = "127.0.0.1:9000"
SECONDS = 60

Ran = subprocess.CompletedProcess[str]
Replacing = Mapping[str, str]


def sample(name: str, address: str, folder: Path, replacing: Replacing) -> Path:
    """A copy of the sample that asks the server at `address`. What is replaced besides must stand in it."""
    text = (SAMPLES / name).read_text()
    for printed, ours in {PRINTED_ADDRESS: address, **replacing}.items():
        assert printed in text, f"{name} does not say {printed}."
        text = text.replace(printed, ours)
    copy = folder / name
    copy.write_text(text)
    return copy


def run_sample(name: str, address: str, folder: Path, replacing: Replacing | None = None) -> Ran:
    """The sample's output and exit code once it has ended."""
    command = [*_interpreter(name), str(sample(name, address, folder, replacing or {}))]
    return subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def run_until(
    line_start: str, name: str, address: str, folder: Path, replacing: Replacing | None = None
) -> str:
    """The output up to and including the line that begins so; for a sample that never ends by itself."""
    command = [*_node_with_websocket(), str(sample(name, address, folder, replacing or {}))]
    with subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        try:
            output = ""
            assert process.stdout
            assert process.stderr
            for line in process.stdout:
                output += line
                if line.startswith(line_start):
                    return output
            raise AssertionError(f"It ended without {line_start!r}: {output!r} {process.stderr.read()}")
        finally:
            watchdog.cancel()
            process.kill()


@dataclass(frozen=True, slots=True)
class Guide:
    """A reader of the guide: their folder, the two servers, and what they look up besides the samples."""

    folder: Path
    open_server: str
    server_with_keys: str
    workspace: Path

    def run(self, name: str, replacing: Replacing | None = None) -> Ran:
        return run_sample(name, self.open_server, self.folder, replacing)

    def run_with_keys(self, name: str, replacing: Replacing | None = None) -> Ran:
        return run_sample(name, self.server_with_keys, self.folder, replacing)

    def ask(self, method: str, path: str, body: object = None, *, status: int = 200, code: str = "") -> Any:
        """The JSON of the open server's answer, which has this status and, where it is an error, this code."""
        url = f"http://{self.open_server}/api/v1{path}"
        response = requests.request(method, url, json=body, timeout=30)
        assert response.status_code == status, response.text
        answer = response.json()
        if status >= 400:
            assert answer["detail"]
        if code:
            assert answer["code"] == code
        return answer

    def forget(self, session_id: str) -> None:
        """Deletes a conversation that another test may have made: the samples' ids are fixed."""
        url = f"http://{self.open_server}/api/v1/conversations/{session_id}"
        assert requests.delete(url, timeout=30).status_code in (200, 204, 404)


def _environment() -> dict[str, str]:
    """What a program needs to start, and no proxy on the way to this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def _interpreter(name: str) -> list[str]:
    match Path(name).suffix:
        case ".py":
            return [sys.executable]
        case ".sh":
            _need("curl")
            return ["sh"]
        case ".js":
            # A sample that uses the socket needs a Node that has it; the others run in any.
            return _node_with_websocket() if "WebSocket" in (SAMPLES / name).read_text() else [_need("node")]
        case ".java":
            return [_java()]
    raise ValueError(f"Nothing runs {name}.")


def _need(program: str) -> str:
    """The program; without it the test is skipped, but not where CI is set: there it has to be installed."""
    if path := shutil.which(program):
        return path
    reason = f"{program} is not installed (see apt-packages.txt)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set.")
    pytest.skip(reason)


@cache
def _version_of_node(node: str) -> tuple[int, ...]:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", answer))


def _node_with_websocket() -> list[str]:
    """Node 22 has WebSocket, Node 20 (from 20.10) behind a flag, older ones have none."""
    node = _need("node")
    version = _version_of_node(node)
    if version < (20, 10):
        pytest.skip(f"Node {version[0]} has no WebSocket of its own: 20.10 or newer is needed.")
    return [node] if version >= (22,) else [node, "--experimental-websocket"]


def _java() -> str:
    """Runs a source file. A JDK is some 200 MB, so it is asked for nowhere: these tests run where it is there."""
    java = shutil.which("java")
    if java is None:
        pytest.skip(
            "java is not installed; the Java sample runs where it is (a JDK is not in apt-packages.txt)."
        )
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False)
    if "jdk.compiler" not in modules.stdout:
        pytest.skip("java is installed without a compiler: running a source file needs a JDK.")
    return java
