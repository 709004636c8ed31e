"""What one flush stores when it holds more about a run than may be stored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from conversations import async_database, runs, turns
from conversations.core.ids import uuid7
from conversations.core.log_events import EventType, PartKind
from conversations.core.run_states import RunStatus
from conversations.models import Conversation, ConversationEvent, Fragment, Message, Run, Worker
from conversations.runner import leases, reaper
from conversations.runner.claims import claim_runs
from conversations.runner.flusher import Flusher
from conversations.runner.live_run import LiveRun, Part
from conversations.runner.model_step import close_open_part
from conversations.runner.records import CallRow, NewEvent, Outcome, Record
from conversations.turns import TurnRequest
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def flusher() -> AsyncIterator[Flusher]:
    """Of a registered worker; the test says when it writes."""
    database = await async_database.connect("test-flush")
    worker_id = uuid4()
    await leases.register(database, worker_id, concurrency=10, lease_seconds=3600)
    yield Flusher(database, worker_id)
    await database.close()


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return await database_sync_to_async(function, thread_sensitive=False)(*arguments, **named)


async def claim(flusher: Flusher) -> LiveRun:
    (run,) = await claim_runs(flusher._connection, worker_id=flusher._worker_id, most=10)
    run.step += 1
    return run


@pytest.fixture
def claimed(flusher: Flusher) -> Callable[[], Awaitable[LiveRun]]:
    """A run in the hands of the worker, before its first model call."""

    async def make() -> LiveRun:
        owner = await in_thread(UserFactory)
        await in_thread(turns.accept_turn_sync, TurnRequest(owner.pk, "Hello", "one"), uuid7())
        return await claim(flusher)

    return make


def begun(flusher: Flusher, run: LiveRun, text: str) -> Part:
    part = Part(PartKind.TEXT, run.step)
    flusher.record(Record(run, step_started=True, call=CallRow("test", run.step)))
    flusher.write(run, part, text)
    return part


def ended(
    flusher: Flusher, run: LiveRun, status: RunStatus, part: Part | None = None
) -> "asyncio.Future[Outcome]":
    """A record as `RunLoop.end` makes it; `queued` as a drain does."""
    record = Record(run, status=status, save_answer=True)
    if part:
        run.open_part = part
        close_open_part(record, status="complete")
        run.content = part.text
    payload = {"status": status.value, "answer_id": run.answer_id, "usage": run.usage, "aborted": False}
    event = (
        NewEvent(EventType.RUN_REQUEUED, {"reason": "drained"})
        if status == RunStatus.QUEUED
        else NewEvent(EventType.RUN_ENDED, payload)
    )
    record.events.append(event)
    return flusher.record(record)


def texts_of_fragments() -> list[str]:
    return list(Fragment.objects.values_list("text", flat=True))


async def types_of(run: LiveRun) -> list[str]:
    events = ConversationEvent.objects.filter(run_id=run.id, type__in=["run.ended", "run.requeued"])
    return await in_thread(lambda: list(events.order_by("seq").values_list("type", flat=True)))


@pytest.mark.parametrize("later", [RunStatus.QUEUED, RunStatus.CANCELLED, RunStatus.TIMED_OUT])
async def test_the_first_end_counts(flusher: Flusher, claimed: Any, later: RunStatus) -> None:
    """A drain, a cancel or the deadline comes while the end is on its way: both are in one flush."""
    run = await claimed()
    part = begun(flusher, run, "all of it")
    first, second = ended(flusher, run, RunStatus.COMPLETED, part), ended(flusher, run, later)
    await flusher.flush()
    assert (await first, await second) == (Outcome.STORED, Outcome.FENCED)
    assert (await in_thread(Run.objects.get, id=run.id)).status == "completed"
    assert await types_of(run) == ["run.ended"]
    conversation = await in_thread(Conversation.objects.get)
    assert (conversation.open_runs, conversation.queued_runs) == (0, 0)


async def test_only_one_attempt_of_a_run_is_stored(flusher: Flusher, claimed: Any) -> None:
    """A worker that was late with its lease loses a run and claims it again, while its first attempt still writes."""
    first = await claimed()
    await in_thread(Worker.objects.update, lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert await in_thread(reaper.reap, now=timezone.now()) == 1
    second = await claim(flusher)
    assert second.id == first.id
    old, new = begun(flusher, first, "of the first"), begun(flusher, second, "of the second")
    await flusher.flush()
    assert first.fenced
    assert not second.fenced
    assert await in_thread(texts_of_fragments) == ["of the second"]

    stale = ended(flusher, first, RunStatus.COMPLETED, old)
    flusher.write(second, new, ", and more")
    await flusher.flush()
    assert await stale == Outcome.FENCED
    assert await types_of(second) == ["run.requeued"]

    stored = ended(flusher, second, RunStatus.COMPLETED, new)
    await flusher.flush()
    assert await stored == Outcome.STORED
    assert await in_thread(texts_of_fragments) == []
    assert (await in_thread(Message.objects.get, role="assistant")).content == "of the second, and more"


async def test_text_of_two_attempts_without_any_record(flusher: Flusher, claimed: Any) -> None:
    first = await claimed()
    begun(flusher, first, "of the first")
    await flusher.flush()
    await in_thread(Worker.objects.update, lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert await in_thread(reaper.reap, now=timezone.now()) == 1
    second = await claim(flusher)
    flusher.write(first, Part(PartKind.TEXT, 1), "too late")
    flusher.write(second, Part(PartKind.TEXT, 2), "in time")
    await flusher.flush()
    assert (first.fenced, second.fenced) == (True, False)
    assert await in_thread(texts_of_fragments) == ["in time"]


async def test_a_cancel_wins_over_a_drain_that_has_not_heard_of_it(flusher: Flusher, claimed: Any) -> None:
    """The run is not given back without an end: it stays until the reaper ends it, with its text."""
    run = await claimed()
    begun(flusher, run, "so far")
    await flusher.flush()
    await in_thread(runs.cancel_run, run=await in_thread(Run.objects.get, id=run.id), now=timezone.now())
    given_back = ended(flusher, run, RunStatus.QUEUED)
    await flusher.flush()
    assert await given_back == Outcome.FENCED
    await in_thread(Worker.objects.all().delete)
    assert await in_thread(reaper.reap, now=timezone.now()) == 1
    assert (await in_thread(Run.objects.get, id=run.id)).status == "cancelled"
    assert await types_of(run) == ["run.ended"]
    assert (await in_thread(Message.objects.get, role="assistant")).content == "so far"
