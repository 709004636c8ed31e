"""Durable steps of runs: state, message, log and usage, stored together and only while the run is still this worker's.

All records of a flush are stored in one transaction of two round trips: the first locks and reads, the second writes.
Locks: the worker's row (a takeover waits for it), then the conversations in order, then the runs.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from conversations.core.ids import uuid7
from conversations.core.log_events import EventType
from conversations.core.run_states import STANDING, RunStatus, may_move
from conversations.live import wire
from conversations.runner.live_run import LiveRun
from conversations.runner.tool_writes import Row, ToolWrites


class Outcome(Enum):
    STORED = "stored"
    RELEASED = "released"  # stored, and the run is out of this worker's hands: it has ended or waits
    FENCED = "fenced"  # the run belongs to somebody else now
    STEERED = "steered"  # it cannot end: a message came in that the model has not seen
    RESUMED = "resumed"  # it cannot pause: the wish was taken back
    CANCELLING = "cancelling"  # it cannot wait or pause: its end was asked for


@dataclass(slots=True)
class CallRow:
    """A model call's row; `status` started, then what became of it."""

    model: str
    step: int
    purpose: str = "answer"
    status: str = "started"
    tokens: dict[str, int] = field(default_factory=dict)
    cost_micros: int | None = None
    estimated: bool = False
    error_kind: str = ""
    first_token_ms: float | None = None  # after its start
    id: UUID = field(default_factory=uuid7)


@dataclass(slots=True)
class NewEvent:
    type: EventType
    payload: dict[str, Any]
    # What readers get with the hint, where that differs from the row: text they have had already, or text the row
    # refers to.
    live: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class Record:
    run: LiveRun
    events: list[NewEvent] = field(default_factory=list)
    status: RunStatus | None = None
    step_started: bool | None = None
    save_answer: bool = False
    answer_metadata: dict[str, Any] = field(default_factory=dict)
    call: CallRow | None = None
    closed_parts: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    pause_reason: str | None = None
    summary: tuple[int, str] | None = None  # (through_turn, text)
    tools: ToolWrites = field(default_factory=ToolWrites)
    done: "asyncio.Future[Outcome]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    state: "RunState | None" = None

    def freeze(self) -> None:
        """Keeps the run as it is now: it goes on while the record waits to be written."""
        run = self.run
        self.state = RunState(run.step, dict(run.usage), run.content, list(run.parts), run.seconds_running)


@dataclass(frozen=True, slots=True)
class RunState:
    step: int
    usage: dict[str, Any]
    content: str
    parts: list[dict[str, Any]]
    seconds_running: float


LOCK_WORKER = "SELECT 1 FROM worker WHERE id = %s FOR SHARE"
LOCK_CONVERSATIONS = (
    "SELECT id, head_seq, queued_runs, now() FROM conversation WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
)
READ_RUNS = """
SELECT id::text, attempt, status, steered, pause_reason FROM run
JOIN json_to_recordset(%s) AS mine(run_id uuid, run_attempt int) ON run.id = run_id AND run.attempt = run_attempt
WHERE lease_owner = %s
"""


@dataclass(slots=True)
class Batch:
    """Records that may be stored, with the seqs of their events and what readers are told of them."""

    records: list[Record]
    heads: dict[int, int]
    events: list[Row] = field(default_factory=list)
    items: list[wire.Item] = field(default_factory=list)
    wake: bool = False


# (run, attempt) -> (status, steering messages, wish to pause). A worker that lost a run and claimed it again may have
# both attempts of it in one flush: only one of them is in here.
Mine = dict[tuple[str, int], tuple[RunStatus, int, str]]


class Head(NamedTuple):
    """Of a conversation under lock; `now` is the transaction's time, which its events get."""

    seq: int
    queued: int
    now: datetime


