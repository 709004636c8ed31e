"""One's permission mode and rules over HTTP: what they are, who may loosen them, what they say, who did what."""

from uuid import uuid4

import pytest

from conversations import policy
from conversations.core.tool_calls import Effect
from conversations.models import Run, SecurityPolicy
from conversations.policy import CallFacts
from conversations.tools.base import Targets
from penguin_site.models import AuditEntry
from tests.factories import ConversationFactory, RunFactory

CONFIG = "/api/v1/security/config"
EXPLAIN = "/api/v1/policy/explain"
AUDIT = "/api/v1/security/audit"
pytestmark = pytest.mark.django_db

DENY = {"decision": "deny", "path": "secrets/**"}
ALLOW = {"decision": "allow", "argv": ["pytest"]}


@pytest.fixture
def decider(client_for, person):
    return client_for(person, "read", "chat", "approvals:decide")


def change(client, **body):
    return client.patch(CONFIG, body, content_type="application/json")


def explain(client, tool="execute_command", arguments=None, **more):
    body = {"tool": tool, "arguments": arguments or {"command": "pytest -q"}, **more}
    return client.post(EXPLAIN, body, content_type="application/json")


def verdict(run: Run, targets: Targets, **more) -> str:
    fields = {
        "call_id": str(uuid4()),
        "run_id": str(run.id),
        "conversation_id": run.conversation_id,
        "owner_id": run.owner_id,
        "tool_name": "some_tool",
        "definition_hash": "d" * 64,
        "effect": Effect.RECONCILABLE,
        "changes_nothing": False,
        "arguments": {},
        "targets": targets,
        "sandbox": "bubblewrap",
        "root": "/srv/project",
        "plan_mode": False,
    }
    [ruling] = policy.rule_on([CallFacts(**fields | more)])
    return ruling.rule


# The configuration


def test_without_a_choice_of_ones_own_the_servers_mode_counts(api, settings):
    settings.PENGUIN_PERMISSION_MODE = "read_only"
    assert api.get(CONFIG).json() == {
        "mode": "read_only",
        "default_mode": "read_only",
        "own_mode": None,
        "rules": [],
        "updated_at": None,
    }


def test_mode_and_rules_are_kept_and_audited(decider, person):
    response = change(decider, mode="full", rules=[DENY, ALLOW])
    assert response.status_code == 200, response.content
    body = decider.get(CONFIG).json()
    assert body == response.json()
    assert (body["mode"], body["own_mode"], body["rules"]) == ("full", "full", [DENY, ALLOW])
    assert body["updated_at"]
    entry = AuditEntry.objects.get(action="policy.changed")
    assert (entry.actor_id, entry.object) == (person.id, f"policy:{person.id}")
    assert entry.before == {"mode": "workspace", "rules": []}
    assert entry.after == {"mode": "full", "rules": [DENY, ALLOW]}
    change(decider, mode="full")  # nothing new
    assert AuditEntry.objects.filter(action="policy.changed").count() == 1
    assert change(decider, mode=None).json()["own_mode"] is None


def test_a_change_has_effect_at_once(decider, person):
    run = RunFactory(conversation=ConversationFactory(owner=person))
    write = Targets(writes=("secrets/a",))
    assert verdict(run, write) == "mode:workspace"
    change(decider, rules=[DENY])
    assert verdict(run, write) == "rule:1"
    change(decider, mode="read_only", rules=[])
    assert verdict(run, write) == "mode:read_only"
    assert verdict(RunFactory(), write) == "mode:workspace"  # somebody else's


def test_a_projects_rules_travel_with_its_runs(decider, person):
    conversation = ConversationFactory(owner=person)
    run = RunFactory(conversation=conversation, options={"rules": [{"decision": "deny", "path": "**"}]})
    assert verdict(run, Targets(writes=("a",))) == "project_rule:1"
    change(decider, rules=[{"decision": "allow", "path": "**"}])
    assert verdict(run, Targets(writes=("a",))) == "project_rule:1"
    assert verdict(RunFactory(conversation=conversation), Targets(deletes=("a",))) == "rule:1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"mode": "read_only"}),
        ({}, {"rules": [DENY]}),
        ({"rules": [ALLOW]}, {"rules": []}),
        ({"mode": "full", "rules": [ALLOW]}, {"mode": "workspace", "rules": [DENY]}),
        ({"mode": "full"}, {"mode": None}),
    ],
    ids=str,
)
def test_who_chats_may_make_it_stricter(api, person, before, after):
    SecurityPolicy.objects.create(user=person, **before)
    assert change(api, **after).status_code == 200


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"mode": "full"}),
        ({"mode": "read_only"}, {"mode": "workspace"}),
        ({"mode": "read_only"}, {"mode": None}),
        ({}, {"rules": [ALLOW]}),
        ({"rules": [DENY]}, {"rules": []}),
        ({"mode": "full"}, {"mode": "read_only", "rules": [ALLOW]}),
    ],
    ids=str,
)
def test_looser_takes_the_scope_of_decisions(api, decider, person, before, after):
    SecurityPolicy.objects.create(user=person, **before)
    response = change(api, **after)
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    stored = SecurityPolicy.objects.get(user=person)
    assert (stored.mode, stored.rules) == (before.get("mode"), before.get("rules", []))
    assert change(decider, **after).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "yolo"},
        {"mode": 5},
        {"rules": {}},
        {"rules": [5]},
        {"rules": [{}]},
        {"rules": [{"decision": "allow"}]},
        {"rules": [{"decision": "perhaps", "tool": "x"}]},
        {"rules": [{"decision": "allow", "paths": "x", "tool": "y"}]},
        {"rules": [{"decision": "allow", "argv": "pytest"}]},
        {"rules": [DENY] * 201},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_wrong_body_changes_nothing(decider, person, body):
    response = change(decider, **body)
    assert response.status_code == 400
    assert response.json()["errors"]
    assert not SecurityPolicy.objects.filter(user=person).exclude(rules=[], mode=None).exists()


