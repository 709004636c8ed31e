"""One throw-away Postgres for a test run, started before Django's settings are read.

Loaded by `-p` (pyproject.toml): a conftest.py would come too late, as pytest-django reads the settings first. The
workers of pytest-xdist inherit the address; pytest-django gives each of them a database of its own.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from penguin_site.data_dir_owner import DataDirInUse, DataDirOwner
from penguin_site.embedded_postgres import EmbeddedPostgres

_PREFIX = "penguin-tests-"
# A test database lives for minutes: nothing of it has to survive a power cut.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Each test process may have several webs and workers at once, each with a pool.
_MANY = {"max_connections": "600"}
_stop = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _start()
    return (yield)


def pytest_unconfigure() -> None:
    global _stop
    if _stop:
        _stop()
        _stop = None


def _start() -> None:
    global _stop
    _remove_leftovers()
    for name in list(os.environ):
        # What the developer has set for a server of their own must not change a test.
        if name.startswith(("PENGUIN_", "OPENAI_", "ANTHROPIC_")) or name in ("DATABASE_URL", "REDIS_URL"):
            del os.environ[name]
    # Tests start a hundred processes of ours: where this is set, each of them would compile all modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    owner = DataDirOwner(directory, "a test run")
    postgres = EmbeddedPostgres(owner, settings=_FAST | _MANY)

    def stop() -> None:
        postgres.stop(seconds=3)
        owner.release()
        shutil.rmtree(directory, ignore_errors=True)

    try:
        os.environ["DATABASE_URL"] = postgres.start()
    except BaseException:
        stop()
        raise
    os.environ["PENGUIN_DATA_DIR"] = str(directory)
    _stop = stop


def _remove_leftovers() -> None:
    """What a test run that was killed has left: its Postgres and its files."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with DataDirOwner(directory) as owner:
                EmbeddedPostgres(owner).stop_leftover()
        except (DataDirInUse, PermissionError):
            continue  # another test run at work, or another user's
        shutil.rmtree(directory, ignore_errors=True)
