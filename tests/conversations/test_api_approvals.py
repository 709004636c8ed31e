"""Approvals over HTTP: what waits, one decision each, and all that follows from it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime

from conversations import approvals, policy
from conversations.approvals import approval_shape
from conversations.core.tool_calls import CallStatus, Effect
from conversations.models import (
    Approval,
    Conversation,
    ConversationEvent,
    Grant,
    Message,
    Question,
    ToolPin,
)
from conversations.policy import CallFacts
from conversations.runs import cancel_run
from conversations.tools.base import Targets
from conversations.tools.registry import find
from penguin_site.models import AuditEntry
from tests.factories import (
    DEFINITION_HASH,
    SANDBOX,
    ApprovalFactory,
    ConversationFactory,
    GrantFactory,
    QuestionFactory,
    RunFactory,
    ToolCallFactory,
)

APPROVALS = "/api/v1/approvals"
pytestmark = pytest.mark.django_db


@pytest.fixture
def decider(client_for, person):
    return client_for(person, "read", "chat", "approvals:decide")


def waiting(owner, **fields) -> Approval:
    """An approval of the owner's, in a conversation and a run of its own."""
    if "tool_call" in fields:
        return ApprovalFactory(**fields)
    call_fields = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    run = RunFactory(conversation=ConversationFactory(owner=owner), status="waiting_approval", attempt=1)
    return ApprovalFactory(tool_call=ToolCallFactory(run=run, **call_fields), **fields)


def decide(client, approval, what="approve", **body):
    return client.post(f"{APPROVALS}/{approval.id}/{what}", body, content_type="application/json")


def fresh(approval: Approval) -> Approval:
    return Approval.objects.select_related("tool_call", "run", "conversation").get(id=approval.id)


def events_of(approval: Approval) -> list[str]:
    events = ConversationEvent.objects.filter(run_id=approval.run_id).order_by("seq")
    return list(events.values_list("type", flat=True))


# Looking


def test_the_list_shows_what_waits_longest_first(api, person):
    now = datetime.now(UTC)
    second = waiting(person, created_at=now - timedelta(minutes=1))
    first = waiting(person, created_at=now - timedelta(minutes=2))
    waiting(person, status="denied")
    waiting(person, expires_at=now - timedelta(seconds=1))  # nobody may decide about it any more
    waiting(ConversationFactory().owner)
    body = api.get(APPROVALS).json()
    assert [approval["id"] for approval in body["pending"]] == [str(first.id), str(second.id)]
    assert body["count"] == 2


def test_an_approval_has_the_documented_shape(api, person):
    approval = waiting(person, diff="--- a\n+++ b\n")
    body = api.get(f"{APPROVALS}/{approval.id}").json()
    assert body == approval_shape(fresh(approval))
    assert body["session_id"] == approval.conversation.session_id
    assert (body["status"], body["operation"], body["resource"]) == ("pending", "execute", "pytest -q")
    assert (body["resolved_at"], body["resolved_by"], body["resolution_scope"]) == (None, None, None)
    assert body["expires_at"].endswith("Z")
    assert parse_datetime(body["expires_at"]) == approval.expires_at


def test_the_shape_needs_no_database():
    """The runner tells of approvals that are not stored yet."""
    made = ApprovalFactory.build(
        tool_call=None, conversation=None, run=None, owner=None, tool_name="x", arguments={}, digest="d"
    )
    assert approval_shape(made, session_id="some")["session_id"] == "some"


def test_the_list_takes_a_constant_number_of_statements(api, person):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(APPROVALS).status_code == 200
        return len(captured)

    waiting(person)
    statements()
    few = statements()
    for _ in range(10):
        waiting(person)
    assert statements() == few <= 3


# Deciding


def test_a_yes_lets_the_run_go_on(decider, person):
    approval = waiting(person)
    response = decide(decider, approval)
    assert response.status_code == 200, response.content
    body = response.json()
    assert (body["status"], body["resolution_scope"]) == ("approved", "once")
    assert body["resolved_by"] == person.username
    stored = fresh(approval)
    assert stored.tool_call.status == CallStatus.READY
    assert (stored.run.status, stored.conversation.queued_runs) == ("queued", 1)
    assert events_of(approval) == ["approval.decided", "run.requeued"]
    told = ConversationEvent.objects.get(run_id=approval.run_id, type="approval.decided")
    assert told.payload["approval"] == body
    assert not Grant.objects.exists()


