"""Requests as values. What an operation does is a generator of steps; who drives it does the waiting, blocking or not.

An operation yields `Request` and is given the JSON of the answer, or the error. `performed` turns each request into
attempts and pauses, so the rules of repetition stand here once for both clients.
"""

import json
import time
from collections.abc import Generator, Mapping
from logging import getLogger
from random import random
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from penguin_sdk._checks import identifier
from penguin_sdk._config import Api, Config
from penguin_sdk._retry import pause_before, retry_after_seconds
from penguin_sdk.errors import APIRequestError, NetworkError, PenguinError, TimeoutError, ValidationError

T = TypeVar("T")
log = getLogger("penguin_sdk")


class Request(NamedTuple):
    """`again`: it may be sent a second time. `timeout_ms`: None for the client's."""

    method: str
    api: Api
    path: str
    body: bytes | None = None
    again: bool = False
    timeout_ms: int | None = None


class Reply(NamedTuple):
    """An answer, of whatever status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Pause(NamedTuple):
    seconds: float


class Spawn(NamedTuple):
    """Something that goes on beside the operation and cannot fail it."""

    steps: "Steps[Any]"


class Memory(NamedTuple):
    """Answered with a dict that lives as long as the client."""


Step = Request | Pause | Spawn | Memory
Steps = Generator[Step, Any, T]
Outcome = Reply | NetworkError | TimeoutError


def ask(request: Request) -> Steps[Any]:
    """An operation of one request."""
    return (yield request)


def get(api: Api, path: str, query: Mapping[str, Any] | None = None) -> Request:
    pairs = {name: _in_query(value) for name, value in (query or {}).items()}
    return Request("GET", api, f"{path}?{urlencode(pairs)}" if pairs else path, again=True)


def post(
    api: Api, path: str, body: Mapping[str, Any], *, again: bool = False, timeout_ms: int | None = None
) -> Request:
    return Request("POST", api, path, _encoded(body), again=again, timeout_ms=timeout_ms)


def patch(api: Api, path: str, body: Mapping[str, Any]) -> Request:
    return Request("PATCH", api, path, _encoded(body))


def delete(api: Api, path: str) -> Request:
    return Request("DELETE", api, path)


def headers_of(request: Request, config: Config) -> dict[str, str]:
    headers = {"Accept": "application/json", **config.headers(request.api)}
    return headers if request.body is None else headers | {"Content-Type": "application/json"}


def part(name: str, value: str) -> str:
    """An id as a part of an address."""
    return quote(identifier(name, value), safe="")


def _in_query(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValidationError(f"The parameters cannot be sent as JSON: {error}") from None


# Carrying out


def performed(steps: Steps[T], config: Config) -> Generator[Step, Any, T]:
    """The steps with each request as its attempts; a request that fails is raised inside of the steps."""
    answer: Any = None
    error: PenguinError | None = None
    while True:
        try:
            step = steps.throw(error) if error else steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = error = None
        if not isinstance(step, Request):
            answer = yield step
            continue
        try:
            answer = yield from _attempts(step, config)
        except PenguinError as failure:
            error = failure


def _attempts(request: Request, config: Config) -> Generator[Step, Outcome, Any]:
    for attempt in range(config.max_retries + 1):
        started = time.monotonic()
        outcome = yield request
        if config.debug:
            _tell(request, outcome, attempt, time.monotonic() - started)
        if isinstance(outcome, Reply) and outcome.status < 300:
            return json_of(outcome)
        pause = None
        if request.again and attempt < config.max_retries:
            pause = pause_before(attempt, outcome, chance=random())
        if pause is None:
            raise outcome if isinstance(outcome, PenguinError) else error_of(outcome)
        yield Pause(pause)
    raise AssertionError("The last attempt has returned or raised.")


def _tell(request: Request, outcome: Outcome, attempt: int, seconds: float) -> None:
    """Neither headers nor bodies: keys and what users say are in there. Of a query only that there is one."""
    path = request.path.partition("?")[0]
    ended = outcome.status if isinstance(outcome, Reply) else type(outcome).__name__
    log.debug("%s %s -> %s in %.0f ms, attempt %d", request.method, path, ended, seconds * 1000, attempt + 1)


def json_of(reply: Reply) -> Any:
    """The JSON object of an answer; what is none did not come from Penguin."""
    try:
        found = json.loads(reply.content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise APIRequestError(
            "The answer is not a JSON object. Is base_url the address of a Penguin server?",
            status=reply.status,
            code="invalid_response",
            body=_text(reply.content),
        )
    return found


def error_of(reply: Reply) -> APIRequestError:
    """The error that an answer of status 300 or more is; either API's envelope, or what something between us said."""
    try:
        body: Any = json.loads(reply.content)
    except ValueError:
        body = _text(reply.content)
    stated = body if isinstance(body, dict) else {}
    code, request_id = stated.get("code"), stated.get("request_id") or reply.headers.get("x-request-id")
    sentence = stated.get("message") or stated.get("detail") or f"HTTP {reply.status}"
    return APIRequestError(
        str(sentence),
        status=reply.status,
        code=code if isinstance(code, str) else None,
        body=body,
        request_id=request_id if isinstance(request_id, str) else None,
        retry_after=retry_after_seconds(reply.headers.get("retry-after")),
    )


def _text(content: bytes) -> str:
    return content[:10_000].decode("utf-8", "replace")
