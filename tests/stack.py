"""Penguin as it really runs: web and worker processes, a scripted model server and, if wanted, Redis, on one database.

Each stack has a fresh database, copied from a template that is migrated once per Postgres server, and a data dir of
its own. Nothing of it is left running when it ends. Tests use it with the tests' Postgres, benchmarks with their own.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import redis
from psycopg import sql

from tests.processes import ROOT, Program, can_connect, eventually, free_port

KEY = "key-of-the-local-owner"
MODEL = "openai-chat:scripted"
# Short, so that a lost worker is soon noticed; long enough for a worker on a machine that is busy with other tests.
LEASE_SECONDS = "3"
_TEMPLATE = "penguin_template"
# Any number: who makes the template holds the lock of this key.
_TEMPLATE_LOCK = 7_346_101
_START_SECONDS = 40.0  # with every core busy


def address_of(postgres_url: str, database: str) -> str:
    return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{database}"))


def fresh_database(postgres_url: str) -> str:
    """The address of a new, migrated database on the server behind `postgres_url`."""
    name = f"stack_{uuid4().hex[:12]}"
    template = migrated_template(postgres_url)
    with psycopg.connect(address_of(postgres_url, "postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template)))
        )
    return address_of(postgres_url, name)


def migrated_template(postgres_url: str) -> str:
    """The name of a database to copy, made when it is first asked for: copying is much faster than migrating."""
    with psycopg.connect(address_of(postgres_url, "postgres"), autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_TEMPLATE]).fetchone():
            _make_template(admin, postgres_url)
    return _TEMPLATE


def _make_template(admin: psycopg.Connection[Any], postgres_url: str) -> None:
    draft = f"{_TEMPLATE}_draft"
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft)))
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        cwd=ROOT,
        env=clean_environment() | {"DATABASE_URL": address_of(postgres_url, draft)},
        check=True,
    )
    admin.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(_TEMPLATE))
    )


def drop_database(url: str) -> None:
    parts = urlsplit(url)
    with psycopg.connect(address_of(url, "postgres"), autocommit=True) as admin:
        name = sql.Identifier(parts.path.lstrip("/"))
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def clean_environment() -> dict[str, str]:
    """Ours without what configures a server or a test run."""
    prefixes = ("PENGUIN_", "OPENAI_", "ANTHROPIC_", "PYTEST_")
    names = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(prefixes) and name not in names
    }


class Process(Program):
    """One process of a stack. `command` is what starts it again."""

    def __init__(self, name: str, *command: str, log: Path, env: dict[str, str], port: int = 0) -> None:
        super().__init__(*command, log=log, env=env)
        self.name = name
        self.port = port

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/chat/stream"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory runs out: the process does nothing more."""
        self.process.kill()
        self.process.wait()