def test_a_no_is_the_result_of_the_call_with_its_feedback(decider, person):
    approval = waiting(person)
    response = decide(decider, approval, "deny", feedback="Use make instead.")
    assert (response.status_code, response.json()["status"]) == (200, "denied")
    assert response.json()["feedback"] == "Use make instead."
    stored = fresh(approval)
    assert stored.tool_call.status == CallStatus.DENIED
    result = Message.objects.get(id=stored.tool_call.message_id)
    assert (result.role, result.content) == ("tool", "Denied by the user: Use make instead.")
    assert stored.conversation.message_count == 1
    assert stored.run.status == "queued"
    assert events_of(approval) == ["approval.decided", "tool.ended", "run.requeued"]


@pytest.mark.parametrize(("first", "status"), [("approve", "approved"), ("deny", "denied")])
@pytest.mark.parametrize("second", ["approve", "deny"])
def test_the_first_decision_stands(decider, person, first, status, second):
    approval = waiting(person)
    before = decide(decider, approval, first).json()
    response = decide(decider, approval, second)
    assert (response.status_code, response.json()["code"]) == (409, "approval_decided")
    assert response.json()["approval"] == before
    assert fresh(approval).status == status
    assert events_of(approval).count("approval.decided") == 1


@pytest.mark.parametrize("status", ["cancelled", "superseded"])
def test_what_is_no_longer_asked_cannot_be_decided(decider, person, status):
    approval = waiting(person, status=status)
    response = decide(decider, approval)
    assert (response.status_code, response.json()["code"]) == (409, "approval_decided")
    assert response.json()["approval"]["status"] == status


@pytest.mark.parametrize("what", ["approve", "deny"])
def test_after_the_deadline_it_is_a_no_whether_or_not_a_chore_has_run(decider, person, what):
    approval = waiting(person, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    for _ in range(2):
        response = decide(decider, approval, what)
        assert (response.status_code, response.json()["code"]) == (410, "approval_expired")
        assert response.json()["approval"]["status"] == "expired"
    stored = fresh(approval)
    assert (stored.tool_call.status, stored.run.status) == (CallStatus.DENIED, "queued")
    assert "in time" in Message.objects.get(id=stored.tool_call.message_id).content
    assert events_of(approval) == ["approval.expired", "tool.ended", "run.requeued"]


def test_what_nobody_decides_expires_by_itself(person):
    now = datetime.now(UTC)
    due = waiting(person, expires_at=now - timedelta(seconds=1))
    later = waiting(person, expires_at=now + timedelta(seconds=60))
    asked = QuestionFactory(
        tool_call__run__conversation=ConversationFactory(owner=person), expires_at=now - timedelta(seconds=1)
    )
    assert approvals.expire_due(now=now) == 2
    assert approvals.expire_due(now=now) == 0
    assert (fresh(due).status, fresh(later).status) == ("expired", "pending")
    assert Question.objects.get(id=asked.id).status == "expired"
    assert AuditEntry.objects.get(action="approval.expired").actor == "system"


@pytest.mark.parametrize("what", ["approve", "deny"])
def test_a_decision_about_another_digest_is_refused_with_the_current_one(decider, person, what):
    approval = waiting(person)
    response = decide(decider, approval, what, digest="0" * 64)
    assert (response.status_code, response.json()["code"]) == (409, "digest_mismatch")
    assert response.json()["digest"] == approval.digest
    assert fresh(approval).status == "pending"
    assert decide(decider, approval, what, digest=approval.digest).status_code == 200


def test_a_run_waits_until_all_of_it_is_decided(decider, person):
    approval = waiting(person)
    other = ApprovalFactory(tool_call=ToolCallFactory(run=approval.run))
    decide(decider, approval)
    assert fresh(approval).run.status == "waiting_approval"
    decide(decider, other, "deny")
    assert fresh(approval).run.status == "queued"
    assert events_of(approval).count("run.requeued") == 1


def test_a_run_with_an_open_question_waits_for_the_answer_too(decider, person):
    approval = waiting(person)
    QuestionFactory(tool_call=ToolCallFactory(run=approval.run, status="started"))
    decide(decider, approval)
    assert fresh(approval).run.status == "waiting_approval"


def test_a_paused_run_stays_paused(decider, person):
    approval = waiting(person)
    approval.run.status = "paused"
    approval.run.save()
    assert decide(decider, approval).status_code == 200
    assert fresh(approval).run.status == "paused"


def test_nothing_can_be_decided_after_a_cancel(decider, person):
    approval = waiting(person)
    cancel_run(run=approval.run, now=datetime.now(UTC))
    stored = fresh(approval)
    assert (stored.status, stored.tool_call.status, stored.run.status) == ("cancelled",) * 3
    assert decide(decider, approval).status_code == 409
    assert events_of(approval) == ["approval.decided", "tool.ended", "run.ended"]


# Who may


def test_a_key_needs_the_scope_to_decide(api, person):
    approval = waiting(person)
    for what in ("approve", "deny"):
        response = decide(api, approval, what)
        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert fresh(approval).status == "pending"
    assert api.get(f"{APPROVALS}/{approval.id}").status_code == 200


def test_another_persons_approval_does_not_exist(decider):
    theirs = waiting(ConversationFactory().owner)
    for approval_id in (theirs.id, uuid4()):
        assert decider.get(f"{APPROVALS}/{approval_id}").status_code == 404
        for what in ("approve", "deny"):
            address = f"{APPROVALS}/{approval_id}/{what}"
            response = decider.post(address, {}, content_type="application/json")
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert fresh(theirs).status == "pending"


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "forever"},
        {"scope": 5},
        {"pattern": 5},
        {"pattern": []},
        {"pattern": "  "},
        {"scope": "pattern"},
        {"scope": "session", "pattern": "ls *"},  # not about this call
        {"scope": "pattern", "pattern": "pytest 'open"},
        {"digest": 5},
        {"arguments": []},
        {"arguments": {"command": 5}},
        {"arguments": {}},
        {"arguments": {"command": "ls", "cwd": "no-such-folder"}},
    ],
    ids=str,
)
def test_a_wrong_body_decides_nothing(decider, person, body):
    approval = waiting(person)
    response = decide(decider, approval, **body)
    assert response.status_code == 400, response.content
    assert response.json()["errors"]
    assert fresh(approval).status == "pending"


