"""A real redis-server for the tests that need one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.processes import can_connect, eventually, free_port


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of a fresh server. Without the program the test is skipped; where CI is set that is a failure."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed (apt-packages.txt)")
        pytest.skip("redis-server is not installed")
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: can_connect(port))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
