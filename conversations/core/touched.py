"""What a tool call touches, as rules, grants and digests see it, and what people are told it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from conversations.core.argv import Argv


class Touched(Protocol):
    """See `Targets` in `tools/base.py`, which is one. Paths are relative to the root of the session."""

    @property
    def reads(self) -> tuple[str, ...]: ...
    @property
    def writes(self) -> tuple[str, ...]: ...
    @property
    def deletes(self) -> tuple[str, ...]: ...
    @property
    def command(self) -> str | None: ...
    @property
    def argvs(self) -> tuple[Argv, ...] | None: ...
    @property
    def hosts(self) -> tuple[str, ...]: ...
    @property
    def network(self) -> bool: ...
    @property
    def cwd(self) -> str: ...
    @property
    def foreign(self) -> bool: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class StoredTouched:
    """What a call touches, read back from where `as_json` was stored."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    command: str | None = None
    argvs: tuple[Argv, ...] | None = ()
    hosts: tuple[str, ...] = ()
    network: bool = False
    cwd: str = "."
    foreign: bool = False
    notes: tuple[str, ...] = ()


_LISTS = ("reads", "writes", "deletes", "hosts", "notes")
_VALUES = ("command", "network", "cwd", "foreign")


def as_json(touched: Touched) -> dict[str, Any]:
    values: dict[str, Any] = {name: list(getattr(touched, name)) for name in _LISTS}
    values |= {name: getattr(touched, name) for name in _VALUES}
    values["argvs"] = None if touched.argvs is None else [list(argv) for argv in touched.argvs]
    return values


def from_json(values: Mapping[str, Any]) -> StoredTouched:
    argvs = values["argvs"]
    fields: dict[str, Any] = {name: tuple(values[name]) for name in _LISTS}
    fields |= {name: values[name] for name in _VALUES}
    fields["argvs"] = None if argvs is None else tuple(tuple(argv) for argv in argvs)
    return StoredTouched(**fields)


def operation(touched: Touched, *, is_read: bool = False) -> str:
    """The gravest thing the call does, in one word."""
    if touched.foreign:
        return "call"
    if touched.command is not None:
        return "execute"
    if touched.deletes:
        return "delete"
    if touched.writes:
        return "write"
    if touched.hosts or touched.network:
        return "network"
    return "read" if touched.reads or is_read else "call"


def resource(touched: Touched, *, tool: str) -> str:
    """What the call is about: the command, the paths or the addresses; the tool where there is nothing else."""
    if touched.command is not None:
        return f"{touched.command} (with network)" if touched.network else touched.command
    changed = dict.fromkeys([*touched.deletes, *touched.writes])
    return ", ".join([*(changed or dict.fromkeys(touched.reads)), *touched.hosts]) or tool
