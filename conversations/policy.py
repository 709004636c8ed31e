"""Rules on tool calls: what a person's mode, rules, grants and pins make of them; `core/policy.py` decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conversations import standing_rules
from conversations.core import digests, policy, touched
from conversations.core.rules import Verdict
from conversations.core.tool_calls import Effect
from conversations.standing_rules import Settled, Subject
from conversations.tools.base import Targets

__all__ = ["CallFacts", "Ruling", "Verdict", "rule_on", "rulings"]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """A tool call as it would be carried out."""

    call_id: str
    run_id: str
    conversation_id: int
    owner_id: int
    tool_name: str
    definition_hash: str
    effect: Effect
    changes_nothing: bool
    arguments: Mapping[str, Any]  # the edited ones where a person edited them
    targets: Targets
    sandbox: str  # level
    root: str
    plan_mode: bool
    approved_digest: str | None = None  # of an approval of this very call, when it is about to start

    @property
    def subject(self) -> Subject:
        approved = self.call_id if self.approved_digest else ""
        return Subject(self.owner_id, self.conversation_id, self.run_id, self.tool_name, approved)


@dataclass(frozen=True, slots=True)
class Ruling:
    verdict: Verdict
    reason: str  # for people: which rule decides, and why
    rule: str  # a word: `mode:workspace`, `rule:2`, `project_rule:1`, `grant:<id>`, `secret_file`, ...
    digest: str
    operation: str
    resource: str
    subject: dict[str, Any]  # kept by an approval: grants and retries are made of it


def rule_on(facts: Sequence[CallFacts]) -> list[Ruling]:
    """A ruling for each call, in their order; one statement."""
    if not facts:
        return []
    return rulings(facts, standing_rules.read([fact.subject for fact in facts]))


def rulings(facts: Sequence[CallFacts], settled: Settled) -> list[Ruling]:
    """As `rule_on`, by what was read before."""
    return [_rule(fact, settled) for fact in facts]


def _rule(fact: CallFacts, settled: Settled) -> Ruling:
    standing = settled.by_owner[fact.owner_id]
    of_run = settled.by_run.get(fact.run_id, ())
    approved = settled.approved.get(fact.call_id)
    digest = digests.digest(
        tool=fact.tool_name,
        definition_hash=fact.definition_hash,
        arguments=fact.arguments,
        touched=fact.targets,
        root=fact.root,
        sandbox=fact.sandbox,
        run_id=fact.run_id,
        call_id=fact.call_id,
    )
    call = policy.Call(
        tool=fact.tool_name,
        definition_hash=fact.definition_hash,
        changes_nothing=fact.changes_nothing,
        arguments=fact.arguments,
        touched=fact.targets,
        root=fact.root,
        sandbox=fact.sandbox,
        plan_mode=fact.plan_mode,
        is_pinned=standing.pins.get(fact.tool_name) == fact.definition_hash,
        is_approved=fact.approved_digest == approved == digest,
    )
    grants = [known.grant for known in standing.grants if known.covers(fact.conversation_id, fact.run_id)]
    decision = policy.decide(call, mode=standing.mode, rules=(*standing.rules, *of_run), grants=grants)
    return Ruling(
        verdict=decision.verdict,
        reason=decision.reason,
        rule=decision.rule,
        digest=digest,
        operation=touched.operation(fact.targets, is_read=call.is_read),
        resource=touched.resource(fact.targets, tool=fact.tool_name),
        subject={
            "definition_hash": fact.definition_hash,
            "sandbox": fact.sandbox,
            "root": fact.root,
            "targets": touched.as_json(fact.targets),
        },
    )
