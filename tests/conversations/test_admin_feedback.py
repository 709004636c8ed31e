"""Reviewers see each thumb beside what it is about, say how far they are, and export what they choose."""

import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conversations.models import MessageFeedback
from penguin_site.models import AuditEntry, User
from tests.factories import (
    FeedbackFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    ToolCallFactory,
    UserFactory,
)

LIST = "/admin/conversations/messagefeedback/"


@pytest.fixture
def reviewer(db) -> User:
    user = UserFactory(username="rita", is_staff=True)
    names = ["view_messagefeedback", "change_messagefeedback", "export_messagefeedback"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def client(reviewer: User) -> Client:
    client = Client()
    client.force_login(reviewer)
    return client


def thumb(question: str = "What is 2+2?", answer: str = "Five", **more: object) -> MessageFeedback:
    run = RunFactory()
    MessageFactory(conversation=run.conversation, id=run.input_message_id, run_id=run.id, content=question)
    said = MessageFactory(conversation=run.conversation, run_id=run.id, role="assistant", content=answer)
    ModelCallFactory(run=run, model="openai-chat:gpt-x", cost_micros=2500)
    ModelCallFactory(run=run, model="openai-chat:gpt-x", cost_micros=1000, step=2)
    ToolCallFactory(run=run, status="succeeded", name="read_file", arguments={"path": "sums.py"})
    return FeedbackFactory(message=said, **more)


def review(client: Client, row: MessageFeedback, action: str, seen: str = "", **fields: str) -> list[str]:
    if not seen:
        page = client.get(f"{LIST}{row.pk}/change/").content.decode()
        seen = re.search(r'name="seen" value="([^"]+)"', page)[1]
    answer = client.post(f"{LIST}{row.pk}/review/", {"action": action, "seen": seen, **fields}, follow=True)
    row.refresh_from_db()
    return [str(message) for message in answer.context["messages"]]


def test_a_thumb_stands_beside_what_it_is_about(client) -> None:
    row = thumb("Sum <b>it</b> up", "I cannot", rating="down", comment="Useless", tags=["wrong"])
    page = client.get(LIST).content.decode()
    for text in (
        "Sum &lt;b&gt;it&lt;/b&gt; up",
        "I cannot",
        "Useless",
        "wrong",
        "read_file",
        "openai-chat:gpt-x",
        "$0.0035",
    ):
        assert text in page
    assert "I cannot" in client.get(f"{LIST}{row.pk}/change/").content.decode()
    for query, found in (
        ("rating=up", 0),
        ("status=done", 0),
        ("status=new&rating=down", 1),
        ("assignee=me", 0),
    ):
        assert client.get(f"{LIST}?{query}").content.decode().count("<article") == found


def test_a_review_goes_on_and_of_two_reviewers_the_second_is_told(client, reviewer) -> None:
    row = thumb(rating="down")
    other = Client()
    other.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = other.get(f"{LIST}{row.pk}/change/").content.decode()
    stale = re.search(r'name="seen" value="([^"]+)"', page)[1]
    assert review(client, row, "take") == ["Saved: in review."]
    assert (row.review_status, row.assignee) == ("in_review", reviewer)
    assert review(other, row, "done", seen=stale) == [
        "Somebody has changed this feedback since you have opened it: look at it again."
    ]
    review(client, row, "save", labels="wrong, arithmetic,, wrong", note="Adds badly")
    assert (row.labels, row.note, row.review_status) == (["wrong", "arithmetic"], "Adds badly", "in_review")
    review(client, row, "done", labels="wrong")
    assert (row.review_status, row.labels) == ("done", ["wrong"])
    review(client, row, "reopen")
    review(client, row, "leave")
    assert (row.review_status, row.assignee) == ("new", None)
    assert "at most" in review(client, row, "save", labels="x" * 41)[0]
    assert AuditEntry.objects.filter(action="feedback.reviewed").count() == 5


def test_the_authors_new_word_is_to_be_reviewed_again(client, client_for) -> None:
    row = thumb()
    review(client, row, "done")
    api = client_for(row.user)
    api.post(f"/api/v1/messages/{row.message_id}/feedback", {"rating": "down"}, "application/json")
    row.refresh_from_db()
    assert (row.rating, row.review_status) == ("down", "new")


def test_chosen_ones_are_exported_as_an_evaluation_set(client) -> None:
    row = thumb("Use sk-proj-0123456789abcdef0123", "Never", rating="down", labels=["refusal"])
    hidden = thumb()
    hidden.message.metadata = {"hidden": True}
    hidden.message.save()
    thumb("Not chosen")
    answer = client.post(f"{LIST}export/", {"feedback": [row.pk, hidden.pk]})
    assert answer["Content-Disposition"].endswith('.jsonl"')
    (line,) = answer.content.decode().splitlines()
    told = json.loads(line)
    assert told | {"id": 0, "message_id": "", "given_at": ""} == {
        "id": 0,
        "message_id": "",
        "question": "Use [redacted]",
        "answer": "Never",
        "rating": "down",
        "comment": "",
        "tags": [],
        "labels": ["refusal"],
        "note": "",
        "status": "new",
        "model": "openai-chat:gpt-x",
        "tools": [{"name": "read_file", "arguments": {"path": "sums.py"}}],
        "cost_usd": 0.0035,
        "given_at": "",
    }
    assert AuditEntry.objects.filter(action="feedback.exported").count() == 1
    assert client.post(f"{LIST}export/", {}).status_code == 302


def test_rights_are_asked_for(reviewer) -> None:
    row, client = thumb(), Client()
    reader = UserFactory(is_staff=True)
    client.force_login(reader)
    assert client.get(LIST).status_code == 403
    reader.user_permissions.set(Permission.objects.filter(codename="view_messagefeedback"))
    assert b"Take" not in client.get(LIST).content
    assert client.post(f"{LIST}export/", {"feedback": [row.pk]}).status_code == 403
    assert "You may not review" in review(client, row, "done", seen="x")[0]


def test_the_list_has_a_constant_number_of_statements_and_counts_nothing(client) -> None:
    def statements() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(LIST).status_code == 200
        return [query["sql"] for query in captured]

    thumb()
    statements()  # what a process remembers for some seconds is asked for once
    few = statements()
    for _ in range(4):
        thumb()
    many = statements()
    assert len(many) == len(few)
    assert not [sql for sql in many if "COUNT(" in sql]
    first = client.get(LIST)
    assert first.content.count(b"<article") == 5
