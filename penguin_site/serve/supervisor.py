"""Starts Postgres, the workers and the web; watches them; stops them in the reverse order of need."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from penguin_site.data_dir_owner import DataDirInUse, DataDirOwner
from penguin_site.embedded_postgres import EmbeddedPostgres, PostgresUnavailable
from penguin_site.serve import demo_ads, leases
from penguin_site.serve.children import Child, stop_leftovers
from penguin_site.serve.worker_slot import WorkerSlot

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
# Together with the workers' drain of 20 s everything ends within 30 s.
_WEB_STOP_SECONDS = 4.5
_DRAIN_MARGIN_SECONDS = 1.5
_POSTGRES_STOP_SECONDS = 3.0
_OLDEST_POSTGRES = 150_000


class CannotStart(Exception):
    """The text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run. `database_url` is empty for the embedded Postgres. Demo ads are for a marketplace without any."""

    host: str
    port: int
    url: str
    data_dir: Path
    manage: Path
    workers: int
    drain_seconds: int
    database_url: str
    loads_demo_ads: bool = False


class Supervisor:
    """`look()` is called a few times a second while all is well: it tells when the server answers."""

    def __init__(self, plan: Plan, *, look: Callable[[], None]) -> None:
        self._plan = plan
        self._look = look
        self._stop_asked = False
        self._database_url = plan.database_url
        self._postgres: EmbeddedPostgres | None = None
        self._preparation: Child | None = None
        self._web: Child | None = None
        self._demo: Child | None = None
        self._workers: list[WorkerSlot] = []

    def run(self) -> int:
        """Until SIGTERM or SIGINT: 0. 1 when something could not start or a part died that cannot be replaced."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number is signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._ask_to_stop)
        try:
            with _owner(self._plan) as owner:
                try:
                    self._start(owner)
                    return self._watch()
                finally:
                    self._stop()
        except (CannotStart, DataDirInUse, PostgresUnavailable) as error:
            logger.error("%s", error)
            return 1

    def _ask_to_stop(self, number: int, frame: object) -> None:
        if not self._stop_asked:
            logger.info("%s: stopping.", signal.Signals(number).name)
        self._stop_asked = True

    def _start(self, owner: DataDirOwner) -> None:
        _refuse_taken_port(self._plan.host, self._plan.port)
        if found := stop_leftovers(self._plan.data_dir):
            logger.warning("An earlier server had been killed; its processes %s are stopped now.", found)
        if self._plan.database_url:
            _refuse_unusable_database(self._plan.database_url)
        else:
            self._postgres = EmbeddedPostgres(owner)
            self._database_url = self._postgres.start()
        self._migrate()
        if self._stop_asked:
            return
        if self._postgres:
            # Nobody can have kept a lease: the database they are in was not running.
            leases.expire(self._database_url, worker=None)
        self._web = self._child("web", "web")
        self._workers = [self._worker(number) for number in range(1, self._plan.workers + 1)]
        if self._plan.loads_demo_ads and demo_ads.are_missing(self._database_url):
            self._demo = self._child("demo ads", demo_ads.COMMAND)

    def _migrate(self) -> None:
        migration = self._preparation = self._child(
            "migrate", "migrate --no-input --skip-checks --verbosity 0"
        )
        while migration.alive and not self._stop_asked:
            time.sleep(0.02)
        if not self._stop_asked and migration.process.returncode:
            raise CannotStart("The database could not be migrated: see above.")

    def _worker(self, number: int) -> WorkerSlot:
        return WorkerSlot(
            start_child=lambda worker_id: self._child(
                f"worker {number}", "worker", PENGUIN_WORKER_ID=worker_id
            ),
            free_runs=lambda worker_id: leases.expire(self._database_url, worker=worker_id),
        )

    def _child(self, name: str, command: str, **env: str) -> Child:
        env |= {
            "DATABASE_URL": self._database_url,
            "PENGUIN_HOST": self._plan.host,
            "PENGUIN_PORT": str(self._plan.port),
        }
        return Child(name, command, directory=self._plan.data_dir, manage=self._plan.manage, env=env)

    def _watch(self) -> int:
        while not self._stop_asked:
            if self._postgres and not self._postgres.alive:
                raise CannotStart("Postgres has ended: everything stops.")
            if self._web and not self._web.alive:
                raise CannotStart(f"The web process {self._web.end}: everything stops.")
            for slot in self._workers:
                slot.tend()
            self._look()
            time.sleep(_LOOK_SECONDS)
        return 0

    def _stop(self) -> None:
        if self._preparation:
            self._preparation.stop(seconds=1)
        if self._demo:
            self._demo.stop(seconds=1)
        if self._web:
            self._web.stop(seconds=_WEB_STOP_SECONDS)
        workers = [slot.child for slot in self._workers if slot.child]
        for worker in workers:
            worker.ask_to_stop()
        # Without its Postgres no worker can store an end, nor give anything back.
        drains = self._postgres is None or self._postgres.alive
        drain_seconds = self._plan.drain_seconds if drains else 0
        deadline = time.monotonic() + drain_seconds + _DRAIN_MARGIN_SECONDS
        for worker in workers:
            worker.stop(seconds=max(0.0, deadline - time.monotonic()))
        if self._postgres:
            self._postgres.stop(seconds=_POSTGRES_STOP_SECONDS)
        logger.info("Stopped.")


def _owner(plan: Plan) -> DataDirOwner:
    try:
        return DataDirOwner(plan.data_dir, plan.url)
    except OSError as error:
        raise CannotStart(f"The data dir {plan.data_dir} cannot be used: {error.strerror}.") from error


def _refuse_unusable_database(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        raise CannotStart(f"DATABASE_URL: {' '.join(str(error).split())}") from error
    if version < _OLDEST_POSTGRES:
        raise CannotStart(f"DATABASE_URL: Postgres {version // 10_000} is too old, 15 or newer is needed.")


def _refuse_taken_port(host: str, port: int) -> None:
    """Says it before anything is started. The web process finds out by itself when somebody is faster."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CannotStart(
            f"The server cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}."
        ) from error