# What stays


@pytest.mark.parametrize(
    ("body", "scope", "matcher"),
    [
        ({"scope": "session"}, "session", {"pattern": [["pytest", "-q"]], "line": "pytest -q", "cwd": "."}),
        ({"scope": "always"}, "user", {"pattern": [["pytest", "-q"]], "line": "pytest -q", "cwd": "."}),
        ({"scope": "pattern", "pattern": "pytest *"}, "session", {"pattern": "pytest *"}),
        ({"scope": "always", "pattern": ["pytest"]}, "user", {"pattern": ["pytest"]}),
    ],
    ids=str,
)
def test_a_yes_that_stays_is_a_grant(decider, person, body, scope, matcher):
    approval = waiting(person)
    assert decide(decider, approval, **body).json()["resolution_scope"] == body["scope"]
    grant = Grant.objects.get()
    assert grant.matcher == {"kind": "argv", **matcher}
    assert (grant.scope, grant.owner_id, grant.tool_name) == (scope, person.id, "execute_command")
    assert grant.conversation_id == (approval.conversation_id if scope == "session" else None)
    assert (grant.definition_hash, grant.sandbox_level) == (
        approval.subject["definition_hash"],
        approval.subject["sandbox"],
    )
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions[-2:] == ["approval.approved", "grant.created"]


@pytest.mark.parametrize("scope", ["session", "always"])
def test_what_cannot_be_taken_apart_is_allowed_once(decider, person, scope):
    approval = waiting(person, targets=Targets(command="rm $x", argvs=None))
    response = decide(decider, approval, scope=scope)
    assert (response.status_code, response.json()["resolution_scope"]) == (200, "once")
    assert not Grant.objects.exists()


def test_a_foreign_tool_is_known_as_it_was_approved(decider, person):
    approval = waiting(person, name="mcp__git__status", targets=Targets(foreign=True))
    decide(decider, approval)
    pin = ToolPin.objects.get()
    assert (pin.owner_id, pin.tool_name, pin.definition_hash) == (
        person.id,
        "mcp__git__status",
        approval.subject["definition_hash"],
    )


def test_every_decision_is_audited(decider, person):
    yes, no = waiting(person), waiting(person)
    decide(decider, yes)
    decide(decider, no, "deny")
    entries = list(AuditEntry.objects.filter(action__startswith="approval.").order_by("id"))
    assert [entry.action for entry in entries] == ["approval.approved", "approval.denied"]
    assert [entry.object for entry in entries] == [
        f"conversations.approval:{approval.id}" for approval in (yes, no)
    ]
    assert {entry.actor_id for entry in entries} == {person.id}
    assert all(entry.address_hash for entry in entries)


# Edited arguments


def test_edited_arguments_stand_beside_the_models_and_are_what_is_approved(decider, person):
    approval = waiting(person)
    response = decide(decider, approval, arguments={"command": "pytest -x"}, digest=approval.digest)
    assert response.status_code == 200, response.content
    stored = fresh(approval)
    assert stored.arguments == stored.tool_call.arguments == {"command": "pytest -q"}
    assert stored.edited_arguments == stored.tool_call.edited_arguments == {"command": "pytest -x"}
    assert stored.digest != approval.digest
    assert stored.resource == "pytest -x"
    assert stored.subject["definition_hash"] == find("execute_command").definition_hash()


