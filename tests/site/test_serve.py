"""`manage.py serve` as an operator meets it: start, trouble, stop. Each test finds a running server on one data dir."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests

from penguin_site import process_table
from penguin_site.data_dir import embedded_database_url
from tests.processes import Program, eventually, free_port
from tests.stack import clean_environment, drop_database, fresh_database

START_SECONDS = 60.0  # with every core busy


class Serve:
    """`serve` on a data dir of its own; `start` again after whatever a test has done to it."""

    def __init__(self, directory: Path, **env: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = (
            clean_environment()
            | {
                "PENGUIN_DATA_DIR": str(directory),
                "PENGUIN_PORT": str(self.port),
                "PENGUIN_DEMO_ADS": "false",
            }
            | env
        )
        self.starts = 0
        self.program: Program | None = None

    def start(self) -> None:
        self.starts += 1
        log = self.directory.with_name(f"{self.directory.name}-{self.starts}.log")
        self.program = Program("manage.py", "serve", log=log, env=self.env)
        eventually(lambda: "Penguin is ready" in self.output or not self.runs, seconds=START_SECONDS)
        assert self.runs, self.output

    @property
    def runs(self) -> bool:
        return self.program is not None and self.program.process.poll() is None

    @property
    def pid(self) -> int:
        return self.program.process.pid

    @property
    def output(self) -> str:
        return self.program.output

    def child(self, command: str) -> int:
        """The pid of `manage.py COMMAND`, 0 when there is none."""
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if command.encode() in words:
                return int(pid)
        return 0

    def left(self) -> set[int]:
        """All processes that this server has started, directly or not."""
        return process_table.marked_with(f"PENGUIN_SERVED_FROM={self.directory}") | process_table.working_in(
            lambda path: path.is_relative_to(self.directory)
        )

    def second(self, **env: str) -> Program:
        """Another `serve`, expected to end by itself."""
        log = self.directory.with_name(f"second-{time.monotonic_ns()}.log")
        other = Program("manage.py", "serve", log=log, env=self.env | env)
        other.process.wait(30)
        return other


@pytest.fixture(scope="module")
def the_server(tmp_path_factory) -> Iterator[Serve]:
    server = Serve(tmp_path_factory.mktemp("serve") / "data dir")
    yield server
    if server.runs:
        server.program.end()
    assert server.left() == set()


@pytest.fixture
def server(the_server) -> Serve:
    if not the_server.runs:
        the_server.start()
    return the_server


def test_the_banner_says_how_to_get_in(server):
    text = server.output
    link = re.search(r"chat page +(\S+)", text)[1]
    key = re.search(r"API key +(\S+)", text)[1]
    assert re.search(r"address +(\S+)", text)[1] == server.url
    assert f"{server.url}/api/docs" in text
    assert re.search(r"sandbox +(bubblewrap|landlock|none: no commands are run)\n", text)
    assert (
        requests.get(f"{server.url}/api/v1/health", timeout=40).json()["components"]["worker"]["alive"] == 1
    )
    assert requests.get(f"{server.url}/api/v1/conversations", timeout=40).status_code == 401
    assert requests.get(f"{server.url}/api/v1/conversations", headers={"X-API-Key": key}, timeout=40).ok
    assert requests.get(link, timeout=40, allow_redirects=False).status_code == 302
    assert requests.get(link, timeout=40, allow_redirects=False).status_code == 403


def test_each_part_has_a_process_group_of_its_own(server):
    parts = {server.pid, server.child("web"), server.child("worker")}
    assert {os.getpgid(pid) for pid in parts} == parts
    assert len(parts) == 3


def test_a_second_server_on_the_data_dir_is_refused_and_harms_nothing(server):
    second = server.second(PENGUIN_PORT=str(free_port()))
    assert second.process.returncode == 1
    assert f"in use by process {server.pid}, {server.url}" in second.output
    assert requests.get(f"{server.url}/api/v1/health", timeout=40).ok
    assert server.runs


def test_a_port_in_use_is_said_in_one_line(server, tmp_path):
    second = server.second(PENGUIN_DATA_DIR=str(tmp_path / "other"))
    assert second.process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in second.output
    assert "Traceback" not in second.output
    assert not (tmp_path / "other" / "postgres").exists()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (
            {"PENGUIN_WORKERS": "many"},
            "Unusable setting: PENGUIN_WORKERS must be a whole number, not 'many'.",
        ),
        (
            {"PENGUIN_AUTH_ENABLED": "false", "PENGUIN_HOST": "0.0.0.0"},
            "Unusable setting: PENGUIN_AUTH_ENABLED",
        ),
        ({"DATABASE_URL": "mysql://x/y"}, "Unusable setting: DATABASE_URL must start with postgresql://"),
    ],
)
def test_an_unusable_setting_ends_the_start_with_one_line(server, env, said):
    second = server.second(**env)
    assert second.process.returncode == 1
    assert second.output.startswith(said)
    assert second.output.count("\n") == 1


def test_a_database_that_cannot_be_reached_is_said_in_one_line(tmp_path):
    server = Serve(tmp_path / "data", DATABASE_URL=f"postgresql://penguin:pw@127.0.0.1:{free_port()}/penguin")
    second = server.second()
    assert second.process.returncode == 1
    assert re.search(r"DATABASE_URL: .*Connection refused", second.output)
    assert "Traceback" not in second.output
    assert "pw" not in second.output


def test_a_worker_that_dies_is_started_again_and_loses_its_lease_at_once(server):
    worker = eventually(lambda: server.child("worker"))
    worker_id = re.search(rb"PENGUIN_WORKER_ID=([0-9a-f-]+)", Path(f"/proc/{worker}/environ").read_bytes())[1]
    with psycopg.connect(embedded_database_url(server.directory), autocommit=True) as database:
        lease = "SELECT lease_expires_at > now() FROM worker WHERE id = %s"
        assert eventually(lambda: database.execute(lease, [worker_id.decode()]).fetchone()) == (True,)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: server.child("worker") not in (0, worker))
        eventually(lambda: database.execute(lease, [worker_id.decode()]).fetchone() != (True,), seconds=15)
    assert f"worker 1 (process {worker}) was ended by SIGKILL" in server.output


def test_after_kill_9_of_serve_the_next_one_takes_over(server):
    os.kill(server.child("worker"), signal.SIGSTOP)  # a part that does not hear of it
    with psycopg.connect(embedded_database_url(server.directory), autocommit=True) as database:
        database.execute("CREATE TABLE kept AS SELECT 1 AS number")
    server.program.process.kill()
    server.program.process.wait()
    left = server.left()
    assert left

    server.start()
    assert "An earlier server had been killed" in server.output
    assert not left & server.left()
    with psycopg.connect(embedded_database_url(server.directory), autocommit=True) as database:
        assert database.execute("SELECT number FROM kept").fetchone() == (1,)
        database.execute("DROP TABLE kept")


def test_when_postgres_dies_everything_stops_with_an_error(server):
    postmaster = (server.directory / "postgres" / "postmaster.pid").read_text().split()[0]
    os.kill(int(postmaster), signal.SIGKILL)
    assert server.program.process.wait(30) == 1
    assert "Postgres has ended" in server.output
    assert server.left() == set()


def test_when_the_web_dies_everything_stops_with_an_error_on_an_external_database_too(tmp_path):
    database = fresh_database(os.environ["DATABASE_URL"])
    server = Serve(tmp_path / "data", DATABASE_URL=database, PENGUIN_WORKERS="2")
    try:
        server.start()
        assert not (server.directory / "postgres").exists()
        assert len(re.findall(r"Worker \S+ is ready", server.output)) == 2
        os.kill(server.child("web"), signal.SIGKILL)
        assert server.program.process.wait(30) == 1
        assert "The web process was ended by SIGKILL" in server.output
        assert server.left() == set()
    finally:
        if server.runs:
            server.program.end()
        drop_database(database)


def test_sigterm_stops_everything_and_leaves_nothing(server):
    assert server.left()
    started = time.monotonic()
    assert server.program.end() == 0
    assert time.monotonic() - started < 30
    assert server.left() == set()
    assert embedded_database_url(server.directory) == ""
