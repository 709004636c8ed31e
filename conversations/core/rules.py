"""A person's own rules: allow, ask or deny by tool, by path and by the beginning of a command.

A rule speaks of calls that fit all it names. What asks or denies is read generously (one path or command that fits is
enough), what allows strictly (see `policy.py`: everything of a call must be allowed).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from posixpath import join, normpath
from typing import Any

from conversations.core import path_globs
from conversations.core.argv import Argv
from conversations.core.command_words import paths_in
from conversations.core.grants import Part, Pattern
from conversations.core.touched import Touched

MOST_RULES = 200


class Verdict(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class InvalidRule(ValueError):
    """This is no rule; the message says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    decision: Verdict
    tool: str | None = None  # a name, or a pattern with `*`
    path: str | None = None
    argv: tuple[str, ...] | None = None  # the beginning of a command
    name: str = ""  # how decisions refer to it: `rule:2`

    def as_json(self) -> dict[str, Any]:
        named = {"tool": self.tool, "path": self.path, "argv": list(self.argv) if self.argv else None}
        return {
            "decision": self.decision.value,
            **{key: value for key, value in named.items() if value is not None},
        }

    def describe(self) -> str:
        about = [f"tool {self.tool}"] if self.tool else []
        about += [f"path {self.path}"] if self.path else []
        about += [f"command {' '.join(self.argv)}"] if self.argv else []
        return f"{self.decision.value} {', '.join(about)}"


def parse_rules(values: Any, *, prefix: str = "rule") -> tuple[Rule, ...]:
    """Rules from their JSON, named `prefix:1` and so on; InvalidRule for anything that could be misunderstood."""
    if not isinstance(values, list) or len(values) > MOST_RULES:
        raise InvalidRule(f"rules are a list of at most {MOST_RULES}.")
    return tuple(_parse(value, f"{prefix}:{place}") for place, value in enumerate(values, start=1))


def _parse(value: Any, name: str) -> Rule:
    if not isinstance(value, dict):
        raise InvalidRule(f"{name} is not an object.")
    # An unknown word would be ignored, and make the rule wider than it was meant.
    if unknown := set(value) - {"decision", "tool", "path", "argv"}:
        raise InvalidRule(f"{name} has the unknown field {sorted(unknown)[0]!r}.")
    try:
        decision = Verdict(value.get("decision", ""))
    except ValueError:
        raise InvalidRule(f"{name}: its decision is allow, ask or deny.") from None
    tool, path, argv = value.get("tool"), value.get("path"), value.get("argv")
    for text in (tool, path):
        if text is not None and not (isinstance(text, str) and text.strip() and len(text) <= 1000):
            raise InvalidRule(f"{name}: tool and path are texts of at most 1000 characters.")
    if argv is not None:
        is_words = isinstance(argv, list) and 0 < len(argv) <= 50
        if not is_words or not all(isinstance(w, str) and w and len(w) <= 1000 for w in argv):
            raise InvalidRule(f"{name}: argv is a list of words.")
    if tool is None and path is None and argv is None:
        raise InvalidRule(f"{name} names no tool, path or argv.")
    return Rule(decision, tool, path, tuple(argv) if argv else None, name)


def speaks_of(rule: Rule, *, tool: str, touched: Touched, root: str) -> bool:
    """Whether an asking or denying rule is about any part of the call."""
    if rule.tool and not fnmatchcase(tool, rule.tool):
        return False
    if rule.path and not any(
        path_globs.matches(path, rule.path, root=root, generous=True) for path in _paths(touched, root)
    ):
        return False
    return rule.argv is None or any(_begins(argv, rule.argv) for argv in touched.argvs or ())


def allows(rule: Rule, part: Part, *, tool: str, touched: Touched, root: str) -> bool:
    """Whether an allowing rule permits this part of the call. Network for a command takes more than a rule."""
    if rule.decision is not Verdict.ALLOW or (rule.tool and not fnmatchcase(tool, rule.tool)):
        return False
    if touched.command is not None and touched.network:
        return False
    if rule.argv and not (part.kind == "command" and part.argv[: len(rule.argv)] == rule.argv):
        return False
    return not rule.path or (part.kind == "path" and path_globs.matches(part.path, rule.path, root=root))


def is_tightening(before: Sequence[Rule], after: Sequence[Rule]) -> bool:
    """Whether the change can only forbid more: no new allowing rule, and none of the others gone."""
    old, new = ({_key(rule) for rule in rules} for rules in (before, after))
    allowed_old, allowed_new = ({key for key in keys if key[0] is Verdict.ALLOW} for keys in (old, new))
    return allowed_new <= allowed_old and old - allowed_old <= new - allowed_new


def _key(rule: Rule) -> tuple[Verdict, str | None, str | None, Pattern | None]:
    return rule.decision, rule.tool, rule.path, rule.argv


def _begins(argv: Argv, prefix: tuple[str, ...]) -> bool:
    """`/bin/rm -r` begins with `rm`, too."""
    return argv[: len(prefix)] == prefix or (argv[0].rpartition("/")[2], *argv[1 : len(prefix)]) == prefix


def _paths(touched: Touched, root: str) -> list[str]:
    """The paths of a call; of a command every word may be one."""
    words = [path for argv in touched.argvs or () for word in argv for path in paths_in(word)]
    under_root = f"{root.rstrip('/')}/"
    named = [word.removeprefix(under_root) if word.startswith(under_root) else word for word in words]
    named = [normpath(join(touched.cwd, word)) for word in named]
    return [*touched.reads, *touched.writes, *touched.deletes, *named]
