"""The stand on which everything is measured: a Postgres of its own with fsync on, and a stack of real processes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penguin_site.data_dir_owner import DataDirOwner
from penguin_site.embedded_postgres import EmbeddedPostgres
from tests.processes import ROOT
from tests.stack import Stack


@contextmanager
def stand(
    *,
    webs: int = 1,
    workers: int = 1,
    lease_seconds: int = 30,
    postgres: dict[str, str] | None = None,
    **settings: object,
) -> Iterator[Stack]:
    """A running stack; everything is gone afterwards. `postgres` are settings of the database server.

    Messages are moderated, as they are where nobody sets anything.
    """
    settings = {"PENGUIN_MODERATION": "flag", "PENGUIN_LEASE_SECONDS": lease_seconds} | settings
    with (
        tempfile.TemporaryDirectory(prefix="penguin-benchmark-") as name,
        _postgres(Path(name), postgres) as address,
    ):
        directory = Path(name) / "stack"
        directory.mkdir()
        with Stack(address, directory, **settings) as stack:
            try:
                yield stack.start(webs=webs, workers=workers)
            except BaseException:
                print(stack.logs(), file=sys.stderr)
                raise


@contextmanager
def _postgres(directory: Path, settings: dict[str, str] | None) -> Iterator[str]:
    data = directory / "postgres"
    data.mkdir()
    with DataDirOwner(data, "a benchmark") as owner:
        postgres = EmbeddedPostgres(owner, settings=settings)
        try:
            yield postgres.start()
        finally:
            postgres.stop()


def postgres_log(stack: Stack) -> Path:
    return stack.directory.parent / "postgres" / "postgres.log"


def in_process(module: str, *arguments: object, seconds: float = 300) -> Any:
    """The JSON that `python -m MODULE` prints: clients are measured from a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=seconds,
        check=True,
    )
    return json.loads(done.stdout)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
