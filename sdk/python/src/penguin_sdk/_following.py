"""Following a stream as steps: connect, say hello, read, and all of it again when the connection is lost."""

import json
import time
from collections.abc import Generator
from random import random
from typing import Any, NamedTuple

from penguin_sdk._config import Config
from penguin_sdk._retry import backoff
from penguin_sdk._steps import Pause, log
from penguin_sdk._stream import OutOfStep, Stream
from penguin_sdk.errors import APIRequestError, NetworkError
from penguin_sdk.events import StreamEvent

FIRST_SECONDS, MOST_SECONDS = 0.1, 2.0


class Connect(NamedTuple):
    """Answered with None, or with why not: NetworkError, or the status of a refused handshake as APIRequestError."""

    path: str


class Say(NamedTuple):
    """A text frame. That the connection is being lost is heard when it is read from."""

    text: str


class Hear(NamedTuple):
    """Answered with a frame, None when the connection has ended."""


Following = Connect | Say | Hear | Pause | StreamEvent


def follow(stream: Stream, config: Config) -> Generator[Following, Any, None]:
    """Yields the events among the steps, until the last one.

    A first connection is tried as often as a GET; one that was lost is made again for as long as `reconnect_ms`.
    """
    attempt, lost_at = 0, None
    while stream.end is None:
        refused: NetworkError | APIRequestError | None = yield Connect(stream.path)
        if refused is None:
            for frame in stream.hello():
                yield Say(json.dumps(frame))
            stream.is_said = True
            if (yield from _read(stream)):
                attempt, lost_at = 0, None
        elif (
            isinstance(refused, APIRequestError) and refused.status < 500 and refused.status not in (408, 429)
        ):
            raise refused
        if stream.end is not None:
            return
        lost_at = lost_at or time.monotonic()
        if _is_hopeless(stream, config, attempt, lost_at):
            raise refused or NetworkError("The connection was lost, again and again.")
        log.debug("The stream %s is connected again, attempt %d", stream.path, attempt + 1)
        yield Pause(backoff(attempt, random(), first=FIRST_SECONDS, most=MOST_SECONDS))
        attempt += 1


def _is_hopeless(stream: Stream, config: Config, attempt: int, lost_at: float) -> bool:
    if stream.is_said:
        return time.monotonic() - lost_at > config.reconnect_ms / 1000
    return attempt >= config.max_retries


def _read(stream: Stream) -> Generator[Following, Any, bool]:
    """Until the connection or the stream ends; whether it got on by that."""
    came = False
    has_asked_to_cancel = stream.has_begun and stream.is_cancelled
    while stream.end is None:
        raw: str | bytes | None = yield Hear()
        if raw is None:
            break
        try:
            event = stream.take(raw)
        except OutOfStep:
            return False
        came = True
        if event is not None:
            yield event
        # It was asked for before anybody knew of which run.
        if stream.is_cancelled and stream.has_begun and not has_asked_to_cancel:
            has_asked_to_cancel = True
            yield Say(json.dumps(stream.cancel_frame()))
    return came
