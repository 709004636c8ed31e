"""The directory with the database files: made once, under another name until it is whole."""

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from penguin_site import data_dir, process_table
from penguin_site.embedded_postgres.binaries import PostgresUnavailable, environment, identity, program

SUPERUSER = "penguin"
_UNFINISHED = "postgres.unfinished-"


def directory_in(directory: Path) -> Path:
    return directory / "postgres"


def password(directory: Path) -> str:
    return data_dir.secret(directory, "postgres-password")


def ensure(directory: Path) -> Path:
    """The cluster of this data dir; makes it when there is none. The caller owns the data dir."""
    _remove_unfinished(directory)
    cluster = directory_in(directory)
    if not cluster.exists():
        draft = directory / f"{_UNFINISHED}{secrets.token_hex(4)}"
        draft.mkdir(mode=0o700)
        identity().hand_over(draft)
        try:
            _initdb(draft, password(directory))
            draft.rename(cluster)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return cluster


def _initdb(draft: Path, secret: str) -> None:
    secret_file = draft.with_name(f"{draft.name}.password")
    descriptor = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    identity().hand_over(secret_file)
    command = [
        *identity().prefix,
        *(str(program("initdb")), "--pgdata", str(draft), "--username", SUPERUSER),
        *("--pwfile", str(secret_file), "--auth=scram-sha-256"),
        *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"),
    ]
    try:
        # Its working directory marks it as ours: an initdb left by a killed process is found by it.
        result = subprocess.run(
            command,
            cwd=draft,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C is for our process
            **identity().ids,
        )
    except OSError as error:
        raise PostgresUnavailable(f"initdb cannot be run in {draft.parent}: {error.strerror}.") from error
    finally:
        secret_file.unlink()
    if result.returncode:
        raise PostgresUnavailable(
            f"initdb failed in {draft.parent}: {result.stderr.strip() or result.stdout.strip()}"
        )


def _remove_unfinished(directory: Path) -> None:
    def belongs(path: Path) -> bool:
        return path.parent == directory and path.name.startswith(_UNFINISHED)

    process_table.send(process_table.working_in(belongs), signal.SIGKILL)
    process_table.wait_until(lambda: not process_table.working_in(belongs), seconds=5)
    for leftover in directory.glob(f"{_UNFINISHED}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
