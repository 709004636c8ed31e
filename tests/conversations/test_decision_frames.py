"""Deciding and answering over the chat socket: the same effects, scopes and errors as over REST."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connections

from conversations.live import process
from conversations.models import Approval, Conversation, Question, ToolCall
from penguin_site.api_keys import make_key
from penguin_site.asgi import application
from penguin_site.models import AuditEntry, User
from tests.factories import ApprovalFactory, QuestionFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = ("read", "chat", "approvals:decide")


async def in_database(function: Callable[[], Any]) -> Any:
    def call() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    return await sync_to_async(call)()


@asynccontextmanager
async def socket_of(user: User, *scopes: str) -> AsyncIterator[WebsocketCommunicator]:
    _, key = await in_database(lambda: make_key(user=user, name="tests", scopes=scopes or EVERYTHING))
    headers = [(b"host", b"127.0.0.1:9000"), (b"x-api-key", key.encode())]
    await process.start()
    try:
        socket = WebsocketCommunicator(application, "/api/v1/chat/stream", headers=headers)
        assert (await socket.connect(timeout=30))[0]
        yield socket
        await socket.disconnect()
    finally:
        await process.stop()


async def ask(socket: WebsocketCommunicator, **frame: Any) -> dict[str, Any]:
    await socket.send_to(json.dumps(frame))
    return json.loads(await socket.receive_from(30))


async def test_a_yes_and_a_no():
    owner = await in_database(UserFactory)

    def make() -> Approval:
        return ApprovalFactory(tool_call__run__conversation__owner=owner)

    yes, no = await in_database(make), await in_database(make)
    async with socket_of(owner) as socket:
        told = await ask(socket, type="approve", approval_id=str(yes.id), scope="session", digest=yes.digest)
        assert (told["event"], told["data"]["phase"]) == ("approval", "decided")
        assert told["data"]["approval"]["status"] == "approved"
        assert told["data"]["session_id"] == yes.conversation.session_id
        told = await ask(socket, type="deny", approval_id=str(no.id), feedback="never")
        assert (told["data"]["approval"]["status"], told["data"]["approval"]["feedback"]) == (
            "denied",
            "never",
        )
        late = await ask(socket, type="approve", approval_id=str(no.id))
        assert (late["event"], late["data"]["code"], late["data"]["status"]) == (
            "error",
            "approval_decided",
            409,
        )
        assert late["data"]["approval"]["status"] == "denied"
    statuses = await in_database(
        lambda: list(ToolCall.objects.order_by("id").values_list("status", flat=True))
    )
    assert statuses == ["ready", "denied"]
    actors = await in_database(
        lambda: set(
            AuditEntry.objects.filter(action__startswith="approval.").values_list("actor_id", flat=True)
        )
    )
    assert actors == {owner.id}


async def test_who_follows_the_conversation_hears_of_it_from_the_log_once():
    approval = await in_database(ApprovalFactory)
    conversation = await in_database(lambda: Conversation.objects.get())
    async with socket_of(approval.owner) as socket:
        # Factories write no events, so the log begins here.
        after = f"{conversation.epoch}:{conversation.head_seq}"
        attach = {"type": "attach", "session_id": conversation.session_id, "after": after}
        await socket.send_to(json.dumps(attach))
        while json.loads(await socket.receive_from(30))["event"] != "synced":
            pass
        told = await ask(socket, type="approve", approval_id=str(approval.id))
        assert (told["event"], told["data"]["approval"]["status"]) == ("approval", "approved")
        assert told["data"]["cursor"]
        following = json.loads(await socket.receive_from(30))
        assert (following["event"], following["data"]["status"]) == ("status", "queued")


async def test_an_answer():
    question = await in_database(QuestionFactory)
    async with socket_of(question.owner, "chat") as socket:
        told = await ask(socket, type="answer", question_id=str(question.id), answer="postgres")
        assert (told["event"], told["data"]["phase"]) == ("question", "answered")
        again = await ask(socket, type="answer", question_id=str(question.id), answer="sqlite")
        assert (again["data"]["code"], again["data"]["question"]["answer"]) == (
            "question_answered",
            "postgres",
        )


async def test_a_key_needs_the_scope_here_too():
    approval = await in_database(ApprovalFactory)
    lost = await in_database(
        lambda: QuestionFactory(kind="recovery", tool_call__run__conversation__owner=approval.owner)
    )
    frames = [
        {"type": "approve", "approval_id": str(approval.id)},
        {"type": "deny", "approval_id": str(approval.id)},
        {"type": "answer", "question_id": str(lost.id), "answer": "retry"},
    ]
    async with socket_of(approval.owner, "read", "chat") as socket:
        for frame in frames:
            refused = await ask(socket, **frame)
            assert (refused["event"], refused["data"]["code"], refused["data"]["status"]) == (
                "error",
                "scope_missing",
                403,
            )
    assert await in_database(lambda: Approval.objects.get().status) == "pending"
    assert await in_database(lambda: Question.objects.get().status) == "open"


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"type": "approve"}, "approval_id"),
        ({"type": "approve", "approval_id": "x"}, "approval_id"),
        ({"type": "approve", "approval_id": 5}, "approval_id"),
        ({"type": "approve", "approval_id": "{id}", "scope": "forever"}, "scope"),
        ({"type": "approve", "approval_id": "{id}", "pattern": 5}, "pattern"),
        ({"type": "approve", "approval_id": "{id}", "arguments": []}, "arguments"),
        ({"type": "deny", "approval_id": "{id}", "feedback": 5}, "feedback"),
        ({"type": "answer", "answer": "x"}, "question_id"),
        ({"type": "answer", "question_id": "{id}"}, "answer"),
        ({"type": "answer", "question_id": "{id}", "answer": " "}, "answer"),
    ],
    ids=str,
)
async def test_a_wrong_frame_is_explained_and_the_socket_stays_open(frame, field):
    owner = await in_database(UserFactory)
    async with socket_of(owner) as socket:
        named = {key: str(uuid4()) if value == "{id}" else value for key, value in frame.items()}
        refused = await ask(socket, **named)
        assert (refused["event"], refused["data"]["status"]) == ("error", 400)
        assert refused["data"]["message"].startswith(f"{field}:")
        assert (await ask(socket, type="ping"))["event"] == "pong"