async def lock(
    connection: AsyncConnection, worker_id: UUID, records: Sequence[Record], others: Iterable[LiveRun]
) -> tuple[dict[int, Head], Mine]:
    """The heads of the records' conversations, and what of theirs and of `others` is still this worker's."""
    runs = {run.key for run in [*(record.run for record in records), *others]}
    rows = [{"run_id": run_id, "run_attempt": attempt} for run_id, attempt in runs]
    async with connection.pipeline() as pipeline:
        worker = await connection.execute(LOCK_WORKER, (worker_id,))
        conversations = await connection.execute(
            LOCK_CONVERSATIONS, (sorted({record.run.conversation_id for record in records}),)
        )
        owned = await connection.execute(READ_RUNS, (orjson.dumps(rows).decode(), worker_id))
        await pipeline.sync()
        alive = await worker.fetchone() is not None
        heads = {row[0]: Head(*row[1:]) for row in await conversations.fetchall()}
        mine = {(row[0], row[1]): (RunStatus(row[2]), row[3], row[4]) for row in await owned.fetchall()}
    return heads, mine if alive else {}


def settle(record: Record, mine: Mine) -> Outcome:
    """Whether a record may be stored, given its run's row under lock; a cancel that was asked meanwhile wins.

    Records are settled in their order: the first that ends a run, or gives it back, takes it out of `mine`.
    """
    if record.run.key not in mine:
        record.run.fenced = True
        return Outcome.FENCED
    status, steered, record.run.pause_reason = mine[record.run.key]
    if steered > record.run.steered:
        record.run.steered = steered
        record.run.has_new_steers = True
    if record.status is None:
        return Outcome.STORED
    if status == RunStatus.CANCELLING and record.status in STANDING:
        return Outcome.CANCELLING
    if status == RunStatus.CANCELLING and record.status == RunStatus.QUEUED:
        # Given back by a worker that drains and has not heard of the cancel: the reaper ends it, with the text so far.
        record.run.fenced = True
        return Outcome.FENCED
    if status == RunStatus.CANCELLING:
        record.status = RunStatus.CANCELLED
        record.error = None
        for event in record.events:
            if event.type == EventType.RUN_ENDED:
                for payload in (event.payload, event.live or {}):
                    payload.update(status=RunStatus.CANCELLED.value, aborted=True)
                    payload.pop("error", None)
                    payload.pop("sponsored", None)
        record.answer_metadata["status"] = RunStatus.CANCELLED.value
        record.answer_metadata.pop("error", None)
        record.answer_metadata.pop("sponsored", None)
    elif record.status == RunStatus.COMPLETED and record.run.has_new_steers:
        return Outcome.STEERED
    elif record.status == RunStatus.PAUSED and not (record.pause_reason or record.run.pause_reason):
        return Outcome.RESUMED
    assert may_move(status, record.status)
    # With its end stored the run is nobody's: what a drain or a cancel has recorded in the same flush comes too late.
    del mine[record.run.key]
    return Outcome.STORED


def number(records: Sequence[Record], heads: dict[int, Head]) -> Batch:
    """Gives every event its seq."""
    batch = Batch(list(records), {})
    for record in records:
        run = record.run
        before = heads[run.conversation_id]
        head = batch.heads.get(run.conversation_id, before.seq)
        for event in record.events:
            head += 1
            if event.type == EventType.RUN_ENDED:
                for payload in (event.payload, event.live or {}):
                    payload["session_status"] = "busy" if before.queued else "idle"
            batch.events.append(
                {
                    "conversation_id": run.conversation_id,
                    "seq": head,
                    "run_id": run.id,
                    "attempt": run.attempt,
                    "type": event.type.value,
                    "payload": event.payload,
                }
            )
            live = event.payload if event.live is None else event.live
            batch.items.append(
                wire.event_item(
                    run.conversation_id, head, run.id, event.type.value, live, created_at=before.now
                )
            )
        batch.heads[run.conversation_id] = head
        if record.status and before.queued:
            batch.wake = True
    return batch
