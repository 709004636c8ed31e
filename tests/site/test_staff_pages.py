"""The admin as a whole: who may see what, and what nobody may change."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conversations.models import Run
from penguin_site import api_keys, audit
from penguin_site.audit.staff_lists import first_id_of
from penguin_site.models import ApiKey, AuditEntry, User
from penguin_site.staff import figures, groups, navigation
from tests.factories import (
    ApprovalFactory,
    ConversationFactory,
    EventFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    UserFactory,
)
from tests.site.staff import in_group, superuser, told

pytestmark = pytest.mark.django_db

MODERATOR, FEEDBACK, ADS, FINANCE, AUDITOR = groups.PERMISSIONS
CONVERSATION = "/admin/conversations/conversation/{conversation}/"
# Who may open a page; everybody else of staff is refused.
PAGES = {
    "/admin/": {MODERATOR, FEEDBACK, ADS, FINANCE, AUDITOR},
    "/admin/usage/": {MODERATOR, AUDITOR},
    "/admin/conversations/approval/inbox/": {MODERATOR, AUDITOR},
    "/admin/conversations/approval/": {MODERATOR, AUDITOR},
    "/admin/conversations/grant/": {MODERATOR, AUDITOR},
    "/admin/conversations/conversation/": {MODERATOR, FEEDBACK, AUDITOR},
    f"{CONVERSATION}change/": {MODERATOR, FEEDBACK, AUDITOR},
    f"{CONVERSATION}transcript/": {MODERATOR, FEEDBACK, AUDITOR},
    f"{CONVERSATION}events/": {MODERATOR, FEEDBACK, AUDITOR},
    "/admin/conversations/message/": {MODERATOR, FEEDBACK, AUDITOR},
    "/admin/conversations/run/": {MODERATOR, FEEDBACK, AUDITOR},
    "/admin/conversations/modelcall/": {MODERATOR, AUDITOR},
    "/admin/conversations/messagefeedback/": {MODERATOR, FEEDBACK, AUDITOR},
    "/admin/conversations/worker/": {AUDITOR},
    "/admin/tasks/task/": {MODERATOR, AUDITOR},
    "/admin/tasks/task/board/": {MODERATOR, AUDITOR},
    "/admin/tasks/execution/": {MODERATOR, AUDITOR},
    "/admin/tasks/project/": {MODERATOR, AUDITOR},
    "/admin/ads/session/": {ADS, FINANCE, AUDITOR},
    "/admin/ads/servicetransaction/": {ADS, FINANCE, AUDITOR},
    "/admin/ads/rating/": {ADS, AUDITOR},
    "/admin/penguin_site/user/": {MODERATOR, AUDITOR},
    "/admin/penguin_site/apikey/": {AUDITOR},
    "/admin/penguin_site/apikey/add/": set(),
    "/admin/penguin_site/auditentry/": {AUDITOR},
    "/admin/auth/group/": {AUDITOR},
}


def test_each_group_sees_what_its_work_needs_and_no_more():
    conversation = MessageFactory().conversation
    for group in groups.PERMISSIONS:
        client = in_group(group)
        for page, allowed in PAGES.items():
            status = client.get(page.format(conversation=conversation.pk)).status_code
            assert status == (200 if group in allowed else 403), (group, page, status)


def test_the_sidebar_leads_only_to_what_one_may_open():
    clients = {group: in_group(group) for group in groups.PERMISSIONS} | {"root": superuser()}
    ApprovalFactory(tool_call__status="pending_approval", tool_call__run__status="waiting_approval")
    for group, client in clients.items():
        figures.forget()
        links = set(
            re.findall(
                r'<a href="(/admin/[^"]*)" class="flex h-\[38px\]', client.get("/admin/").content.decode()
            )
        )
        assert "/admin/" in links
        assert ("/admin/conversations/approval/inbox/" in links) == (group in (MODERATOR, AUDITOR, "root"))
        for link in links:
            assert client.get(link).status_code == 200, (group, link)
    assert navigation.waiting("approvals") == 1
    # What has no place of its own in the table is found in a group all the same.
    titles = {item.model for _, items in navigation._with_the_rest() for item in items}
    assert {model._meta.label_lower for model in admin.site._registry} <= titles


def test_groups_hold_what_the_table_says_as_far_as_it_is_known():
    finance = Group.objects.get(name="finance")
    finance.permissions.add(Permission.objects.get(codename="change_user"))
    finance.permissions.remove(Permission.objects.get(codename="view_wallet"))
    groups.ensure_groups()
    groups.ensure_groups()
    held = set(finance.permissions.values_list("codename", flat=True))
    assert "change_user" not in held
    assert "view_wallet" in held
    known = groups._known(name for names in groups.PERMISSIONS.values() for name in names)
    assert held == {name.partition(".")[2] for name in groups.PERMISSIONS["finance"] if name in known}


@pytest.mark.parametrize(
    "path", ["auditentry", "ledgertransaction", "posting", "account", "adevent", "payout"]
)
def test_what_happened_is_changed_by_nobody(path):
    root = superuser()
    audit.record(None, "tests.made", "nothing:1")
    model = next(
        (model for model in admin.site._registry if model._meta.model_name == path),
        None,
    )
    if model is None:  # no page, no change
        return
    row = model._default_manager.order_by("pk").first()
    base = f"/admin/{model._meta.app_label}/{path}/"
    pages = [f"{base}add/", *([f"{base}{row.pk}/change/", f"{base}{row.pk}/delete/"] if row else [])]
    for page in pages:
        assert root.post(page, {"action": "changed", "post": "yes"}).status_code in (403, 404), page
    if row:
        data = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
        root.post(base, data)
        assert model._default_manager.filter(pk=row.pk).exists()


# Conversations


def test_a_transcript_is_read_page_by_page_and_each_look_is_audited():
    moderator = in_group("moderator")
    conversation = ConversationFactory()
    for number in range(70):
        MessageFactory(conversation=conversation, content=f"<b>question {number}</b>\u200b")
    run = RunFactory(
        conversation=conversation, error={"kind": "model", "message": "It broke."}, status="failed"
    )
    MessageFactory(
        conversation=conversation,
        role="assistant",
        run_id=run.id,
        content="**yes** <script>alert(1)</script>",
    )
    EventFactory(conversation=conversation, run_id=run.id, payload={"note": "<script>"})
    base = f"/admin/conversations/conversation/{conversation.pk}/"
    text = moderator.get(f"{base}transcript/").content.decode()
    assert "&lt;b&gt;question 69&lt;/b&gt;⟨U+200B⟩" in text
    assert "<strong>yes</strong>" in text
    assert "<script>alert" not in text
    assert "It broke." in text
    assert "question 1&lt;" not in text
    (before,) = re.findall(r'href="\?before=(\d+)"', text)
    assert "question 1&lt;" in moderator.get(f"{base}transcript/", {"before": before}).content.decode()
    assert moderator.get(f"{base}transcript/", {"before": "x"}).status_code == 200
    assert moderator.get("/admin/conversations/conversation/0/transcript/").status_code == 404
    events = moderator.get(f"{base}events/").content.decode()
    assert "conversation.updated" in events
    assert "&lt;script&gt;" in events
    assert "conversation.updated" not in moderator.get(f"{base}events/", {"before": "1"}).content.decode()
    looks = AuditEntry.objects.filter(object=f"conversations.conversation:{conversation.pk}")
    assert [entry.after["part"] for entry in looks.order_by("id")] == ["transcript"] * 3 + ["events"] * 2


def test_usage_is_added_up_by_person_key_and_model():
    root = superuser()
    key, text = api_keys.make_key(user=UserFactory(username="ada"), name="nightly", scopes=["chat"])
    headers = {"X-API-Key": text}
    asked = Client().post("/api/v1/chat/message", {"text": "Hello"}, "application/json", headers=headers)
    assert asked.status_code == 202, asked.content
    run = Run.objects.get()
    assert run.options["key_id"] == key.pk
    ModelCallFactory(run=run, cost_micros=2_500_000, input_tokens=1234)
    ModelCallFactory(cost_micros=1_000_000, model="big")
    old = ModelCallFactory(id=first_id_of(datetime.now(UTC) - timedelta(days=3)), model="bygone")
    with CaptureQueriesContext(connection) as captured:
        text = root.get("/admin/usage/").content.decode()
    assert "nightly" in text
    assert "$2.50" in text
    assert "1,234" in text
    assert old.model in text
    assert old.model not in root.get("/admin/usage/", {"days": "1"}).content.decode()
    assert len(captured) < 16


# People


def test_people_are_blocked_and_let_in_again():
    moderator, ada = in_group("moderator"), UserFactory(username="ada")
    theirs = Client()
    theirs.force_login(ada)
    root = User.objects.create(username="root", is_superuser=True, is_staff=True)
    me = User.objects.get(username="moderator")
    _, key = api_keys.make_key(user=ada, name="a key", scopes=["read"])

    def press(action: str, *people: User) -> list[str]:
        data = {"action": action, "_selected_action": [user.pk for user in people]}
        return told(moderator.post("/admin/penguin_site/user/", data))

    assert theirs.get("/chat").status_code == 200
    assert press("block", ada, root, me) == [
        "ada is blocked.",
        "moderator: Nobody can block themselves.",
        "root: Only a superuser can block a superuser or let one in again.",
    ]
    assert theirs.get("/chat").status_code == 302
    assert Client().get("/api/v1/approvals", headers={"X-API-Key": key}).status_code == 401
    assert press("block", ada) == ["ada: Somebody was faster: there is nothing left to do."]
    assert press("unblock", ada) == ["ada is let in again."]
    assert theirs.get("/chat").status_code == 200
    changes = AuditEntry.objects.filter(object=f"penguin_site.user:{ada.pk}").order_by("id")
    assert [entry.action for entry in changes] == ["user.blocked", "user.unblocked"]
    # Moderators look, and see no hash of a password.
    ada.set_password("correct horse battery")
    ada.save()
    page = moderator.get(f"/admin/penguin_site/user/{ada.pk}/change/")
    assert page.status_code == 200
    assert b"pbkdf2" not in page.content
    assert (
        moderator.post(f"/admin/penguin_site/user/{ada.pk}/change/", {"is_superuser": "on"}).status_code
        == 403
    )
    auditor = in_group("auditor")
    auditor.post("/admin/penguin_site/user/", {"action": "block", "_selected_action": [ada.pk]})
    assert User.objects.get(username="ada").is_active


def test_keys_are_made_and_revoked_in_the_admin():
    root = superuser()
    ada = UserFactory(username="ada")
    data = {"user": ada.pk, "name": "nightly", "scopes": ["read"], "expires_at_0": "", "expires_at_1": ""}
    made = root.post("/admin/penguin_site/apikey/add/", data)
    assert made.status_code == 200, made.content
    key = ApiKey.objects.get()
    assert key.prefix in made.content.decode()
    assert "no-store" in made.headers["Cache-Control"]
    root.post("/admin/penguin_site/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert b"nightly" not in root.get("/admin/penguin_site/apikey/", {"revoked_at__isempty": "1"}).content


# The audit chain


def test_the_audit_list_is_filtered_and_tells_whether_the_chain_holds():
    auditor = in_group("auditor")
    ada = UserFactory(username="ada")
    audit.record(ada, "tests.made", "thing:1", before={"a": "<b>"})
    audit.record(None, "tests.lost", "thing:2")
    audit.record(ada, "tests.made", "thing:2")
    page = "/admin/penguin_site/auditentry/"

    def objects(**query: str) -> list[str]:
        return re.findall(r"thing:\d", auditor.get(page, query).content.decode().partition("result_list")[2])

    assert objects() == ["thing:2", "thing:2", "thing:1"]
    assert objects(action_is="tests.made") == ["thing:2", "thing:1"]
    assert objects(actor_is="ada", q="thing:1") == ["thing:1"]
    assert objects(actor_is="system") == ["thing:2"]
    assert objects(actor_is="nobody") == []
    text = auditor.get(page).content.decode()
    assert "tests.lost" in text
    assert "newest 3 entries follow from each other" in text
    first = AuditEntry.objects.order_by("id").first()
    assert "&lt;b&gt;" in auditor.get(f"{page}{first.pk}/change/").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_entry SET actor = 'eve' WHERE id = %s", [first.pk])
    assert f"broken at entry {first.pk}" in auditor.get(page).content.decode()
