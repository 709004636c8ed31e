"""The SDK in a Node process, driven from a test: calls go in, values and typed errors come out."""

import json
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from tests.processes import eventually
from tests.sdk.typescript.package_build import need
from tests.stack import clean_environment

_DRIVER = Path(__file__).with_name("driver.mjs")
_SECONDS = 90


class SdkError(Exception):
    """What the SDK has raised: its class as `name`, and its fields."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(f"{fields['name']}: {fields['message']}")
        self.fields = fields
        self.name: str = fields["name"]

    def __getattr__(self, name: str) -> Any:
        return self.fields.get(name)


class Driver:
    def __init__(self, package: Path, *node_options: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [need("node"), *node_options, str(_DRIVER), (package / "dist/esm/index.js").as_uri()],
            env=clean_environment() | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: dict[str, Future[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def begin(self, command: str, **given: Any) -> Future[dict[str, Any]]:
        name = uuid4().hex
        future: Future[dict[str, Any]] = Future()
        self._answers[name] = future
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"id": name, "command": command, **given}) + "\n")
        self._process.stdin.flush()
        return future

    def do(self, command: str, **given: Any) -> Any:
        return value_of(self.begin(command, **given))

    def client(self, **config: Any) -> "Client":
        name = uuid4().hex
        self.do("client", name=name, config=config)
        return Client(self, name)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            answer = json.loads(line)
            self._answers.pop(answer["id"]).set_result(answer)
        for future in self._answers.values():
            future.set_exception(AssertionError("Node has ended."))


def value_of(future: Future[dict[str, Any]], *, seconds: float = _SECONDS) -> Any:
    answer = future.result(seconds)
    if "error" in answer:
        raise SdkError(answer["error"])
    return answer["value"]


class Client:
    """`client("chat.send", "hello")` calls `client.chat.send('hello')`."""

    def __init__(self, driver: Driver, name: str) -> None:
        self.driver, self.name = driver, name

    def __call__(self, path: str, *args: Any) -> Any:
        return value_of(self.begin(path, *args))

    def begin(self, path: str, *args: Any) -> Future[dict[str, Any]]:
        return self.driver.begin("call", client=self.name, path=path, args=args)

    def stream(self, part: str, *args: Any) -> "Stream":
        """`client.chat.stream(...)` or `client.tasks.stream(...)`, read by a `for await` loop."""
        key = uuid4().hex
        self.driver.do("stream", client=self.name, part=part, key=key, args=args)
        return Stream(self.driver, key)


class Stream:
    def __init__(self, driver: Driver, key: str) -> None:
        self.driver, self.key = driver, key
        self.events: list[dict[str, Any]] = []
        self.seen: dict[str, Any] = {}

    def look(self) -> Self:
        self.seen = self.driver.do("look", key=self.key, **{"from": len(self.events)})
        self.events += self.seen["events"]
        return self

    def until(self, condition: Callable[["Stream"], object], *, seconds: float = _SECONDS) -> Any:
        """The first true value of the condition on what has arrived."""
        return eventually(lambda: condition(self.look()), seconds=seconds)

    def find(self, event: str, **fields: Any) -> dict[str, Any]:
        """The data of the first such event, once it is there."""
        found: dict[str, Any] = self.until(lambda stream: next(iter(stream.all(event, **fields)), None))
        return found

    def all(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        of_kind = [each["data"] for each in self.events if each["event"] == event]
        return [data for data in of_kind if all(data.get(name) == value for name, value in fields.items())]

    def end(self) -> Self:
        """Waits for the end of the loop; raises what ended it."""
        self.until(lambda stream: stream.seen["isOver"])
        self.look()
        if self.seen["error"]:
            raise SdkError(self.seen["error"])
        return self

    def act(self, method: str, *args: Any) -> Any:
        return self.driver.do("act", key=self.key, method=method, args=args)
