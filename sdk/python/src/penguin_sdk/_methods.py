"""Operations as methods: `get = blocking(_tasks.get_task)` has the parameters of the function, and returns its result.

So each operation is written once, and the two clients differ in how they wait.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from penguin_sdk._config import Config
from penguin_sdk._steps import Steps

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Protocol):
    def _run(self, steps: Steps[T]) -> T: ...


class Waiting(Protocol):
    async def _run(self, steps: Steps[T]) -> T: ...


class blocking(Generic[P, T]):
    def __init__(self, operation: Callable[P, Steps[T]]) -> None:
        self._operation = operation
        self.__doc__ = operation.__doc__

    def __get__(self, owner: Blocking | None, kind: Any = None) -> Callable[P, T]:
        operation = self._operation
        if owner is None:
            return operation  # type: ignore[return-value]  # for documentation

        @wraps(operation)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return owner._run(operation(*args, **kwargs))

        return method


class waiting(Generic[P, T]):
    def __init__(self, operation: Callable[P, Steps[T]]) -> None:
        self._operation = operation
        self.__doc__ = operation.__doc__

    def __get__(self, owner: Waiting | None, kind: Any = None) -> Callable[P, Coroutine[Any, Any, T]]:
        operation = self._operation
        if owner is None:
            return operation  # type: ignore[return-value]

        @wraps(operation)
        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await owner._run(operation(*args, **kwargs))

        return method


class Group:
    """Operations of a client under one name."""

    def __init__(self, run: Callable[[Steps[Any]], Any], config: Config) -> None:
        self._perform = run
        self._config = config

    def _run(self, steps: Steps[T]) -> T:
        result: T = self._perform(steps)
        return result


class AsyncGroup:
    """The same, to be awaited."""

    def __init__(self, run: Callable[[Steps[Any]], Coroutine[Any, Any, Any]], config: Config) -> None:
        self._perform = run
        self._config = config

    async def _run(self, steps: Steps[T]) -> T:
        result: T = await self._perform(steps)
        return result
