"""Reads a JSON request body strictly: what a client sends is either understood exactly or refused."""

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)
# Cheap looks at the bytes that say whether a closer look is needed at all.
_LONG_NUMBER = re.compile(rb"\d{19}")
_ESCAPED_NUL = b"\\u0000"


class InvalidJSON(ValueError):
    """The body is not acceptable JSON; the message says why."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Refused: anything but UTF-8, `NaN` and `Infinity`, lone surrogates and NUL in any key or text, integers of more
    than 64 bits, more than MAX_DEPTH levels, and a body that is no object. Of a repeated key the last one counts.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidJSON(f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidJSON("The body must be a JSON object.")
    if _LONG_NUMBER.search(body):
        _refuse_huge_integers(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH or _ESCAPED_NUL in body:
        for text, depth in _texts(value):
            if depth > MAX_DEPTH:
                raise InvalidJSON(f"The body is nested more than {MAX_DEPTH} levels deep.")
            if "\0" in text:
                raise InvalidJSON("The body contains a NUL character.")
    return value


def _texts(value: Any) -> Iterator[tuple[str, int]]:
    """Every key and text with its depth, and an empty text for every container; without recursion."""
    waiting = [(value, 1)]
    while waiting:
        current, depth = waiting.pop()
        if isinstance(current, str):
            yield current, depth - 1
        elif isinstance(current, dict):
            yield "", depth
            for key, item in current.items():
                yield key, depth
                waiting.append((item, depth + 1))
        elif isinstance(current, list):
            yield "", depth
            waiting.extend((item, depth + 1) for item in current)


def _refuse_huge_integers(body: bytes) -> None:
    # orjson turns them into floats without a word; the standard library shows each one's digits.
    def check(digits: str) -> int:
        if len(digits) > 20 or int(digits) not in _INT64:
            raise InvalidJSON("The body contains an integer of more than 64 bits.")
        return int(digits)

    try:
        json.loads(body, parse_int=check)
    except RecursionError:
        raise InvalidJSON(f"The body is nested more than {MAX_DEPTH} levels deep.") from None