# What would be


def test_it_says_which_rule_decides_and_what_could_be_granted(decider):
    body = explain(decider).json()
    assert (body["verdict"], body["rule"], body["operation"], body["resource"]) == (
        "ask",
        "mode:workspace",
        "execute",
        "pytest -q",
    )
    assert body["reason"]
    assert body["grants"] == [
        {"kind": "argv", "pattern": [["pytest", "-q"]], "line": "pytest -q", "cwd": "."}
    ]
    change(decider, rules=[ALLOW])
    assert explain(decider).json()["rule"] == "rule:1"
    untold = explain(decider, arguments={"command": "pytest $x"}).json()
    assert (untold["verdict"], untold["rule"], untold["grants"]) == ("ask", "unreadable_command", [])


def test_it_says_what_plan_mode_denies(api):
    body = explain(api, agent_mode="plan").json()
    assert (body["verdict"], body["rule"]) == ("deny", "plan_mode")
    assert body["grants"] == []  # no grant would permit it


@pytest.mark.parametrize("tool", ["process_poll", "process_stop"])
def test_nobody_is_asked_about_looking_at_a_process_or_ending_it(api, tool):
    """The run would wait for the answer, and a run that waits has no processes."""
    body = explain(api, tool=tool, arguments={"process_id": "proc_1"}).json()
    assert body["verdict"] == "allow"


def test_a_secret_is_named_in_the_reason(api):
    assert "secret" in explain(api, arguments={"command": "cat .env"}).json()["reason"]


def test_it_looks_from_the_sessions_directory(owner_api, tmp_path):
    (tmp_path / "sub").mkdir()
    there = {"command": "ls", "cwd": "sub"}
    assert explain(owner_api, arguments=there).status_code == 400  # not in the workspace
    assert explain(owner_api, arguments=there, directory=str(tmp_path)).status_code == 200
    made = owner_api.post(
        "/api/v1/conversations/create", {"directory": str(tmp_path)}, content_type="application/json"
    )
    session_id = made.json()["session_id"]
    assert explain(owner_api, arguments=there, session_id=session_id).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"tool": "no_such_tool", "arguments": {}}, 400),
        ({"tool": "execute_command"}, 400),
        ({"tool": "execute_command", "arguments": []}, 400),
        ({"tool": "execute_command", "arguments": {}}, 400),
        ({"tool": "execute_command", "arguments": {"command": 5}}, 400),
        ({"tool": "execute_command", "arguments": {"command": "ls"}, "agent_mode": "x"}, 400),
        ({"tool": "execute_command", "arguments": {"command": "ls"}, "directory": "/etc"}, 400),
        ({"tool": "execute_command", "arguments": {"command": "ls"}, "session_id": "no-such"}, 404),
    ],
    ids=str,
)
def test_what_cannot_be_explained(api, body, status):
    response = api.post(EXPLAIN, body, content_type="application/json")
    assert response.status_code == status, response.content


def test_another_persons_session_is_not_looked_at(api):
    assert explain(api, session_id=ConversationFactory().session_id).status_code == 404


# The audit


def test_ones_own_deeds_newest_first_in_pages(decider, client_for):
    for mode in ("full", "read_only", "workspace"):
        change(decider, mode=mode)
    stranger = client_for(ConversationFactory().owner, "chat", "approvals:decide")
    change(stranger, mode="full")
    first = decider.get(AUDIT, {"limit": 2}).json()
    assert [entry["after"]["mode"] for entry in first["entries"]] == ["workspace", "read_only"]
    second = decider.get(AUDIT, {"limit": 2, "before": first["next_before"]}).json()
    assert [entry["after"]["mode"] for entry in second["entries"]] == ["full"]
    assert second["next_before"] is None
    assert decider.get(AUDIT, {"before": "x"}).status_code == 400
