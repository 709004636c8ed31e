"""Grants over HTTP: made beforehand, listed, taken back; and what they do to calls."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations import policy, sandbox
from conversations.core import argv
from conversations.core.tool_calls import Effect
from conversations.models import Grant, Run, SecurityPolicy, ToolPin
from conversations.policy import CallFacts
from conversations.tools.base import Targets
from conversations.tools.registry import find
from penguin_site.models import AuditEntry
from tests.factories import (
    DEFINITION_HASH,
    SANDBOX,
    ConversationFactory,
    GrantFactory,
    RunFactory,
)

GRANTS = "/api/v1/approvals/grants"
PRE_APPROVE = "/api/v1/approvals/pre-approve"
pytestmark = pytest.mark.django_db


@pytest.fixture
def decider(client_for, person):
    return client_for(person, "read", "chat", "approvals:decide")


def pre_approve(client, **body):
    return client.post(PRE_APPROVE, body, content_type="application/json")


def facts(run: Run, line: str = "pytest -q", **more) -> CallFacts:
    fields = {
        "call_id": str(uuid4()),
        "run_id": str(run.id),
        "conversation_id": run.conversation_id,
        "owner_id": run.owner_id,
        "tool_name": "execute_command",
        "definition_hash": DEFINITION_HASH,
        "effect": Effect.AT_MOST_ONCE,
        "changes_nothing": False,
        "arguments": {"command": line},
        "targets": Targets(command=line, argvs=argv.parse(line)),
        "sandbox": SANDBOX,
        "root": "/srv/project",
        "plan_mode": False,
    }
    return CallFacts(**fields | more)


def ruled(run: Run, line: str = "pytest -q", **more) -> str:
    [ruling] = policy.rule_on([facts(run, line, **more)])
    return ruling.rule


@pytest.fixture
def run(person) -> Run:
    return RunFactory(conversation=ConversationFactory(owner=person), status="running")


# Made beforehand


@pytest.mark.parametrize(
    ("body", "matcher"),
    [
        ({}, {"kind": "any"}),
        ({"pattern": "pytest *"}, {"kind": "argv", "pattern": "pytest *"}),
        ({"pattern": ["git", "status"]}, {"kind": "argv", "pattern": ["git", "status"]}),
    ],
    ids=str,
)
def test_a_yes_beforehand(decider, person, body, matcher):
    response = pre_approve(decider, tool="execute_command", **body)
    assert response.status_code == 201, response.content
    shown = response.json()
    assert (shown["scope"], shown["session_id"], shown["matcher"]) == ("user", None, matcher)
    grant = Grant.objects.get()
    assert grant.definition_hash == find("execute_command").definition_hash()
    assert grant.sandbox_level == sandbox.level().value
    assert AuditEntry.objects.filter(action="grant.created", actor_id=person.id).count() == 1
    assert decider.get(f"{GRANTS}/{grant.id}").json() == shown


def test_a_yes_beforehand_for_a_session_and_some_time(decider, run):
    session_id = run.conversation.session_id
    shown = pre_approve(decider, tool="execute_command", session_id=session_id, ttl_seconds=60).json()
    assert (shown["scope"], shown["session_id"]) == ("session", session_id)
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


def test_the_same_request_twice_makes_one_grant(decider):
    for _ in range(2):
        response = decider.post(
            PRE_APPROVE,
            {"tool": "execute_command"},
            content_type="application/json",
            headers={"Idempotency-Key": "once"},
        )
        assert response.status_code == 201
    assert Grant.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"tool": 5}, 400),
        ({"tool": "no_such_tool"}, 400),
        ({"tool": "mcp__unknown__tool"}, 400),
        ({"tool": "execute_command", "pattern": ""}, 400),
        ({"tool": "execute_command", "pattern": "pytest 'open"}, 400),
        ({"tool": "execute_command", "pattern": ["a", 5]}, 400),
        ({"tool": "execute_command", "ttl_seconds": 0}, 400),
        ({"tool": "execute_command", "ttl_seconds": "60"}, 400),
        ({"tool": "execute_command", "session_id": "no-such-session"}, 404),
    ],
    ids=str,
)
def test_what_cannot_be_granted(decider, body, status):
    assert pre_approve(decider, **body).status_code == status
    assert not Grant.objects.exists()


def test_a_foreign_tool_can_be_granted_as_it_was_approved_once(decider, person):
    ToolPin.objects.create(owner=person, tool_name="mcp__git__status", definition_hash="f" * 64)
    assert pre_approve(decider, tool="mcp__git__status", pattern="some").status_code == 400
    assert pre_approve(decider, tool="mcp__git__status").status_code == 201
    assert Grant.objects.get().definition_hash == "f" * 64


def test_granting_and_revoking_take_the_scope_of_decisions(api, person):
    grant = GrantFactory(owner=person)
    for response in (
        pre_approve(api, tool="execute_command"),
        api.delete(f"{GRANTS}/{grant.id}"),
        api.delete(f"/api/v1/approvals/session/{ConversationFactory(owner=person).session_id}"),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert api.get(GRANTS).status_code == 200
    grant.refresh_from_db()
    assert not grant.revoked_at


# Listed, revoked


def test_pages_are_newest_first_and_hold_each_grant_once(api, person):
    now = datetime.now(UTC)
    made = [GrantFactory(owner=person, created_at=now - timedelta(minutes=n // 2)) for n in range(5)]
    GrantFactory()
    GrantFactory(owner=person, revoked_at=now)
    GrantFactory(owner=person, expires_at=now - timedelta(seconds=1))
    seen, cursor = [], ""
    while True:
        page = api.get(GRANTS, {"limit": 2, "cursor": cursor}).json()
        seen += [grant["id"] for grant in page["grants"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    expected = sorted(made, key=lambda grant: (grant.created_at, grant.id), reverse=True)
    assert seen == [str(grant.id) for grant in expected]
    assert api.get(GRANTS, {"cursor": "nonsense"}).status_code == 400


def test_a_grant_is_taken_back_once(decider, person, run):
    grant = GrantFactory(owner=person)
    assert ruled(run) == f"grant:{grant.id}"
    first = decider.delete(f"{GRANTS}/{grant.id}").json()
    assert first["revoked_at"]
    assert decider.delete(f"{GRANTS}/{grant.id}").json() == first
    assert ruled(run) == "mode:workspace"
    assert AuditEntry.objects.filter(action="grant.revoked").count() == 1


def test_another_persons_grant_does_not_exist(decider):
    theirs = GrantFactory()
    for method in ("get", "delete"):
        for grant_id in (theirs.id, uuid4()):
            assert getattr(decider, method)(f"{GRANTS}/{grant_id}").status_code == 404
    theirs.refresh_from_db()
    assert not theirs.revoked_at


# What they cover


def test_scopes(person, run):
    other_run = RunFactory(conversation=run.conversation, status="queued")
    elsewhere = RunFactory(conversation=ConversationFactory(owner=person))
    of_session = GrantFactory(owner=person, scope="session", conversation=run.conversation)
    assert ruled(run) == ruled(other_run) == f"grant:{of_session.id}"
    assert ruled(elsewhere) == "mode:workspace"
    of_session.delete()
    of_run = GrantFactory(owner=person, scope="run", run=run, conversation=run.conversation)
    assert ruled(run) == f"grant:{of_run.id}"
    assert ruled(other_run) == ruled(elsewhere) == "mode:workspace"
    of_run.delete()
    of_user = GrantFactory(owner=person)
    assert ruled(run) == ruled(elsewhere) == f"grant:{of_user.id}"
    assert ruled(RunFactory()) == "mode:workspace"  # somebody else's


@pytest.mark.parametrize(
    "void",
    [
        {"revoked_at": datetime(2024, 1, 1, tzinfo=UTC)},
        {"expires_at": datetime(2024, 1, 1, tzinfo=UTC)},
        {"definition_hash": "e" * 64},
        {"sandbox_level": "landlock"},
        {"tool_name": "process_start"},
    ],
    ids=str,
)
def test_grants_that_do_not_count(person, run, void):
    GrantFactory(owner=person, **void)
    assert ruled(run) == "mode:workspace"


def test_a_rule_that_asks_is_answered_by_newer_grants_only(person, run):
    now = datetime.now(UTC)
    SecurityPolicy.objects.create(
        user=person, rules=[{"decision": "ask", "argv": ["pytest"]}], updated_at=now
    )
    GrantFactory(owner=person, created_at=now - timedelta(seconds=1))
    assert ruled(run) == "rule:1"
    newer = GrantFactory(owner=person, created_at=now + timedelta(seconds=1))
    assert ruled(run) == f"grant:{newer.id}"


def test_many_calls_are_ruled_on_in_a_constant_number_of_statements(person, run):
    def statements(number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert len(policy.rule_on([facts(run, f"pytest {n}") for n in range(number)])) == number
        return len(captured)

    GrantFactory.create_batch(3, owner=person)
    assert statements(1) == statements(20) <= 4
    assert policy.rule_on([]) == []
