"""One writer per worker: what all its runs produced goes to Postgres, and to readers, in one transaction a tick.

Leading edge: the first piece after a quiet time is written at once, the next ones at the tick, all streams together. So
the number of transactions does not grow with the number of streams, and no reader sees text that a crash takes back.
A failing write ends the worker: its runs are then recovered like those of any lost worker.
"""

import asyncio
import time
from uuid import UUID

import orjson
from django.conf import settings
from psycopg import AsyncConnection

from conversations.core.log_events import Piece
from conversations.live import bus, wire
from conversations.live.hints import WAKE
from conversations.runner import record_writes, records
from conversations.runner.live_run import LiveRun, Part
from conversations.runner.records import Outcome, Record

TICK_SECONDS = 0.025

# A fenced worker stores nothing: its row is locked here, and a takeover locks it first. When some of the runs are not
# its own any more, their rows are left out and nobody is notified; what was stored of the others is a lost hint.
FLUSH = """
WITH me AS (SELECT id FROM worker WHERE id = %(worker_id)s FOR SHARE),
d AS (SELECT * FROM json_to_recordset(%(pieces)s) AS x(conversation_id bigint, run_id uuid, attempt int, part_id uuid,
                                                       kind text, start int, text text)),
stored AS (
  INSERT INTO fragment (conversation_id, part_id, "offset", run_id, kind, text)
  SELECT d.conversation_id, d.part_id, d.start, d.run_id, d.kind, d.text
  FROM d JOIN run ON run.id = d.run_id AND run.attempt = d.attempt JOIN me ON run.lease_owner = me.id
  RETURNING part_id)
SELECT part_id::text, NULL FROM stored UNION ALL
SELECT NULL, pg_notify(%(channel)s, payload)::text FROM json_array_elements_text(%(payloads)s) payload
WHERE (SELECT count(*) FROM stored) = %(expected)s
"""


class FlusherStopped(Exception):
    """Nothing is stored any more in this process."""