class Stack:
    """`with Stack(...) as stack: stack.start(webs=2, workers=2)`. Settings are those of the environment, by name."""

    def __init__(
        self, postgres_url: str, directory: Path, *, redis: bool = False, **settings: object
    ) -> None:
        self.directory = directory
        self.database_url = fresh_database(postgres_url)
        self.webs: list[Process] = []
        self.workers: list[Process] = []
        self.model: Process | None = None
        self.redis: RedisServer | None = RedisServer(directory) if redis else None
        self._settings = {name: str(value) for name, value in settings.items()}
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # Processes

    def start(self, *, webs: int = 1, workers: int = 1) -> Self:
        """Starts everything side by side and waits until all of it serves."""
        if self.model is None:
            self.model = self._start("model", "-m", "tests.model_server", port=free_port())
        if self.redis:
            self.redis.start()
        for _ in range(webs):
            self.start_web(wait=False)
        for _ in range(workers):
            self.start_worker(wait=False)
        self._wait(self.model, lambda: can_connect(self.model.port))
        return self.wait()

    def wait(self) -> Self:
        """Until all webs and workers serve."""
        for web in self.webs:
            self._wait(web, lambda web=web: self._serves(web))
        for worker in self.workers:
            self.wait_worker(worker)
        return self

    def start_web(self, *, port: int = 0, wait: bool = True) -> Process:
        web = self._start("web", "manage.py", "web", port=port or free_port())
        self.webs.append(web)
        if wait:
            self._wait(web, lambda: self._serves(web))
        return web

    def start_worker(self, *, wait: bool = True, **settings: object) -> Process:
        """One more worker; `settings` are for it alone."""
        worker = self._start("worker", "manage.py", "worker", **settings)
        self.workers.append(worker)
        if wait:
            self.wait_worker(worker)
        return worker

    def wait_worker(self, worker: Process) -> None:
        self._wait(worker, lambda: self.sql("SELECT 1 FROM worker WHERE process_id = %s", worker.pid))

    def kill(self, process: Process) -> None:
        """SIGKILL to one web or worker, and off the list."""
        process.kill()
        self.forget(process)

    def forget(self, process: Process) -> None:
        """Off the list: it was ended otherwise."""
        for group in (self.webs, self.workers):
            if process in group:
                group.remove(process)

    def mend(self, *, webs: int, workers: int) -> Self:
        """Starts what is missing."""
        for process in [*self.webs, *self.workers]:
            if not process.alive:
                self.forget(process)
        return self.start(webs=max(webs - len(self.webs), 0), workers=max(workers - len(self.workers), 0))

    def busiest_worker(self) -> Process:
        """The worker that holds most runs."""
        statement = (
            "SELECT process_id FROM worker JOIN run ON run.lease_owner = worker.id"
            " GROUP BY process_id ORDER BY count(*) DESC LIMIT 1"
        )
        ((pid,),) = self.sql(statement)
        return next(worker for worker in self.workers if worker.pid == pid)

    def worker_of(self, run_id: str) -> Process:
        """The worker that holds this run's lease."""
        statement = "SELECT process_id FROM worker JOIN run ON run.lease_owner = worker.id WHERE run.id = %s"
        ((pid,),) = self.sql(statement, run_id)
        return next(worker for worker in self.workers if worker.pid == pid)

    def stop(self) -> None:
        """Ends all of it, at once, and drops the database."""
        processes = [*self.webs, *self.workers, *([self.model] if self.model else [])]
        for process in processes:
            process.process.send_signal(signal.SIGCONT)
            process.process.kill()
        for process in processes:
            process.process.wait()
        self.webs, self.workers, self.model = [], [], None
        if self.redis:
            self.redis.kill()
        drop_database(self.database_url)

    def _start(self, name: str, *command: str, port: int = 0, **settings: object) -> Process:
        self._started += 1
        if name == "model":
            command = (*command, "--port", str(port))
        log = self.directory / f"{self._started:02}-{name}.log"
        env = self.environment(port) | {name: str(value) for name, value in settings.items()}
        return Process(name, *command, log=log, env=env, port=port)

    def environment(self, port: int = 0) -> dict[str, str]:
        """Of a process that belongs to this stack; `port` is where it listens."""
        return {
            **clean_environment(),
            "DATABASE_URL": self.database_url,
            "PENGUIN_DATA_DIR": str(self.directory / "data"),
            "PENGUIN_PORT": str(port or 9000),
            "PENGUIN_API_KEYS": KEY,
            "PENGUIN_MODEL": MODEL,
            "PENGUIN_LEASE_SECONDS": LEASE_SECONDS,
            # Workers would load a model that compares texts; tests of moderation switch it on.
            "PENGUIN_MODERATION": "off",
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": f"{self.model.http}/v1" if self.model else "",
            "REDIS_URL": self.redis.url if self.redis else "",
            **self._settings,
        }

    def _serves(self, web: Process) -> bool:
        if not can_connect(web.port):
            return False
        try:
            self.request("GET", "/api/v1/models", web=web)
        except OSError:
            return False
        return True

    def _wait(self, process: Process, is_ready: Any) -> None:
        def ready_or_dead() -> object:
            assert process.alive, f"{process.name} has ended:\n{process.output[-3000:]}"
            return is_ready()

        eventually(ready_or_dead, seconds=_START_SECONDS)

    # What tests and benchmarks ask

    def request(
        self, method: str, path: str, body: object = None, *, web: Process | None = None, seconds: float = 60
    ) -> tuple[int, Any]:
        """(status, JSON) of a REST request with the owner's key; OSError when there is no answer."""
        request = urllib.request.Request(
            f"{(web or self.webs[0]).http}{path}",
            None if body is None else json.dumps(body).encode(),
            {"X-API-Key": KEY, "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def model_requests(self, contains: str = "") -> list[dict[str, Any]]:
        """What the model server was asked, with the outcome of each request."""
        assert self.model
        with urllib.request.urlopen(f"{self.model.http}/__requests?contains={quote(contains)}") as response:
            found: list[dict[str, Any]] = json.loads(response.read())
            return found

    def release(self, hold: str) -> None:
        """Lets the answers go on whose script says `[[hold=...]]`, now and later."""
        assert self.model
        urllib.request.urlopen(f"{self.model.http}/__release/{quote(hold)}", data=b"").close()

    def sql(self, statement: str, *parameters: object) -> Sequence[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def logs(self, *, most: int = 4000) -> str:
        """The end of what each process has written."""
        texts = []
        for log in sorted(self.directory.glob("*.log")):
            if text := log.read_text(errors="replace")[-most:]:
                texts.append(f"--- {log.name}\n{text}")
        return "\n".join(texts)


class RedisServer:
    """A real redis-server that keeps nothing; it can be killed and started again on its port."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._log = directory / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        if self._process:
            return
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    "redis-server",
                    "--port",
                    str(self.port),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ],
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(lambda: can_connect(self.port), seconds=_START_SECONDS)

    def commands(self) -> dict[str, int]:
        """How often each command was called since the start."""
        with redis.Redis.from_url(self.url) as client:
            stats: Any = client.info("commandstats")
        return defaultdict(
            int, {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}
        )

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