def test_edited_arguments_that_the_policy_denies_are_refused(decider, person):
    approval = waiting(person)
    config = {"rules": [{"decision": "deny", "argv": ["rm"]}]}
    assert (
        decider.patch("/api/v1/security/config", config, content_type="application/json").status_code == 200
    )
    response = decide(decider, approval, arguments={"command": "rm -r build"})
    assert (response.status_code, response.json()["code"]) == (409, "policy_denied")
    assert "rm" in response.json()["detail"]
    assert fresh(approval).status == "pending"


def test_an_edit_and_a_scope_grant_the_edited_call(decider, person):
    approval = waiting(person)
    decide(decider, approval, arguments={"command": "pytest -x"}, scope="session")
    assert Grant.objects.get().matcher["pattern"] == [["pytest", "-x"]]


# When the call is about to start


def start(approval: Approval, **more) -> str:
    """The rule that decides then; the runner names the digest it was approved with."""
    targets = Targets(command="pytest -q", argvs=(("pytest", "-q"),))
    fields = {
        "call_id": str(approval.tool_call_id),
        "run_id": str(approval.run_id),
        "conversation_id": approval.conversation_id,
        "owner_id": approval.owner_id,
        "tool_name": approval.tool_name,
        "definition_hash": DEFINITION_HASH,
        "effect": Effect.AT_MOST_ONCE,
        "changes_nothing": False,
        "arguments": approval.arguments,
        "targets": targets,
        "sandbox": SANDBOX,
        "root": "/srv/project",
        "plan_mode": False,
        "approved_digest": approval.digest,
    }
    [ruling] = policy.rule_on([CallFacts(**fields | more)])
    return ruling.rule


def test_an_approved_call_starts(decider, person):
    approval = waiting(person)
    assert start(approval) == "mode:workspace"  # it waits still
    decide(decider, approval)
    assert start(approval) == "approval"


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"command": "pytest -x"}},
        {"definition_hash": "e" * 64},
        {"sandbox": "landlock"},
        {"root": "/elsewhere"},
        {"targets": Targets(command="pytest -q", argvs=(("pytest", "-q"),), cwd="sub")},
        {"targets": Targets(command="pytest -q", argvs=(("pytest", "-q"),), network=True)},
        {"approved_digest": None},
    ],
    ids=str,
)
def test_what_has_changed_since_the_yes_is_asked_about_again(decider, person, change):
    approval = waiting(person)
    decide(decider, approval)
    assert start(approval, **change) != "approval"


def test_a_yes_does_not_last_longer_than_its_deadline(decider, person):
    approval = waiting(person)
    decide(decider, approval)
    Approval.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert start(approval) == "mode:workspace"


def test_a_mode_that_was_tightened_since_denies(decider, person):
    approval = waiting(person)
    decide(decider, approval)
    decider.patch("/api/v1/security/config", {"mode": "read_only"}, content_type="application/json")
    assert start(approval) == "mode:read_only"


# Sessions


def test_a_session_shows_and_takes_back_what_is_granted_in_it(decider, person):
    approval = waiting(person)
    other = waiting(person)
    mine = GrantFactory(owner=person, scope="session", conversation=approval.conversation)
    elsewhere = GrantFactory(owner=person)
    address = f"{APPROVALS}/session/{approval.conversation.session_id}"
    body = decider.get(address).json()
    assert [shown["id"] for shown in body["pending"]] == [str(approval.id)]
    assert (body["count"], [grant["id"] for grant in body["grants"]]) == (1, [str(mine.id)])
    assert decider.delete(address).json() == {"revoked": 1}
    assert decider.delete(address).json() == {"revoked": 0}
    assert decider.get(address).json()["grants"] == []
    mine.refresh_from_db()
    elsewhere.refresh_from_db()
    assert mine.revoked_at
    assert not elsewhere.revoked_at
    assert fresh(other).status == "pending"


def test_a_foreign_session_does_not_exist(decider):
    theirs = ConversationFactory()
    for method in ("get", "delete"):
        assert getattr(decider, method)(f"{APPROVALS}/session/{theirs.session_id}").status_code == 404


def test_deleting_a_conversation_takes_its_approvals_along(decider, person):
    approval = waiting(person, status="denied")
    approval.run.status = "completed"
    approval.run.save()
    Conversation.objects.filter(pk=approval.conversation_id).update(open_runs=0, queued_runs=0)
    response = decider.delete(f"/api/v1/conversations/{approval.conversation.session_id}")
    assert response.status_code == 200
    assert not Approval.objects.exists()
