"""Whether a tool call may run, has to be asked about, or is refused: one function of values.

What refuses wins: the sandbox that is missing, secret files, a person's rule, plan mode and read-only mode. Then what
asks, which a grant can answer, and an allowing rule where the mode asks and not a rule. A command that cannot be taken
apart asks in every mode, and only a yes to this very call answers it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conversations.core import grants, rules
from conversations.core.command_words import secret_word
from conversations.core.grants import Matcher
from conversations.core.rules import Rule, Verdict
from conversations.core.secret_files import is_secret, is_write_protected
from conversations.core.touched import Touched

NO_SANDBOX = "none"


class Mode(StrEnum):
    """What runs without asking. The order is from strict to loose."""

    READ_ONLY = "read_only"
    WORKSPACE = "workspace"
    FULL = "full"

    @property
    def looseness(self) -> int:
        return list(Mode).index(self)


@dataclass(frozen=True, slots=True)
class Call:
    tool: str
    definition_hash: str
    changes_nothing: bool  # as the tool says of itself
    arguments: Mapping[str, Any]
    touched: Touched
    root: str
    sandbox: str
    plan_mode: bool = False
    is_pinned: bool = False  # a foreign tool whose definition is the one that was approved first
    is_approved: bool = False  # a person has said yes to this very call

    @property
    def is_read(self) -> bool:
        """Nothing changes by it, here or elsewhere."""
        touched = self.touched
        changes = touched.writes or touched.deletes or touched.hosts or touched.network or touched.foreign
        return self.changes_nothing and touched.command is None and not changes


@dataclass(frozen=True, slots=True)
class StandingGrant:
    """A grant that is neither revoked nor expired, and whose scope the call is in."""

    id: str
    tool: str
    matcher: Matcher
    definition_hash: str
    sandbox: str
    is_newer_than_rules: bool = (
        True  # given after the rules were last changed, so it may answer one that asks
    )


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    rule: str
    reason: str


def decide(
    call: Call, *, mode: Mode, rules: Sequence[Rule], grants: Sequence[StandingGrant] = ()
) -> Decision:
    """The decision, and the rule behind it. It depends on nothing but its arguments."""
    refused = _refused(call, mode, rules)
    if refused:
        return refused
    asked = _asked_by_rule(call, rules)
    base = asked or _by_mode(call, mode)
    if base.verdict is Verdict.ALLOW:
        return base
    if call.is_approved:
        return Decision(Verdict.ALLOW, "approval", "A person has approved this call.")
    fitting = [grant for grant in grants if _is_valid(grant, call)]
    if asked:
        fitting = [grant for grant in fitting if grant.is_newer_than_rules]
    return _permitted(call, fitting, () if asked else rules) or base


# What refuses


def _refused(call: Call, mode: Mode, known_rules: Iterable[Rule]) -> Decision | None:
    touched = call.touched
    if touched.command is not None and call.sandbox == NO_SANDBOX:
        return _deny("no_sandbox", "Commands need a sandbox, and this server has none.")
    if touched.command is None:
        for path in (*touched.reads, *touched.writes, *touched.deletes):
            if is_secret(path):
                return _deny("secret_file", f"{path} is a file that holds secrets: tools do not open it.")
        for path in (*touched.writes, *touched.deletes):
            if is_write_protected(path):
                return _deny("protected_file", f"{path} is read-only: git would run what stands there.")
    for rule in known_rules:
        if rule.decision is Verdict.DENY and _speaks_of(rule, call):
            return _deny(rule.name, f"A rule of the user forbids it ({rule.describe()}).")
    if call.is_read:
        return None
    if call.plan_mode:
        return _deny(
            "plan_mode",
            "In plan mode nothing is changed and nothing is run: read, and describe what you would do.",
        )
    if mode is Mode.READ_ONLY:
        return _deny("mode:read_only", "The permission mode is read_only: only reading is allowed.")
    return None


# What asks


def _asked_by_rule(call: Call, known_rules: Iterable[Rule]) -> Decision | None:
    for rule in known_rules:
        if rule.decision is Verdict.ASK and _speaks_of(rule, call):
            return _ask(rule.name, f"A rule of the user wants to be asked ({rule.describe()}).")
    return None


def _by_mode(call: Call, mode: Mode) -> Decision:
    touched, name = call.touched, f"mode:{mode.value}"
    if call.is_read:
        return Decision(Verdict.ALLOW, name, "Reading is allowed.")
    if touched.command is not None:
        return _command_by_mode(call, mode, name)
    if touched.foreign and not call.is_pinned:
        return _ask("not_pinned", "This tool of another program has not been approved as it is now.")
    if touched.hosts or touched.network:
        return _ask("network", "It uses the network.")
    if mode is Mode.FULL:
        return Decision(Verdict.ALLOW, name, "In the mode full everything but network runs without asking.")
    if touched.foreign:
        return _ask(name, "In the mode workspace a tool of another program is asked about.")
    if touched.deletes:
        return _ask(name, "In the mode workspace deleting is asked about.")
    if touched.writes:
        return Decision(
            Verdict.ALLOW, name, "In the mode workspace files beneath the session's directory may be written."
        )
    return _ask(name, "In the mode workspace everything but reading and writing files is asked about.")


def _command_by_mode(call: Call, mode: Mode, name: str) -> Decision:
    touched = call.touched
    if not touched.argvs:
        return _ask("unreadable_command", "What this command does cannot be told before it runs.")
    if touched.network:
        return _ask("network", "The command wants to use the network.")
    if _names_secret(touched):
        return _ask("secret_file", "The command names a file that holds secrets.")
    if mode is Mode.FULL:
        return Decision(Verdict.ALLOW, name, "In the mode full commands run in the sandbox without asking.")
    return _ask(name, "In the mode workspace commands are asked about.")


# What answers


def _permitted(call: Call, fitting: Sequence[StandingGrant], known_rules: Iterable[Rule]) -> Decision | None:
    """Allowed, when each part of the call is permitted by a grant or by an allowing rule."""
    touched = call.touched
    if not grants.is_coverable(touched):
        return None
    if touched.command is not None and _names_secret(touched):
        # A grant of a whole kind of commands was not meant for these.
        fitting, known_rules = [grant for grant in fitting if grants.is_exact(grant.matcher)], ()
    # Only a grant says yes to a foreign tool as it is now.
    allowing = [
        rule
        for rule in known_rules
        if rule.decision is Verdict.ALLOW and (call.is_pinned or not touched.foreign)
    ]
    used = ""
    for part in grants.parts_of(touched):
        covering = next(
            (
                grant
                for grant in fitting
                if grants.covers(
                    grant.matcher, part, touched=touched, arguments=call.arguments, root=call.root
                )
            ),
            None,
        )
        if covering:
            used = f"grant:{covering.id}"
            continue
        rule = next(
            (
                rule
                for rule in allowing
                if rules.allows(rule, part, tool=call.tool, touched=touched, root=call.root)
            ),
            None,
        )
        if rule is None:
            return None
        used = used or rule.name
    what = "A standing grant covers it." if used.startswith("grant:") else "A rule of the user allows it."
    return Decision(Verdict.ALLOW, used, what)


def _is_valid(grant: StandingGrant, call: Call) -> bool:
    """A grant is void when the tool or the sandbox has become another one."""
    return (grant.tool, grant.definition_hash, grant.sandbox) == (
        call.tool,
        call.definition_hash,
        call.sandbox,
    )


def _names_secret(touched: Touched) -> bool:
    return any(secret_word(word) for argv in touched.argvs or () for word in argv)


def _speaks_of(rule: Rule, call: Call) -> bool:
    return rules.speaks_of(rule, tool=call.tool, touched=call.touched, root=call.root)


def _ask(rule: str, reason: str) -> Decision:
    return Decision(Verdict.ASK, rule, reason)


def _deny(rule: str, reason: str) -> Decision:
    return Decision(Verdict.DENY, rule, reason)
