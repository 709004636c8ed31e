"""Fields of a request against their TypedDict: names, what is required, types and limits."""

import math
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from penguin_sdk.errors import ValidationError
from penguin_sdk.types.limits import Limit

_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def checked(kind: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they are sent; ValidationError names the first one that is wrong."""
    hints = _hints(kind)
    required: frozenset[str] = kind.__required_keys__  # type: ignore[attr-defined]
    for name in fields:
        if name not in hints:
            raise ValidationError(f"{name}: there is no such parameter.")
    for name in hints:
        if name in required and fields.get(name) is None:
            raise ValidationError(f"{name} is required.")
        if name in fields:
            _check(name, fields[name], hints[name])
    return dict(fields)


def identifier(name: str, value: object) -> str:
    """Part of an address: text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValidationError(f"{name} must be a text that is not empty.")
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return {name: _bare(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if get_origin(hint) in (Required, NotRequired) else hint


def _check(name: str, value: Any, hint: Any) -> None:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return
    if origin is Annotated:
        _check(name, value, arguments[0])
        for limit in arguments[1:]:
            _check_limit(name, value, limit)
    elif origin in (Union, types.UnionType):
        _check_any(name, value, arguments)
    elif origin is Literal:
        if value not in arguments:
            raise ValidationError(f"{name} must be one of {', '.join(map(str, arguments))}.")
    elif origin is Sequence:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise ValidationError(f"{name} must be a list.")
        for number, item in enumerate(value):
            _check(f"{name}[{number}]", item, arguments[0])
    elif origin is Mapping:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValidationError(f"{name} must be an object with names.")
    elif not _is(value, hint):
        raise ValidationError(f"{name} must be {_KINDS.get(hint, 'null')}.")


def _check_any(name: str, value: Any, hints: Sequence[Any]) -> None:
    """A union: what fits none of it is told what the first one would have wanted."""
    first: ValidationError | None = None
    for hint in hints:
        try:
            return _check(name, value, hint)
        except ValidationError as error:
            first = first or error
    assert first
    raise first


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _check_limit(name: str, value: Any, limit: Limit) -> None:
    if isinstance(value, str):
        if limit.min_length and not value.strip():
            raise ValidationError(f"{name} must not be empty.")
        if limit.max_length is not None and len(value) > limit.max_length:
            raise ValidationError(f"{name} must have at most {limit.max_length} characters.")
    elif isinstance(value, Sequence):
        if limit.max_items is not None and len(value) > limit.max_items:
            raise ValidationError(f"{name} must have at most {limit.max_items} entries.")
    elif isinstance(value, int | float):
        if limit.minimum is not None and value < limit.minimum:
            raise ValidationError(f"{name} must be at least {limit.minimum:g}.")
        if limit.maximum is not None and value > limit.maximum:
            raise ValidationError(f"{name} must be at most {limit.maximum:g}.")
