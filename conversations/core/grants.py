"""Standing permissions: what a grant covers of a call, and which grants an approval can leave behind.

A matcher is `{kind, pattern, ...}`:

- `argv`: text such as `pytest *` (words with `*` and `?`; a last word `*` for any words more), a list of words (the
  beginning of a command), or a list of such lists: exactly this line, in this `cwd`.
- `path`: text (see `path_globs.py`), or a list: exactly these files of this `root`, for this `operation` or a lesser.
- `host`: text such as `*.example.org`, or a list of hosts.
- `arguments`: the hash of the arguments, for tools that show nothing else.
- `any`: every call of the tool.

Every part of a call has to be covered, be it by several grants. A command that cannot be taken apart is covered by
none, and one that wants network only by a grant of a call that wanted it (`network`).
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from conversations.core import path_globs
from conversations.core.argv import Argv
from conversations.core.digests import hash_of
from conversations.core.touched import Touched

Matcher = Mapping[str, Any]
Pattern = str | Sequence[str]

MOST_PATTERN = 1_000
_GRAVITY = ("read", "write", "delete")


class InvalidPattern(ValueError):
    """The pattern says nothing that could be granted; the message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing of a call that needs permission: a `command`, a `path`, a `host`, or the `call` itself."""

    kind: str
    argv: Argv = ()
    path: str = ""
    operation: str = ""
    host: str = ""


def parts_of(touched: Touched) -> list[Part]:
    """What needs permission in a call that is asked about; reading counts where nothing is changed."""
    if touched.foreign:
        return [Part("call")]
    if touched.command is not None:
        return [Part("command", argv=argv) for argv in touched.argvs or ()]
    parts = [Part("path", path=path, operation="delete") for path in touched.deletes]
    parts += [Part("path", path=path, operation="write") for path in touched.writes]
    parts += [Part("host", host=host) for host in touched.hosts]
    if not parts:
        parts = [Part("path", path=path, operation="read") for path in touched.reads]
    return parts or [Part("call")]


def is_coverable(touched: Touched) -> bool:
    """False for a command that cannot be taken apart: no grant and no rule permits it."""
    return touched.command is None or bool(touched.argvs)


def covers(
    matcher: Matcher, part: Part, *, touched: Touched, arguments: Mapping[str, Any], root: str
) -> bool:
    """Whether a grant's matcher permits this part of the call."""
    if not is_coverable(touched):
        return False
    if touched.command is not None and touched.network and not matcher.get("network"):
        return False
    pattern = matcher.get("pattern")
    match matcher["kind"]:
        case "any":
            return True
        case "arguments":
            return bool(pattern == hash_of(arguments))
        case "argv" if part.kind == "command":
            return _is_same_line(matcher, touched) if is_exact(matcher) else _fits_argv(part.argv, pattern)
        case "path" if part.kind == "path":
            return _covers_path(matcher, part, root)
        case "host" if part.kind == "host":
            hosts = [pattern] if isinstance(pattern, str) else pattern or []
            return any(fnmatchcase(part.host.lower(), host.lower()) for host in hosts)
    return False


def is_exact(matcher: Matcher) -> bool:
    """Whether an `argv` matcher is for one line alone."""
    pattern = matcher.get("pattern")
    return bool(
        matcher["kind"] == "argv"
        and isinstance(pattern, list)
        and pattern
        and not isinstance(pattern[0], str)
    )


def _is_same_line(matcher: Matcher, touched: Touched) -> bool:
    commands = [list(argv) for argv in touched.argvs or ()]
    if commands != matcher["pattern"] or touched.cwd != matcher.get("cwd", "."):
        return False
    # Of several commands also what stands between them counts: "a | b" is not "a; b".
    return len(commands) == 1 or touched.command == matcher.get("line")


def _fits_argv(argv: Argv, pattern: Any) -> bool:
    if isinstance(pattern, list):
        return bool(pattern) and list(argv[: len(pattern)]) == pattern
    words = shlex.split(pattern)
    if words and words[-1] == "*":
        words = words[:-1]
        return len(argv) >= len(words) and all(map(_fits_word, argv, words))
    return len(argv) == len(words) and all(map(_fits_word, argv, words))


def _fits_word(word: str, pattern: str) -> bool:
    return fnmatchcase(word, pattern.replace("[", "[[]"))


def _covers_path(matcher: Matcher, part: Part, root: str) -> bool:
    granted = matcher.get("operation")
    if granted and _GRAVITY.index(part.operation) > _GRAVITY.index(granted):
        return False
    pattern = matcher["pattern"]
    if isinstance(pattern, str):
        return path_globs.matches(part.path, pattern, root=root)
    return matcher.get("root") == root and part.path in pattern


# Making matchers


def same_again(touched: Touched, arguments: Mapping[str, Any], *, root: str) -> list[Matcher]:
    """Matchers for the same command line or the same files; empty where nothing can be granted."""
    if not is_coverable(touched):
        return []
    network = {"network": True} if touched.network else {}
    if touched.command is not None and not touched.foreign:
        commands = [list(argv) for argv in touched.argvs or ()]
        return [{"kind": "argv", "pattern": commands, "line": touched.command, "cwd": touched.cwd, **network}]
    matchers: list[Matcher] = []
    parts = parts_of(touched)
    for operation in _GRAVITY:
        if paths := [part.path for part in parts if part.kind == "path" and part.operation == operation]:
            matchers.append({"kind": "path", "pattern": paths, "operation": operation, "root": root})
    if hosts := [part.host for part in parts if part.kind == "host"]:
        matchers.append({"kind": "host", "pattern": hosts, **network})
    return matchers or [{"kind": "arguments", "pattern": hash_of(arguments), **network}]


def of_pattern(kind: str, pattern: Pattern, *, network: bool = False) -> Matcher:
    """The matcher of a pattern that a person wrote; `kind` argv, path, host or any. Raises InvalidPattern."""
    is_text = isinstance(pattern, str)
    words = [pattern] if isinstance(pattern, str) else list(pattern)
    if not words or not all(word.strip() for word in words) or sum(map(len, words)) > MOST_PATTERN:
        raise InvalidPattern(f"a pattern has words, and at most {MOST_PATTERN} characters.")
    extra = {"network": True} if network else {}
    if kind == "argv":
        if not is_text:
            return {"kind": "argv", "pattern": words, **extra}
        try:
            shlex.split(words[0])
        except ValueError:
            raise InvalidPattern("its quotes do not match.") from None
        return {"kind": "argv", "pattern": words[0], **extra}
    if not is_text:
        raise InvalidPattern("only commands have patterns of several words.")
    if kind == "any":
        if pattern != "*":
            raise InvalidPattern("of this tool only every call can be granted: *")
        return {"kind": "any", **extra}
    return {"kind": kind, "pattern": pattern, **extra}


def kind_of(touched: Touched) -> str:
    """The kind of pattern that a person can write for calls like this one."""
    if touched.foreign:
        return "any"
    if touched.command is not None:
        return "argv"
    if touched.hosts:
        return "host"
    return "path" if touched.deletes or touched.writes or touched.reads else "any"


def covers_all(
    matchers: Iterable[Matcher], *, touched: Touched, arguments: Mapping[str, Any], root: str
) -> bool:
    """Whether these matchers together permit the whole call."""
    matchers = list(matchers)
    return is_coverable(touched) and all(
        any(covers(matcher, part, touched=touched, arguments=arguments, root=root) for matcher in matchers)
        for part in parts_of(touched)
    )
