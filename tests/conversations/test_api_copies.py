"""Exports and forks of conversations over REST."""

import json
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.core.ids import uuid7
from conversations.models import Artifact, Conversation, ConversationEvent, Message
from tests.factories import (
    ArtifactFactory,
    ConversationFactory,
    MessageFactory,
    RunFactory,
    SummaryFactory,
)


def url(conversation: Conversation, what: str) -> str:
    return f"/api/v1/conversations/{conversation.session_id}/{what}"


def answered(conversation: Conversation, question: str, answer: str, **run) -> tuple[Message, Message]:
    """A turn that has ended, as the worker leaves it."""
    run = RunFactory(conversation=conversation, **run)
    return (
        MessageFactory(conversation=conversation, run_id=run.id, turn=run.turn, content=question),
        MessageFactory(
            id=run.answer_message_id,
            conversation=conversation,
            run_id=run.id,
            turn=run.turn,
            step=Message.ANSWER_STEP,
            role="assistant",
            content=answer,
        ),
    )


# --- export


SECRETS = [
    "sk-proj-abcdefghijklmnopqrstuvwx",
    "ghp_abcdefghijklmnopqrstuvwxyz0123",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk",
    "xoxb-123456789012-abcdefghijkl",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "MIIEpAIBAAKCAQEA7",
]


def said_with_secrets() -> str:
    key, token, access, jwt, slack, google, private = SECRETS
    return (
        f"My key is {key}, also {token} and {access}.\nAuthorization: Bearer {jwt}\n{slack} {google}\n"
        f"-----BEGIN RSA PRIVATE KEY-----\n{private}\nabc\n-----END RSA PRIVATE KEY-----\n"
        "postgres://me:hunter2hunter2@db/x password = correct-horse-battery and the rest stays."
    )


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_an_export_has_all_that_was_said_but_no_secret(api, person, form):
    conversation = ConversationFactory(owner=person, title="About sk-proj-abcdefghijklmnopqrstuvwx")
    MessageFactory(
        conversation=conversation,
        content=said_with_secrets(),
        parts=[{"id": "p", "type": "text", "text": said_with_secrets()}],
        metadata={"api_key": "0123456789abcdef", "note": said_with_secrets()},
    )
    response = api.get(url(conversation, "export"), {"format": form})
    assert response.status_code == 200
    assert "attachment" in response["Content-Disposition"]
    text = b"".join(response.streaming_content).decode()
    assert len(text.encode()) == int(response["Content-Length"])
    for secret in (*SECRETS, "hunter2hunter2", "correct-horse-battery", "0123456789abcdef"):
        assert secret not in text
    assert "the rest stays." in text
    assert "[redacted]" in text


def test_an_export_is_whole_however_long_the_conversation(api, person):
    conversation = ConversationFactory(owner=person)
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            owner=person,
            turn=n // 2 + 1,
            step=n % 2,
            role="user",
            content=f"say {n}\n\"'é🐧",
        )
        for n in range(1201)
    )
    with CaptureQueriesContext(connection) as captured:
        body = json.loads(b"".join(api.get(url(conversation, "export")).streaming_content))
    assert [message["content"] for message in body["messages"]] == [f"say {n}\n\"'é🐧" for n in range(1201)]
    assert len(captured) < 10
    markdown = b"".join(
        api.get(url(conversation, "export"), {"format": "markdown"}).streaming_content
    ).decode()
    assert markdown.count("\n## User (") == 1201


def test_an_empty_conversation_is_exported_too(api, person):
    body = b"".join(api.get(url(ConversationFactory(owner=person), "export")).streaming_content)
    assert json.loads(body)["messages"] == []


@pytest.mark.parametrize("form", ["xml", "JSON", ""])
def test_an_unknown_format_is_refused(api, person, form):
    response = api.get(url(ConversationFactory(owner=person), "export"), {"format": form})
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", "format"]


# --- fork


def test_a_fork_has_the_history_up_to_the_message(api, person):
    source = ConversationFactory(owner=person, title="Source", directory="/repo", directory_inode=5)
    first = answered(source, "One?", "1")
    second = answered(source, "Two?", "2")
    answered(source, "Three?", "3")
    body = api.post(url(source, "fork"), {"message_id": str(second[0].id)}, "application/json").json()
    assert (body["forked_from"], body["message_count"]) == (source.session_id, 3)
    fork = Conversation.objects.get(session_id=body["session_id"])
    assert (fork.owner, fork.title, fork.directory, fork.directory_inode) == (
        person,
        "Source (fork)",
        "/repo",
        5,
    )
    assert fork.epoch != source.epoch
    messages = list(Message.objects.filter(conversation=fork).order_by("turn", "step"))
    assert [(message.role, message.content) for message in messages] == [
        ("user", "One?"),
        ("assistant", "1"),
        ("user", "Two?"),
    ]
    assert {message.id for message in messages}.isdisjoint({message.id for message in (*first, *second)})
    assert all(message.run_id is None and message.turn <= 0 for message in messages)
    assert Message.objects.filter(conversation=source).count() == 6
    # What is said next sorts behind the copy, and the log begins with the fork.
    assert list(ConversationEvent.objects.filter(conversation=fork).values_list("seq", "type")) == [
        (1, "conversation.created")
    ]
    listed = api.get("/api/v1/conversations").json()["conversations"]
    assert {row["session_id"]: row["message_count"] for row in listed}[fork.session_id] == 3


