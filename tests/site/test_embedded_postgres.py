"""The embedded Postgres survives what can happen to it and leaves nothing behind."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from penguin_site import process_table
from penguin_site.data_dir import DATABASE_URL_FILE, embedded_database_url
from penguin_site.data_dir_owner import DataDirInUse, DataDirOwner
from penguin_site.embedded_postgres import EmbeddedPostgres, binaries, cluster
from penguin_site.embedded_postgres.binaries import Identity, program
from tests.processes import ROOT, eventually

# Started with fsync: what is tested here includes the way back after a crash.
OWN_PROGRAM = """
import sys, time
from pathlib import Path
from penguin_site.data_dir_owner import DataDirOwner
from penguin_site.embedded_postgres import EmbeddedPostgres
owner = DataDirOwner(Path(sys.argv[1]), "http://127.0.0.1:1")
print(EmbeddedPostgres(owner).start(), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def made_once(tmp_path_factory) -> Path:
    """A data dir whose cluster is made: most tests begin with a copy, which is faster than initdb."""
    made = tmp_path_factory.mktemp("made")
    cluster.ensure(made)
    return made


@pytest.fixture
def empty_directory(tmp_path) -> Path:
    return tmp_path / "data dir with blanks"


@pytest.fixture
def directory(empty_directory, made_once) -> Path:
    return Path(shutil.copytree(made_once, empty_directory))


@pytest.fixture
def owner(directory):
    with DataDirOwner(directory, "a test") as owner:
        yield owner
        EmbeddedPostgres(owner).stop_leftover()
        assert processes_of(directory) == set()


def processes_of(directory: Path) -> set[int]:
    return process_table.working_in(lambda path: path.is_relative_to(directory))


def execute(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_start_write_stop_start_read(empty_directory):
    with DataDirOwner(empty_directory) as owner:
        postgres = EmbeddedPostgres(owner)
        url = postgres.start()
        assert embedded_database_url(empty_directory) == url
        execute(url, "CREATE TABLE kept AS SELECT 'ü'::text AS word")
        for name in (DATABASE_URL_FILE, "postgres-password"):
            assert stat.S_IMODE((empty_directory / name).stat().st_mode) == 0o600
        postgres.stop()
        assert embedded_database_url(empty_directory) == ""
        assert processes_of(empty_directory) == set()

        again = EmbeddedPostgres(owner)
        url = again.start()
        assert execute(url, "SELECT word, getdatabaseencoding() FROM kept") == [("ü", "UTF8")]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url.replace("penguin:", "penguin:wrong"), connect_timeout=5)
        again.stop()


def test_what_was_committed_survives_kill_9_of_postgres(owner, directory):
    postgres = EmbeddedPostgres(owner)
    url = postgres.start()
    execute(url, "CREATE TABLE kept AS SELECT 1 AS number")
    postgres.process.kill()
    postgres.process.wait()
    assert not postgres.alive
    # What is worse: the number in the file belongs to a living program by now.
    pid_file = cluster.directory_in(directory) / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    again = EmbeddedPostgres(owner)
    assert execute(again.start(), "SELECT number FROM kept") == [(1,)]
    again.stop()


def test_the_postgres_of_a_killed_owner_is_stopped_by_the_next_start(directory):
    killed = subprocess.Popen(
        [sys.executable, "-c", OWN_PROGRAM, str(directory)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    url = killed.stdout.readline().strip()
    execute(url, "CREATE TABLE kept AS SELECT 1 AS number")
    with pytest.raises(DataDirInUse, match=f"process {killed.pid}, http://127.0.0.1:1"):
        DataDirOwner(directory)
    assert execute(url, "SELECT number FROM kept") == [(1,)]  # the refused start has harmed nothing
    killed.kill()
    killed.communicate()
    left = processes_of(directory)
    assert left

    with DataDirOwner(directory) as owner:
        postgres = EmbeddedPostgres(owner)
        assert execute(postgres.start(), "SELECT number FROM kept") == [(1,)]
        assert not left & processes_of(directory)
        postgres.stop()
    assert processes_of(directory) == set()


def test_an_initdb_that_was_cut_short_leaves_nothing_that_matters(owner, directory):
    shutil.rmtree(cluster.directory_in(directory))
    unfinished = directory / "postgres.unfinished-12345678"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")
    (directory / "postgres.unfinished-12345678.password").write_text("secret")
    sleeper = subprocess.Popen(
        ["sleep", "600"], cwd=unfinished
    )  # stands for the initdb that still writes there

    postgres = EmbeddedPostgres(owner)
    assert execute(postgres.start(), "SELECT 1") == [(1,)]
    postgres.stop()
    assert sleeper.wait(40) == -signal.SIGKILL
    assert list(directory.glob("postgres.unfinished-*")) == []


def test_open_sessions_do_not_hold_up_the_stop(owner):
    postgres = EmbeddedPostgres(owner)
    with psycopg.connect(postgres.start(), autocommit=True) as connection:
        started = time.monotonic()
        postgres.stop(seconds=60)
        assert time.monotonic() - started < 50
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_postmaster_that_does_not_react_is_stopped_by_force(owner, directory):
    postgres = EmbeddedPostgres(owner)
    postgres.start()
    postgres.process.send_signal(signal.SIGSTOP)
    postgres.stop(seconds=0.5)
    assert processes_of(directory) == set()


def test_its_end_is_noticed(owner):
    postgres = EmbeddedPostgres(owner)
    assert execute(postgres.start(), "SHOW max_connections") == [("200",)]
    assert postgres.alive
    postgres.process.send_signal(signal.SIGINT)
    eventually(lambda: not postgres.alive)


def open_to_everybody(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


@pytest.fixture
def nobody(tmp_path) -> int:
    """The id of a user who may start Postgres in `tmp_path`."""
    if os.geteuid() != 0:
        pytest.skip("Only root can become somebody else; all other tests here ran as an ordinary user.")
    if not open_to_everybody(program("postgres").parent):
        pytest.skip(f"Other users may not enter {program('postgres').parent}.")
    for folder in tmp_path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    tmp_path.chmod(0o711)
    return 65534


def test_without_user_namespaces_root_runs_it_as_nobody(nobody, owner, monkeypatch):
    shutil.rmtree(cluster.directory_in(owner.directory))
    identity = Identity(ids={"user": nobody, "group": nobody})
    for module in ("cluster", "server"):
        monkeypatch.setattr(f"penguin_site.embedded_postgres.{module}.identity", lambda: identity)
    owner.directory.chmod(0o711)
    postgres = EmbeddedPostgres(owner)
    assert execute(postgres.start(), "SELECT 1") == [(1,)]
    assert Path(f"/proc/{postgres.process.pid}").stat().st_uid == nobody
    postgres.stop()


def test_an_ordinary_user_needs_nothing_special(nobody, empty_directory):
    directory = empty_directory
    directory.mkdir()
    os.chown(directory, nobody, nobody)
    reader, writer = os.pipe()
    child = os.fork()  # without exec: the interpreter itself may lie where that user cannot enter
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(nobody)
            os.setuid(nobody)
            binaries.identity.cache_clear()
            url = EmbeddedPostgres(DataDirOwner(directory)).start()
            os.write(writer, url.encode())
            time.sleep(600)
        finally:
            os._exit(1)
    os.close(writer)
    url = os.read(reader, 500).decode()  # empty when the child failed
    os.close(reader)
    try:
        assert execute(url, "SELECT 1") == [(1,)]
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in processes_of(directory)} == {nobody}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with DataDirOwner(directory) as owner:
            EmbeddedPostgres(owner).stop_leftover()
    assert processes_of(directory) == set()
