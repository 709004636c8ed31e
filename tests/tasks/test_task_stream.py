"""The socket of tasks in this process: who may, a reader that stops, and a log that is not kept so far back."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connections, transaction

from conversations.core import cursors
from conversations.live import outbox, process
from conversations.models import Conversation, ConversationEvent
from penguin_site.api_keys import make_key
from penguin_site.asgi import application
from penguin_site.models import User
from tasks import execution_events
from tasks.api.stream import TaskSocket
from tasks.models import Execution
from tests.factories import UserFactory
from tests.tasks.factories import ExecutionFactory

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """With connections of its own, which end with it."""

    @wraps(function)
    def closing(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return sync_to_async(closing, thread_sensitive=False)


@in_thread
def made(*scopes: str) -> tuple[Execution, str]:
    """An execution that has told its start, and a key of its owner's."""
    owner: User = UserFactory()
    execution = ExecutionFactory(task__owner=owner)
    _, key = make_key(user=owner, name="tests", scopes=scopes or ("read", "tasks"))
    with transaction.atomic():
        execution_events.started(execution, execution.task)
    return execution, key


@in_thread
def tell(execution: Execution, times: int = 1) -> None:
    for _ in range(times):
        with transaction.atomic():
            execution_events.updated(execution, execution.task)


@in_thread
def end(execution: Execution) -> None:
    execution.status, execution.stop_reason = "completed", "finished"
    execution.result, execution.ended_at = {"summary": "All of it.", "tasks": []}, execution.created_at
    execution.save()
    with transaction.atomic():
        execution_events.ended(execution, execution.task)


@in_thread
def trim(execution: Execution) -> None:
    """As retention does it with old entries."""
    head = Conversation.objects.get(pk=execution.conversation_id).head_seq
    ConversationEvent.objects.filter(conversation_id=execution.conversation_id).delete()
    Conversation.objects.filter(pk=execution.conversation_id).update(kept_after_seq=head)


@pytest.fixture
async def live() -> AsyncIterator[None]:
    await process.start()
    yield
    await process.stop()


async def connected(key: str) -> WebsocketCommunicator:
    headers = [(b"host", b"127.0.0.1:9000"), (b"x-api-key", key.encode())]
    communicator = WebsocketCommunicator(application, "/api/v1/tasks/stream", headers=headers)
    communicator.scope["client"] = ["127.0.0.1", 50000]
    assert (await communicator.connect(timeout=40))[0]
    return communicator


async def attached(execution: Execution, key: str, after: str | None = None) -> WebsocketCommunicator:
    communicator = await connected(key)
    frame = {"type": "attach", "execution_id": str(execution.id), "after": after}
    await communicator.send_to(json.dumps(frame))
    return communicator


async def received(communicator: WebsocketCommunicator) -> tuple[str, dict[str, Any]]:
    frame = json.loads(await communicator.receive_from(20))
    return frame["event"], frame["data"]


async def rest(communicator: WebsocketCommunicator) -> tuple[list[tuple[str, dict[str, Any]]], int, str]:
    """The frames up to the close, its code and reason."""
    frames = []
    while (output := await communicator.receive_output(20))["type"] != "websocket.close":
        frame = json.loads(output["text"])
        frames.append((frame["event"], frame["data"]))
    await communicator.disconnect()
    return frames, output["code"], output.get("reason") or ""


async def test_a_reader_that_stops_is_closed_with_its_place_and_goes_on_there(live, monkeypatch):
    monkeypatch.setattr(outbox, "MOST_FRAMES", 20)
    execution, key = await made()
    reads, send = asyncio.Event(), TaskSocket.send
    reads.set()

    async def send_when_read(self: TaskSocket, text_data: str) -> None:
        await reads.wait()
        await send(self, text_data)

    monkeypatch.setattr(TaskSocket, "send", send_when_read)
    communicator = await attached(execution, key)
    assert (await received(communicator))[0] == "task_started"
    assert (await received(communicator))[0] == "synced"
    reads.clear()
    await tell(execution, 30)
    frames, code, reason = await rest(communicator)
    assert (frames, code) == ([], 4008)
    place = cursors.parse(reason)
    reads.set()
    again = await attached(execution, key, reason)
    numbers = []
    while (frame := await received(again))[0] != "synced":
        assert frame[0] == "task_progress"
        numbers.append(cursors.parse(frame[1]["cursor"]).seq)
    assert numbers == list(range(place.seq + 1, place.seq + 31))
    await again.disconnect()


async def test_an_end_that_is_not_kept_any_more_is_told_all_the_same(live):
    execution, key = await made()
    await end(execution)
    await trim(execution)
    frames, code, _ = await rest(await attached(execution, key))
    assert [name for name, _ in frames] == ["replay_gap", "synced", "task_completed"]
    assert frames[0][1]["snapshot"].endswith("/snapshot")
    assert frames[-1][1]["result"]["summary"] == "All of it."
    assert "cursor" not in frames[-1][1]
    assert code == 1000


async def test_nothing_is_told_behind_the_end(live):
    """Also not what comes after it in the log of the conversation, where others work on."""
    execution, key = await made()
    await tell(execution, 3)
    await end(execution)
    await tell(execution, 3)
    frames, code, _ = await rest(await attached(execution, key))
    names = [name for name, _ in frames]
    assert (names, code) == (["task_started", *["task_progress"] * 3, "task_completed"], 1000)


@pytest.mark.parametrize(
    "scopes, frame",
    [
        (("read",), {"name": "Do it"}),
        (("read",), {"type": "cancel"}),
        (("tasks",), {"type": "attach"}),
    ],
    ids=["start", "cancel", "watch"],
)
async def test_a_key_does_what_its_scopes_say(live, scopes, frame):
    execution, key = await made(*scopes)
    communicator = await connected(key)
    named = {} if "name" in frame else {"execution_id": str(execution.id)}
    await communicator.send_to(json.dumps({**frame, **named}))
    name, data = await received(communicator)
    assert (name, data["code"], data["status"]) == ("error", "forbidden", 403)
    await communicator.disconnect()
