"""The file that names MCP servers: `{"mcpServers": {name: entry}}`, as other MCP clients have it.

An entry is a program, `{"command", "args"?, "env"?, "cwd"?}`, or an address, `{"url", "headers"?}`; and for both
`users?` (names; without it the local owner alone), `enabled?`, `timeout_seconds?` and
`effect?` (one class for all its tools, or `{tool: class}`). Values may name variables of the server's own environment
as `${NAME}` or `${NAME:-default}`, so that secrets need not stand in the file. Other keys are other clients' business.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conversations.core.tool_calls import Effect

DEFAULT_TIMEOUT_SECONDS = 60.0
LONGEST_TIMEOUT_SECONDS = 3600.0
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# A call that may be repeated or checked is one thing we can promise of our own tools only.
_EFFECTS = (Effect.READ_ONLY, Effect.IDEMPOTENT, Effect.AT_MOST_ONCE)


@dataclass(frozen=True, slots=True)
class McpServer:
    """One server. Either `command` or `url` is set."""

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    users: frozenset[str] | None = None  # None: the local owner
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    effects: Mapping[str, Effect] = field(default_factory=dict)  # "*": of all others

    def is_for(self, username: str, *, is_local_owner: bool) -> bool:
        return is_local_owner if self.users is None else username in self.users

    def effect_of(self, tool: str) -> Effect:
        """What a server says of its own tools does not count: only the person who wrote the file is believed."""
        return self.effects.get(tool) or self.effects.get("*") or Effect.AT_MOST_ONCE


def load_servers(path: Path, environment: Mapping[str, str]) -> tuple[McpServer, ...]:
    """The enabled servers of the file. Raises ValueError with a sentence that says what is wrong where."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}") from None
    entries = content.get("mcpServers") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise ValueError(f'{path} holds no object "mcpServers".')
    servers = []
    for name, entry in entries.items():
        try:
            reader = _Entry(name, entry, directory=path.absolute().parent, environment=environment)
            if reader.is_enabled:
                servers.append(reader.server())
        except ValueError as error:
            raise ValueError(f"{path}: server {name!r}: {error}") from None
    return tuple(servers)


class _Entry:
    def __init__(self, name: str, entry: object, *, directory: Path, environment: Mapping[str, str]) -> None:
        if not name.strip() or len(name) > 64:
            raise ValueError("its name must have 1 to 64 characters.")
        if not isinstance(entry, dict):
            raise ValueError("it must be an object.")
        self._name, self._entry = name, entry
        self._directory, self._environment = directory, environment

    @property
    def is_enabled(self) -> bool:
        return self._value("enabled", bool, True) and not self._value("disabled", bool, False)

    def server(self) -> McpServer:
        entry = self._entry
        if ("command" in entry) == ("url" in entry):
            raise ValueError('it needs either "command" or "url".')
        if entry.get("type") == "sse" or entry.get("transport") == "sse":
            raise ValueError("the old SSE transport is not supported; streamable HTTP is.")
        common: dict[str, Any] = {
            "name": self._name,
            "users": self._users(),
            "timeout_seconds": self._timeout(),
            "effects": self._effects(),
        }
        if "url" in entry:
            return McpServer(**common, url=self._url(), headers=self._texts("headers", _check_header))
        command = self._expanded("command", self._value("command", str, ""))
        if not command.strip():
            raise ValueError('"command" must not be empty.')
        arguments = self._value("args", list, [])
        if not all(isinstance(argument, str) for argument in arguments):
            raise ValueError('"args" must be a list of texts.')
        return McpServer(
            **common,
            command=(command, *(self._expanded("args", argument) for argument in arguments)),
            env=self._texts("env", _check_variable),
            cwd=self._directory / Path(self._expanded("cwd", self._value("cwd", str, "."))).expanduser(),
        )

    def _value(self, key: str, kind: type, default: Any) -> Any:
        value = self._entry.get(key, default)
        if not isinstance(value, kind):
            names = {str: "a text", list: "a list", dict: "an object", bool: "true or false"}
            raise ValueError(f'"{key}" must be {names[kind]}.')
        return value

    def _expanded(self, key: str, text: str) -> str:
        if "\0" in text:
            raise ValueError(f'"{key}" holds a NUL character.')

        def value(match: re.Match[str]) -> str:
            found = self._environment.get(match[1], match[2])
            if found is None:
                raise ValueError(f'"{key}" needs the variable {match[1]}, which is not set.')
            return found

        return _VARIABLE.sub(value, text)

    def _texts(self, key: str, check: Callable[[str, str], None]) -> dict[str, str]:
        found = self._value(key, dict, {})
        if not all(isinstance(value, str) for value in found.values()):
            raise ValueError(f'"{key}" must map names to texts.')
        expanded = {name: self._expanded(key, value) for name, value in found.items()}
        for name, value in expanded.items():
            check(name, value)
        return expanded

    def _url(self) -> str:
        url = self._expanded("url", self._value("url", str, ""))
        if not re.fullmatch(r"https?://[^\s/]\S*", url):
            raise ValueError('"url" must be an http:// or https:// address.')
        return url

    def _users(self) -> frozenset[str] | None:
        if "users" not in self._entry:
            return None
        users = self._value("users", list, [])
        if not all(isinstance(user, str) and user for user in users):
            raise ValueError('"users" must be a list of names.')
        return frozenset(users)

    def _timeout(self) -> float:
        value = self._entry.get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value <= LONGEST_TIMEOUT_SECONDS
        ):
            raise ValueError(f'"timeout_seconds" must be a number up to {LONGEST_TIMEOUT_SECONDS:g}.')
        return float(value)

    def _effects(self) -> dict[str, Effect]:
        value = self._entry.get("effect", {})
        if isinstance(value, str):
            value = {"*": value}
        allowed = {effect.value: effect for effect in _EFFECTS}
        if not isinstance(value, dict) or not all(
            isinstance(effect, str) and effect in allowed for effect in value.values()
        ):
            raise ValueError(f'"effect" must be one of {", ".join(allowed)}, or an object of them by tool.')
        return {tool: allowed[effect] for tool, effect in value.items()}


def _check_header(name: str, value: str) -> None:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(r"[\x20-\x7e\t]*", value):
        raise ValueError(f'"headers" holds {name!r}, which cannot be sent.')


def _check_variable(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f'"env" holds {name!r}, which is no name of a variable.')
