"""Starts and stops the embedded Postgres of a data dir."""

import os
import signal
import socket
import subprocess
import time

import psycopg

from penguin_site import data_dir, process_table
from penguin_site.data_dir_owner import DataDirOwner
from penguin_site.embedded_postgres import cluster
from penguin_site.embedded_postgres.binaries import PostgresUnavailable, environment, identity, program

DATABASE = "penguin"
_LOG_FILE = "postgres.log"
_LOG_KEPT_BYTES = 10 * 1024 * 1024
_READY_SECONDS = 60.0  # recovery after a crash reads the write-ahead log first
# Room for several webs and workers with 16 pooled connections each; memory is taken as it is used.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Fragments of answers are rows that live for seconds: clean up after them early.
    "autovacuum_naptime": "15s",
    # Neither the details of an error nor the statement reach the log: they hold what people wrote.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgres:
    """The Postgres of the data dir that `owner` holds. `settings` replace ours (the tests switch fsync off)."""

    def __init__(self, owner: DataDirOwner, *, settings: dict[str, str] | None = None) -> None:
        self.directory = owner.directory
        self.cluster = cluster.directory_in(owner.directory)
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = {**_SETTINGS, **(settings or {})}
        self._log = owner.directory / _LOG_FILE

    def start(self) -> str:
        """Starts Postgres, after a crash too, and returns the address, which other commands find in the data dir."""
        self.stop_leftover()
        cluster.ensure(self.directory)
        # Whoever wrote this is gone: `stop_leftover` has looked. Its pid may belong to any program by now,
        # and Postgres would then refuse to start.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        port = self._launch()
        secret = cluster.password(self.directory)
        address = f"postgresql://{cluster.SUPERUSER}:{secret}@127.0.0.1:{port}/{DATABASE}"
        try:
            self._ensure_database(port, secret)
        except psycopg.Error as error:
            self.stop()
            raise PostgresUnavailable(f"The embedded Postgres cannot be used: {error}") from error
        self._publish(address)
        return address

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, *, seconds: float = 10.0) -> None:
        """Ends all sessions and shuts down cleanly; by force when that takes longer than `seconds`."""
        (self.directory / data_dir.DATABASE_URL_FILE).unlink(missing_ok=True)
        self._end(seconds=seconds)
        if self.process:
            self.process.wait()
            self.process = None

    def stop_leftover(self) -> None:
        """Ends a Postgres that a killed process left running on this data dir."""
        (self.directory / data_dir.DATABASE_URL_FILE).unlink(missing_ok=True)
        self._end(seconds=10.0)

    def _launch(self) -> int:
        for _ in range(5):
            port = _free_port()
            self.process = self._spawn(port)
            if self._wait_ready():
                return port
            self.process.wait()  # most likely another program was faster on that port
        raise PostgresUnavailable(f"Postgres does not start. The end of {self._log}:\n{self._log_tail()}")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        options = [f"-c{name}={value}" for name, value in {**self._settings, "port": str(port)}.items()]
        command = [*identity().prefix, str(program("postgres")), "-D", str(self.cluster), *options]
        if self._log.exists() and self._log.stat().st_size > _LOG_KEPT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with open(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.cluster,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal reaches our process alone
                **identity().ids,
            )

    def _wait_ready(self) -> bool:
        """True when it takes connections; False when it ended instead."""
        deadline = time.monotonic() + _READY_SECONDS
        while self.process and self.process.poll() is None:
            try:
                lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) > 7 and lines[7].strip() == "ready":
                return True
            if time.monotonic() > deadline:
                self.stop()
                raise PostgresUnavailable(
                    f"Postgres is not ready after {_READY_SECONDS:.0f} s. The end of {self._log}:\n{self._log_tail()}"
                )
            time.sleep(0.02)
        return False

    def _ensure_database(self, port: int, secret: str) -> None:
        with psycopg.connect(
            host="127.0.0.1",
            port=port,
            user=cluster.SUPERUSER,
            password=secret,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _publish(self, address: str) -> None:
        draft = self.directory / f".{data_dir.DATABASE_URL_FILE}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(address)
        draft.replace(self.directory / data_dir.DATABASE_URL_FILE)

    def _end(self, *, seconds: float) -> None:
        """Fast shutdown of the postmaster, then an immediate one, then SIGKILL to whatever still works here.

        Each process of Postgres works in the cluster's directory and backends have sessions of their own, so the
        directory is what tells which processes are meant, not a process group.
        """
        for number, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0)):
            running = self._running()
            if not running:
                return
            postmaster = self._postmaster()
            only_postmaster = number is not signal.SIGKILL and postmaster in running
            process_table.send({postmaster} if only_postmaster and postmaster else running, number)
            process_table.wait_until(lambda: not self._running(), seconds=patience)
        if self._running():
            raise PostgresUnavailable(f"Processes {self._running()} use {self.cluster} and cannot be ended.")

    def _running(self) -> set[int]:
        if self.process:
            self.process.poll()  # so that it does not stay behind as a zombie
        return process_table.working_in(lambda path: path == self.cluster)

    def _postmaster(self) -> int | None:
        try:
            return int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _log_tail(self) -> str:
        try:
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-8:])
        except OSError:
            return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
