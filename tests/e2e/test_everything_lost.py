"""The power fails: Postgres, web, worker and `serve` are gone at once. The next start answers all that was accepted."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from penguin_site import process_table
from penguin_site.embedded_postgres import cluster
from tests.e2e.answers import Asked, chat_clients
from tests.processes import can_connect, eventually, free_port
from tests.stack import KEY, MODEL, Process, clean_environment

START_SECONDS = 60


class Served:
    """`manage.py serve` on a data dir of its own, with the embedded Postgres."""

    def __init__(self, directory: Path, model: Process) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self._model = model
        self._port = free_port()
        self.process: Process | None = None

    def start(self) -> Process:
        env = {
            "PENGUIN_DATA_DIR": str(self.data_dir),
            "PENGUIN_PORT": str(self._port),
            "PENGUIN_API_KEYS": KEY,
            "PENGUIN_MODEL": MODEL,
            "PENGUIN_DEMO_ADS": "false",
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": f"{self._model.http}/v1",
        }
        log = self.directory / "serve.log"
        self.process = Process(
            "serve", "manage.py", "serve", log=log, env=clean_environment() | env, port=self._port
        )
        eventually(self._is_ready, seconds=START_SECONDS)
        return self.process

    def _is_ready(self) -> bool:
        assert self.process
        assert self.process.alive, self.process.output[-3000:]
        return can_connect(self._port)

    def pids(self) -> set[int]:
        """All processes of this installation."""
        served = process_table.marked_with(f"PENGUIN_SERVED_FROM={self.data_dir}")
        postgres = process_table.working_in(lambda path: path == cluster.directory_in(self.data_dir))
        own = {self.process.pid} if self.process and self.process.alive else set()
        return served | postgres | own

    def lose_everything(self) -> None:
        process_table.send(self.pids(), signal.SIGKILL)
        if self.process:
            self.process.process.wait()
        eventually(lambda: not self.pids())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    port = free_port()
    model = Process(
        "model", "-m", "tests.model_server", "--port", str(port),
        log=tmp_path / "model.log", env=clean_environment(), port=port,
    )  # fmt: skip
    eventually(lambda: can_connect(port), seconds=START_SECONDS)
    served = Served(tmp_path, model)
    try:
        yield served
    finally:
        served.lose_everything()
        model.kill()


async def test_what_was_accepted_is_answered_after_the_next_start(served: Served) -> None:
    web = served.start()
    async with chat_clients([web], 5) as clients:
        # In each conversation one answer flows and one message waits its turn.
        asked = [Asked(tokens=40, delay_ms=50) for _ in range(20)]
        answers = []
        for n, each in enumerate(asked):
            answers.append(await clients[n // 2 % 5].say(each.text, session_id=f"conversation-{n // 2}"))
        for n, answer in enumerate(answers):
            await clients[n // 2 % 5].until(answer.started)
        for n, answer in enumerate(answers[::2]):
            await clients[n % 5].until(answer.begun)
        served.lose_everything()
        served.start()
        for n, (each, answer) in enumerate(zip(asked, answers, strict=True)):
            await clients[n // 2 % 5].wait(answer, seconds=60)
            assert answer.complete
            assert answer.complete["status"] == "completed"
            assert answer.text == each.expected
