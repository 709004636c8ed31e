"""Staff read conversations in the admin, and are audited for it."""

import pytest
from django.test import Client

from conversations.models import Message
from penguin_site.models import AuditEntry
from tests.factories import ConversationFactory, FeedbackFactory, MessageFactory, RunFactory, UserFactory


@pytest.fixture
def staff(db) -> Client:
    client = Client()
    client.force_login(UserFactory(username="staff", is_staff=True, is_superuser=True))
    return client


def looks() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("actor", "action", "object"))


@pytest.mark.parametrize(
    ("factory", "name"),
    [
        (ConversationFactory, "conversation"),
        (RunFactory, "run"),
        (MessageFactory, "message"),
        (FeedbackFactory, "messagefeedback"),
    ],
)
def test_each_look_is_audited(staff, factory, name):
    row = factory()
    assert staff.get(f"/admin/conversations/{name}/", {"q": "x"}).status_code == 200
    assert staff.get(f"/admin/conversations/{name}/{row.pk}/change/").status_code == 200
    assert looks() == [
        ("staff", "staff.listed", f"conversations.{name}"),
        ("staff", "staff.looked", f"conversations.{name}:{row.pk}"),
    ]


def test_conversations_are_read_not_written(staff):
    message = MessageFactory(content="As it was said")
    page = f"/admin/conversations/message/{message.pk}/change/"
    assert b"As it was said" in staff.get(page).content
    assert staff.post(page, {"content": "Changed"}).status_code == 403
    assert (
        staff.post(f"/admin/conversations/message/{message.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    assert staff.get("/admin/conversations/message/add/").status_code == 403
    assert Message.objects.get().content == "As it was said"


def test_who_is_no_staff_sees_nothing(db):
    client = Client()
    client.force_login(UserFactory())
    row = MessageFactory()
    for page in ("/admin/conversations/message/", f"/admin/conversations/message/{row.pk}/change/"):
        assert client.get(page).status_code in (302, 403)
    assert looks() == []