def test_a_fork_of_a_fork_keeps_the_order(api, person):
    source = ConversationFactory(owner=person)
    for n in range(3):
        answered(source, f"{n}?", str(n))
    once = api.post(url(source, "fork"), {}, "application/json").json()["session_id"]
    fork = Conversation.objects.get(session_id=once)
    answered(fork, "more?", "more")
    twice = api.post(url(fork, "fork"), {}, "application/json").json()["session_id"]
    body = api.get(f"/api/v1/conversations/{twice}").json()
    assert [message["content"] for message in body["messages"]] == [
        "0?",
        "0",
        "1?",
        "1",
        "2?",
        "2",
        "more?",
        "more",
    ]


def test_a_fork_takes_the_summaries_of_what_it_copies_along(api, person):
    source = ConversationFactory(owner=person)
    turns = [answered(source, f"{n}?", str(n)) for n in range(3)]
    for n, (question, _) in enumerate(turns):
        SummaryFactory(conversation=source, through_turn=question.turn, text=f"through {n}")
    given = {"message_id": str(turns[2][0].id)}
    session_id = api.post(url(source, "fork"), given, "application/json").json()["session_id"]
    fork = Conversation.objects.get(session_id=session_id)
    questions = (
        Message.objects.filter(conversation=fork, role="user").order_by("turn").values_list("turn", flat=True)
    )
    summaries = list(fork.summaries.order_by("through_turn").values_list("through_turn", "text"))
    assert summaries == [(questions[0], "through 0"), (questions[1], "through 1")]


def test_what_is_still_written_is_not_copied(api, person):
    source = ConversationFactory(owner=person)
    answered(source, "One?", "1")
    question, partial = answered(source, "Two?", "unfin", status="running", lease_owner=uuid7())
    assert api.post(url(source, "fork"), {}, "application/json").json()["message_count"] == 2
    with_question = api.post(url(source, "fork"), {"message_id": str(question.id)}, "application/json")
    assert with_question.json()["message_count"] == 3
    refused = api.post(url(source, "fork"), {"message_id": str(partial.id)}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "message_open")


def test_an_answer_that_a_retry_replaced_stays_behind(api, person):
    source = ConversationFactory(owner=person)
    _, replaced = answered(source, "One?", "wrong")
    retry = RunFactory(conversation=source, retry_of_id=replaced.run_id)
    MessageFactory(
        id=retry.answer_message_id, conversation=source, run_id=retry.id, turn=retry.turn,
        step=Message.ANSWER_STEP, role="assistant", content="right",
    )  # fmt: skip
    session_id = api.post(url(source, "fork"), {}, "application/json").json()["session_id"]
    contents = [m["content"] for m in api.get(f"/api/v1/conversations/{session_id}").json()["messages"]]
    assert contents == ["One?", "right"]


def test_files_survive_the_conversation_they_were_forked_from(api, person):
    source = ConversationFactory(owner=person)
    artifact = ArtifactFactory(owner=person, conversation=source)
    answered(source, "What is this?", "A penguin.")
    api.post(url(source, "fork"), {}, "application/json")
    api.delete(f"/api/v1/conversations/{source.session_id}")
    assert Artifact.objects.get().id == artifact.id


def test_an_empty_conversation_can_be_forked(api, person):
    assert (
        api.post(url(ConversationFactory(owner=person), "fork"), {}, "application/json").json()[
            "message_count"
        ]
        == 0
    )


@pytest.mark.parametrize("value", [5, "", "x", True, [], {"a": 1}])
def test_a_wrong_message_id_is_refused(api, person, value):
    response = api.post(
        url(ConversationFactory(owner=person), "fork"), {"message_id": value}, "application/json"
    )
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["body", "message_id"]


def test_a_message_of_elsewhere_is_not_found(api, person):
    source = ConversationFactory(owner=person)
    for message_id in (uuid4(), MessageFactory(conversation__owner=person).id, MessageFactory().id):
        response = api.post(url(source, "fork"), {"message_id": str(message_id)}, "application/json")
        assert response.status_code == 404
    assert not Conversation.objects.filter(title__endswith="(fork)").exists()
