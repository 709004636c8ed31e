"""Both Python clients behind one way to call them, so that each test of behaviour is written once and run for both."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

from penguin_sdk import AsyncPenguinClient, PenguinClient

KINDS = ("blocking", "asyncio")


class Awaited:
    """The async client, its groups and its streams, called like the blocking ones, on one event loop."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target, self._runner = target, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return Awaited(found, self._runner) if type(found).__name__.startswith("Async") else found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            if inspect.isawaitable(result):
                return self._wait(result)
            return Awaited(result, self._runner) if hasattr(result, "__aiter__") else result

        return call

    def close(self) -> None:
        self._wait(self._target.aclose())

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self._wait(anext(self._target))
            except StopAsyncIteration:
                return

    def _wait(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        return self._runner.run(wait())


class Clients:
    """Makes clients of one kind, and closes them."""

    def __init__(self, kind: str) -> None:
        self._runner = asyncio.Runner() if kind == "asyncio" else None
        self._made: list[Any] = []

    def make(self, **options: Any) -> Any:
        runner = self._runner
        client = Awaited(AsyncPenguinClient(**options), runner) if runner else PenguinClient(**options)
        self._made.append(client)
        return client

    def signup(self, **fields: Any) -> Any:
        if self._runner:
            return self._runner.run(AsyncPenguinClient.signup(**fields))
        return PenguinClient.signup(**fields)

    def close(self) -> None:
        for client in self._made:
            client.close()
        if self._runner:
            self._runner.close()
