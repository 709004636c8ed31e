"""Any interleaving of messages, claims, text, ends, cancels, pauses, retries and lost workers on real Postgres.

After each step the tables must agree with each other: the counters with the rows they count, the log with the states
it tells of, the fragments with the parts that are open. Workers that were given up go on writing; nothing of it counts.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from conversations import async_database, pauses, runs, turns
from conversations.core.ids import uuid7
from conversations.core.log_events import PartKind
from conversations.core.run_states import ACTIVE, OPEN, TERMINAL, RunStatus
from conversations.models import Conversation, ConversationEvent, Fragment, Message, Run
from conversations.runner import leases, reaper
from conversations.runner.claims import claim_runs
from conversations.runner.flusher import Flusher
from conversations.runner.history import History
from conversations.runner.live_run import LiveRun, Part
from conversations.runner.records import CallRow, Outcome, Record
from conversations.runner.run_loop import RunLoop
from conversations.turns import TurnRequest
from penguin_site.errors import DomainError
from penguin_site.models import User

SESSIONS = ("one", "two")


class Hand:
    """A worker whose every step the test decides."""

    def __init__(self, database: Any) -> None:
        self.id: UUID = uuid4()
        self.database = database
        self.flusher = Flusher(database, self.id)
        self.runs: list[LiveRun] = []
        self.lost = False
        self.begun: set[tuple[str, int]] = set()

    async def start(self) -> None:
        await leases.register(self.database, self.id, concurrency=10, lease_seconds=3600)

    async def claim(self, most: int) -> None:
        self.runs += await claim_runs(self.database, worker_id=self.id, most=most)

    async def begin(self, run: LiveRun) -> None:
        run.step += 1
        self.begun.add(run.key)
        self.flusher.record(Record(run, step_started=True, call=CallRow("test", run.step)))
        await self.flusher.flush()

    async def write(self, run: LiveRun, text: str) -> None:
        run.open_part = run.open_part or Part(PartKind.TEXT, run.step)
        self.flusher.write(run, run.open_part, text)
        await self.flusher.flush()

    async def end(self, run: LiveRun, status: RunStatus) -> Outcome:
        loop = RunLoop(run, History(), self.flusher, None)  # type: ignore[arg-type]  # no model is called
        error = (
            {"kind": "provider_error", "message": "No.", "retryable": True}
            if status == RunStatus.FAILED
            else None
        )
        ending = asyncio.ensure_future(loop.end(status, error=error))
        await asyncio.sleep(0)
        await self.flusher.flush()
        outcome = await ending
        if outcome != Outcome.STEERED:
            self.runs.remove(run)
        return outcome


class Machine(RuleBasedStateMachine):
    loop: asyncio.AbstractEventLoop
    database: Any
    other_database: Any

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def empty_tables(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE conversation, worker CASCADE")
        self.owner = User.objects.get_or_create(username="machine")[0]
        self.hands = [Hand(self.database), Hand(self.other_database)]
        for hand in self.hands:
            self.run(hand.start())

    @rule(
        session=st.sampled_from(SESSIONS),
        on_busy=st.sampled_from(["enqueue", "steer", "interrupt", "reject"]),
    )
    def say(self, session: str, on_busy: str) -> None:
        request = TurnRequest(self.owner.pk, "Hello", session, on_busy=on_busy)
        before = Message.objects.count()
        try:
            turns.accept_turn_sync(request, uuid7())
        except DomainError as refusal:
            assert refusal.status in (409, 429)
            assert Message.objects.count() == before

    @rule(hand=st.integers(0, 1), most=st.integers(1, 3))
    def claim(self, hand: int, most: int) -> None:
        if self.hands[hand].lost:
            self.hands[hand] = Hand(self.hands[hand].database)
            self.run(self.hands[hand].start())
        self.run(self.hands[hand].claim(most))

    def _some_run(self, data: st.DataObject) -> tuple[Hand, LiveRun] | None:
        """A run in the hands of a worker, or in those of one that does not know that it lost it."""
        live = [(hand, run) for hand in self.hands for run in hand.runs]
        return data.draw(st.sampled_from(live)) if live else None

    @rule(data=st.data(), text=st.text("aé🐧", max_size=4))
    def work(self, data: st.DataObject, text: str) -> None:
        if found := self._some_run(data):
            hand, run = found
            if run.key not in hand.begun:  # who takes a run over begins a step before it writes
                self.run(hand.begin(run))
            if text:
                self.run(hand.write(run, text))

    @rule(
        data=st.data(), status=st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.TIMED_OUT])
    )
    def end(self, data: st.DataObject, status: RunStatus) -> None:
        found = self._some_run(data)
        if not found:
            return
        hand, run = found
        before = Run.objects.get(id=run.id)
        outcome = self.run(hand.end(run, status))
        after = Run.objects.get(id=run.id)
        if before.lease_owner != hand.id or before.attempt != run.attempt:
            assert outcome == Outcome.FENCED and after.status == before.status
        elif before.status == RunStatus.CANCELLING:
            assert after.status == RunStatus.CANCELLED
        elif outcome == Outcome.STORED:
            assert after.status == status

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if found := list(Run.objects.order_by("turn")):
            run = runs.cancel_run(run=data.draw(st.sampled_from(found)), now=timezone.now())
            assert run.status in TERMINAL or run.status == RunStatus.CANCELLING

    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        if found := list(Run.objects.order_by("turn")):
            run = data.draw(st.sampled_from(found))
            try:
                paused = pauses.pause_run(run=run, now=timezone.now())
                assert paused.status in OPEN and paused.pause_reason == "asked"
            except DomainError as refusal:
                assert refusal.status == 409 and run.status in (*TERMINAL, RunStatus.CANCELLING)

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        found = list(Run.objects.exclude(pause_reason="").order_by("turn"))
        if found:
            run = data.draw(st.sampled_from(found))
            resumed = pauses.resume_run(run=run, now=timezone.now())
            expected = RunStatus.QUEUED if run.status == RunStatus.PAUSED else run.status
            assert (resumed.status, resumed.pause_reason) == (expected, "")

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        ended = list(Run.objects.filter(status__in=[s.value for s in TERMINAL]).order_by("turn"))
        if ended:
            try:
                runs.retry_run(run=data.draw(st.sampled_from(ended)), now=timezone.now())
            except DomainError as refusal:
                assert refusal.status == 429

    @rule(hand=st.integers(0, 1))
    def lose_worker(self, hand: int) -> None:
        """Its lease runs out; it does not know that and goes on writing."""
        lost = self.hands[hand]
        lost.lost = True
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE worker SET lease_expires_at = now() - interval '1 second' WHERE id = %s", [lost.id]
            )
        reaper.reap(now=timezone.now())
        assert not Run.objects.filter(lease_owner=lost.id).exists()

    @invariant()
    def counters_agree_with_rows(self) -> None:
        for conversation in Conversation.objects.all():
            own = conversation.runs.all()
            assert conversation.queued_runs == own.filter(status="queued").count()
            assert conversation.open_runs == own.filter(status__in=[s.value for s in OPEN]).count()
            assert own.filter(status__in=[s.value for s in ACTIVE]).count() <= 1
            assert conversation.message_count == conversation.messages.count()

    @invariant()
    def the_log_has_no_hole_and_one_end_a_run(self) -> None:
        for conversation in Conversation.objects.all():
            seqs = list(conversation.events.order_by("seq").values_list("seq", flat=True))
            assert seqs == list(range(1, conversation.head_seq + 1))
        ends = dict(
            ConversationEvent.objects.filter(type="run.ended")
            .values_list("run_id")
            .annotate(count=Count("*"))
        )
        for run in Run.objects.all():
            assert ends.get(run.id, 0) == (run.status in TERMINAL)
            last = ConversationEvent.objects.filter(run_id=run.id).order_by("-seq").first()
            assert last and (last.type == "run.ended") == (run.status in TERMINAL)

    @invariant()
    def fragments_are_of_open_parts_and_contiguous(self) -> None:
        closed = {
            event.payload["part_id"]
            for event in ConversationEvent.objects.filter(type__in=["part.completed", "part.interrupted"])
        }
        length: dict[UUID, int] = {}
        for fragment in Fragment.objects.order_by("part_id", "offset"):
            assert str(fragment.part_id) not in closed
            assert fragment.offset == length.get(fragment.part_id, 0)
            length[fragment.part_id] = fragment.offset + len(fragment.text)
            assert Run.objects.get(id=fragment.run_id).status in ("running", "cancelling")

    @invariant()
    def answers_hold_what_the_log_says(self) -> None:
        texts = {
            event.payload["part_id"]: event.payload["text"]
            for event in ConversationEvent.objects.filter(type="part.completed")
        }
        for answer in Message.objects.filter(role="assistant"):
            for part in answer.parts:
                if part["status"] == "complete" and texts.get(part["id"]) is not None:
                    assert part["text"] == texts[part["id"]]
                    assert part["text"] in answer.content


@pytest.mark.django_db(transaction=True)
def test_the_tables_agree_whatever_happens() -> None:
    loop = asyncio.new_event_loop()
    try:
        Machine.loop = loop
        Machine.database = loop.run_until_complete(async_database.connect("test-hand-1"))
        Machine.other_database = loop.run_until_complete(async_database.connect("test-hand-2"))
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=20,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(Machine.database.close())
        loop.run_until_complete(Machine.other_database.close())
        loop.close()
