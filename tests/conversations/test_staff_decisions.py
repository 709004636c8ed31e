"""Staff decide about everybody's approvals, take grants back and end runs; of two who decide at once one counts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.test import Client

from conversations.models import Approval, Grant, Run
from penguin_site.models import AuditEntry
from tests.factories import ApprovalFactory, GrantFactory, RunFactory, ToolCallFactory
from tests.site.staff import in_group, told

INBOX = "/admin/conversations/approval/inbox/"


def waiting(**fields) -> Approval:
    run = RunFactory(status="waiting_approval", attempt=1)
    return ApprovalFactory(tool_call=ToolCallFactory(run=run, status="pending_approval"), **fields)


def decide(client: Client, approval: Approval, decision: str, **more: str):
    data = {"decision": decision, "digest": approval.digest, **more}
    return client.post(f"/admin/conversations/approval/{approval.id}/decide/", data)


@pytest.mark.django_db
def test_the_inbox_shows_what_waits_and_decides():
    moderator = in_group("moderator")
    late = waiting(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    last = waiting(
        expires_at=datetime.now(UTC) + timedelta(hours=9), diff="-a\n+<b>\n", resource="rm \u202e a"
    )
    first = waiting(expires_at=datetime.now(UTC) + timedelta(hours=1))
    text = moderator.get(INBOX).content.decode()
    assert text.index(str(first.id)) < text.index(str(last.id))
    assert str(late.id) not in text
    assert "rm ⟨U+202E⟩ a" in text
    assert '<span data-line="added">+&lt;b&gt;</span>' in text

    assert told(decide(moderator, last, "deny", feedback="Not on main")) == ["execute_command was denied."]
    last.refresh_from_db()
    assert (last.status, last.feedback, last.resolved_by.username) == ("denied", "Not on main", "moderator")
    assert told(decide(moderator, first, "approve_session")) == ["execute_command was approved."]
    first.refresh_from_db()
    assert (first.status, first.resolution_scope) == ("approved", "session")
    granted = Grant.objects.get()
    assert (granted.owner, granted.conversation) == (first.owner, first.conversation)
    assert (
        "no longer" not in moderator.get(f"/admin/conversations/approval/{first.id}/change/").content.decode()
    )
    actions = AuditEntry.objects.exclude(action__startswith="staff.").order_by("id")
    assert [(entry.actor, entry.action) for entry in actions] == [
        ("moderator", "approval.denied"),
        ("moderator", "approval.approved"),
        ("moderator", "grant.created"),
    ]


@pytest.mark.django_db
def test_what_cannot_be_decided_so_is_told_and_changes_nothing():
    moderator, approval = in_group("moderator"), waiting()
    for decision, digest, sentence in (
        ("approve", "0" * 64, "The call is not the one that was shown."),
        ("approve", "", "The call is not the one that was shown."),
        ("maybe", approval.digest, "decision: approve, approve_session or deny"),
    ):
        assert told(decide(moderator, approval, decision, digest=digest)) == [sentence]
    approved = decide(moderator, approval, "approve", back="https://evil.example/")
    assert (approved.url, told(approved)) == (INBOX, ["execute_command was approved."])
    approval.refresh_from_db()
    assert approval.status == "approved"
    assert told(decide(moderator, approval, "deny")) == ["This approval is approved."]
    # To look is not to decide.
    auditor = in_group("auditor")
    open_one = waiting()
    assert b'value="approve"' not in auditor.get(INBOX).content
    assert decide(auditor, open_one, "approve").status_code == 403
    assert auditor.get(f"/admin/conversations/approval/{open_one.id}/decide/").status_code == 403
    assert Approval.objects.get(id=open_one.id).status == "pending"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_counts():
    clients = [in_group("moderator", name=f"moderator{n}") for n in range(2)]
    for _ in range(4):
        approval = waiting()
        barrier = Barrier(2)

        def press(client: Client, decision: str, approval=approval, barrier=barrier) -> list[str]:
            try:
                barrier.wait()
                return told(decide(client, approval, decision))
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as threads:
            said = list(threads.map(press, clients, ("approve", "deny")))
        approval.refresh_from_db()
        winner = 0 if approval.status == "approved" else 1
        assert said[winner] == [f"execute_command was {approval.status}."]
        assert said[1 - winner] == [f"This approval is {approval.status}."]
        decided = AuditEntry.objects.filter(object=f"conversations.approval:{approval.id}")
        assert [(entry.actor, entry.action) for entry in decided] == [
            (f"moderator{winner}", f"approval.{approval.status}")
        ]


@pytest.mark.django_db
def test_grants_are_revoked_and_runs_cancelled():
    moderator = in_group("moderator")
    grant, over = GrantFactory(), GrantFactory(revoked_at=datetime.now(UTC))
    data = {"action": "revoke", "_selected_action": [str(grant.pk), str(over.pk)]}
    assert told(moderator.post("/admin/conversations/grant/", data)) == ["1 grants revoked."]
    assert not Grant.objects.filter(revoked_at=None).exists()
    run = RunFactory(status="queued")
    page = f"/admin/conversations/run/{run.id}/"
    assert b"Cancel this run" in moderator.get(f"{page}change/").content
    assert told(moderator.post(f"{page}cancel/")) == ["The run is cancelled."]
    assert Run.objects.get().status == "cancelled"
    assert b"Cancel this run" not in moderator.get(f"{page}change/").content
    entry = AuditEntry.objects.get(action="run.cancelled")
    assert (entry.actor, entry.before, entry.after) == (
        "moderator",
        {"status": "queued"},
        {"status": "cancelled"},
    )
    reviewer = in_group("feedback reviewer")
    assert reviewer.get(f"{page}change/").status_code == 200
    assert reviewer.post(f"{page}cancel/").status_code == 403
    assert reviewer.post("/admin/conversations/grant/", data).status_code == 403