class Flusher:
    def __init__(self, connection: AsyncConnection, worker_id: UUID) -> None:
        self._connection = connection
        self._worker_id = worker_id
        self._redis = bus.RedisPublisher(settings.REDIS_URL) if settings.REDIS_URL else None
        self._dirty: dict[Part, LiveRun] = {}
        self._records: list[Record] = []
        self._storing: list[Record] = []
        self._items: list[wire.Item] = []
        self._work = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._stopped = False
        self.flushes = 0

    # What runs hand in

    def write(self, run: LiveRun, part: Part, text: str) -> None:
        """More text of an open part."""
        part.chunks.append(text)
        part.unsent.append(text)
        self._dirty[part] = run
        self._work.set()

    def record(self, record: Record, *, at_once: bool = True) -> "asyncio.Future[Outcome]":
        """A durable step; the future tells whether it was stored."""
        record.freeze()
        self._records.append(record)
        if at_once:
            self._work.set()
        else:
            self._write_soon()
        if self._stopped:
            self._refuse()
        return record.done

    def tell(self, item: wire.Item) -> None:
        """Something that is committed already: readers hear of it before the text that follows."""
        self._items.append(item)
        self._write_soon()

    def _write_soon(self) -> None:
        """With the next text, or a tick later: what no reader waits for must not make the first text wait."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(TICK_SECONDS, self._wake)

    def _wake(self) -> None:
        self._soon = None
        if self._records or self._items:
            self._work.set()

    # Writing

    async def run(self) -> None:
        """Writes until it is cancelled; an error of the database ends it, and everybody who waits for it."""
        try:
            while True:
                await self._work.wait()
                started = time.monotonic()
                await self.flush()
                await asyncio.sleep(max(TICK_SECONDS - (time.monotonic() - started), 0))
        finally:
            self._stopped = True
            self._refuse()

    def _refuse(self) -> None:
        waiting, self._records = [*self._storing, *self._records], []
        for record in waiting:
            if not record.done.done():
                record.done.set_exception(FlusherStopped())

    async def flush(self) -> None:
        self._work.clear()
        new_records, self._records = self._records, []
        self._storing = new_records
        new_items, self._items = self._items, []
        dirty, self._dirty = self._dirty, {}
        closing = {part for record in new_records for part in record.closed_parts}
        pieces: list[tuple[LiveRun, Piece]] = []
        tails: list[tuple[LiveRun, Piece]] = []
        for part, run in dirty.items():
            offset, text = part.take_unsent()
            if run.fenced or not text:
                continue
            piece = Piece(run.id, part.id, part.kind.value, offset, text, run.base_seq)
            # The last piece of a part that ends in this very flush is not stored: the whole text is, in the log.
            (tails if part.id in closing else pieces).append((run, piece))
        self.flushes += 1
        if new_records:
            await self._store(new_records, pieces, tails, new_items)
        elif pieces or new_items:
            await self._store_pieces(pieces, new_items)

    async def _store_pieces(self, pieces: list[tuple[LiveRun, Piece]], items: list[wire.Item]) -> None:
        items = [*items, *(wire.piece_item(run.conversation_id, piece) for run, piece in pieces)]
        payloads = [] if self._redis else list(wire.payloads(items))
        cursor = await self._connection.execute(FLUSH, self._parameters(pieces, payloads), prepare=True)
        stored = [row[0] for row in await cursor.fetchall() if row[0]]
        if len(stored) != len(pieces):
            kept = set(stored)
            for run, piece in pieces:
                run.fenced = run.fenced or piece.part_id not in kept
        elif self._redis:
            await self._redis.publish(items)

    def _parameters(self, pieces: list[tuple[LiveRun, Piece]], payloads: list[str]) -> dict[str, object]:
        rows = [
            {
                "conversation_id": run.conversation_id,
                "run_id": run.id,
                "attempt": run.attempt,
                "part_id": piece.part_id,
                "kind": piece.kind,
                "start": piece.offset,
                "text": piece.text,
            }
            for run, piece in pieces
        ]
        return {
            "worker_id": self._worker_id,
            "pieces": orjson.dumps(rows).decode(),
            "channel": bus.LIVE_CHANNEL,
            "payloads": orjson.dumps(payloads).decode(),
            "expected": len(pieces),
        }

    async def _store(
        self,
        new_records: list[Record],
        pieces: list[tuple[LiveRun, Piece]],
        tails: list[tuple[LiveRun, Piece]],
        items: list[wire.Item],
    ) -> None:
        async with self._connection.transaction():
            heads, mine = await records.lock(
                self._connection, self._worker_id, new_records, [run for run, _ in pieces]
            )
            outcomes = {id(record): records.settle(record, mine) for record in new_records}
            pieces = [(run, piece) for run, piece in pieces if run.key in mine]
            storable = [record for record in new_records if outcomes[id(record)] == Outcome.STORED]
            batch = records.number(storable, heads)
            told = {record.run.key for record in storable}
            tail_items = [
                wire.piece_item(run.conversation_id, piece) for run, piece in tails if run.key in told
            ]
            piece_items = [wire.piece_item(run.conversation_id, piece) for run, piece in pieces]
            # A part's last piece comes before the event that closes it, a new part's first one behind.
            items = [*items, *tail_items, *batch.items, *piece_items]
            async with self._connection.pipeline():
                if storable:
                    await record_writes.write(self._connection, batch)
                if pieces:
                    await self._connection.execute(FLUSH, self._parameters(pieces, []))
                if not self._redis:
                    await self._connection.execute(*bus.notify_sql(items, wake=[WAKE] if batch.wake else []))
                elif batch.wake:
                    await self._connection.execute(*bus.notify_sql([], wake=[WAKE]))
        if self._redis:
            await self._redis.publish(items)
        for record in storable:
            record.run.base_seq = max(record.run.base_seq, batch.heads[record.run.conversation_id])
        for record in new_records:
            if not record.done.done():
                record.done.set_result(outcomes[id(record)])
