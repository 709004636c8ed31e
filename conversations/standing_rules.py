"""What a person has settled beforehand about tool calls: mode, rules, grants, pins, approvals; one statement reads it.

The same statement serves sync code (`read`) and the worker's event loop (`read_async`), where a call is ruled on before
each start: the ORM in threads cost a third of a busy worker's time there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from conversations.core.policy import Mode, StandingGrant
from conversations.core.rules import Rule, Verdict, parse_rules

READ = """
SELECT json_build_object(
  'policies', (SELECT json_agg(json_build_object('owner', user_id, 'mode', mode, 'rules', rules))
               FROM security_policy WHERE user_id = ANY(%(owners)s)),
  'run_rules', (SELECT json_object_agg(id, options -> 'rules')
                FROM run WHERE id = ANY(%(runs)s::uuid[]) AND options ? 'rules'),
  'grants', (SELECT json_agg(json_build_object(
               'id', g.id, 'owner', g.owner_id, 'scope', g.scope, 'conversation', g.conversation_id, 'run', g.run_id,
               'tool', g.tool_name, 'matcher', g.matcher, 'definition_hash', g.definition_hash,
               'sandbox', g.sandbox_level, 'is_newer', p.user_id IS NULL OR g.created_at > p.updated_at) ORDER BY g.id)
             FROM tool_grant g LEFT JOIN security_policy p ON p.user_id = g.owner_id
             WHERE g.owner_id = ANY(%(owners)s) AND g.tool_name = ANY(%(tools)s) AND g.revoked_at IS NULL
               AND (g.expires_at IS NULL OR g.expires_at > statement_timestamp())
               AND (g.scope = 'user' OR g.conversation_id = ANY(%(conversations)s))),
  'pins', (SELECT json_agg(json_build_object('owner', owner_id, 'tool', tool_name, 'hash', definition_hash))
           FROM tool_pin WHERE owner_id = ANY(%(owners)s) AND tool_name = ANY(%(tools)s)),
  'approved', (SELECT json_object_agg(tool_call_id, digest)
               FROM approval WHERE tool_call_id = ANY(%(calls)s::uuid[]) AND status = 'approved'
                 AND expires_at > statement_timestamp()))::text
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """A call as far as it says what may have been settled about it; ids are empty where there is none."""

    owner_id: int
    conversation_id: int
    run_id: str
    tool_name: str
    approved_call_id: str = ""  # of a call that a person said yes to


@dataclass(frozen=True, slots=True)
class KnownGrant:
    grant: StandingGrant
    scope: str
    conversation_id: int | None
    run_id: str | None

    def covers(self, conversation_id: int, run_id: str) -> bool:
        match self.scope:
            case "user":
                return True
            case "session":
                return self.conversation_id == conversation_id
            case "run":
                return self.run_id == run_id
        return False


@dataclass(slots=True)
class StandingRules:
    """Of one person."""

    mode: Mode
    rules: tuple[Rule, ...] = ()
    grants: list[KnownGrant] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)  # {tool: definition hash}


@dataclass(frozen=True, slots=True)
class Settled:
    by_owner: Mapping[int, StandingRules]
    by_run: Mapping[str, tuple[Rule, ...]]  # a project's rules travel with its runs; clients cannot set them
    approved: Mapping[str, str]  # {call: digest} of what may still start: a yes is not for ever

    def closed_paths(self, owner_id: int, run_id: str) -> tuple[str, ...]:
        """Patterns of the paths that a person's or a project's rules close: lists and searches leave them out."""
        known = (*self.by_owner[owner_id].rules, *self.by_run.get(run_id, ()))
        return tuple(rule.path for rule in known if rule.decision is Verdict.DENY and rule.path)


def default_mode() -> Mode:
    return Mode(settings.PENGUIN_PERMISSION_MODE)


def read(subjects: Sequence[Subject]) -> Settled:
    with connection.cursor() as cursor:
        cursor.execute(READ, _arguments(subjects))
        return _settled(subjects, orjson.loads(cursor.fetchone()[0]))


async def read_async(pool: AsyncConnectionPool, subjects: Sequence[Subject]) -> Settled:
    async with pool.connection() as found:
        cursor = await found.execute(READ, _arguments(subjects))
        row = await cursor.fetchone()
    assert row
    return _settled(subjects, orjson.loads(row[0]))


def _arguments(subjects: Sequence[Subject]) -> dict[str, list[Any]]:
    return {
        "owners": list({one.owner_id for one in subjects}),
        "conversations": list({one.conversation_id for one in subjects}),
        "runs": list({one.run_id for one in subjects if one.run_id}),
        "tools": list({one.tool_name for one in subjects}),
        "calls": [one.approved_call_id for one in subjects if one.approved_call_id],
    }


def _settled(subjects: Sequence[Subject], row: Mapping[str, Any]) -> Settled:
    by_owner = {one.owner_id: StandingRules(default_mode()) for one in subjects}
    for found in row["policies"] or ():
        mode = Mode(found["mode"]) if found["mode"] else default_mode()
        by_owner[found["owner"]] = StandingRules(mode, parse_rules(found["rules"]))
    for found in row["grants"] or ():
        by_owner[found["owner"]].grants.append(_grant(found))
    for found in row["pins"] or ():
        by_owner[found["owner"]].pins[found["tool"]] = found["hash"]
    by_run = {
        run_id: parse_rules(rules, prefix="project_rule")
        for run_id, rules in (row["run_rules"] or {}).items()
        if rules
    }
    return Settled(by_owner, by_run, row["approved"] or {})


def _grant(found: Mapping[str, Any]) -> KnownGrant:
    grant = StandingGrant(
        found["id"],
        found["tool"],
        found["matcher"],
        found["definition_hash"],
        found["sandbox"],
        is_newer_than_rules=found["is_newer"],
    )
    return KnownGrant(grant, found["scope"], found["conversation"], found["run"])
