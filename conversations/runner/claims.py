"""Taking queued runs: as many as there are free slots, in one statement that two workers can execute at once.

The conversation's row is locked first (lock order) and skipped when somebody else has it. Its counters say whether it
has a queued run and no active one; Postgres looks at them again after it got the lock, so they cannot be stale.
"""

from uuid import UUID

from psycopg import AsyncConnection

from conversations.runner.live_run import LiveRun

CLAIM = """
WITH candidate AS (
  SELECT r.id FROM run r JOIN conversation c ON c.id = r.conversation_id
  WHERE r.status = 'queued' AND r.hold = '' AND c.queued_runs > 0 AND c.open_runs = c.queued_runs
    AND NOT EXISTS (SELECT 1 FROM run earlier WHERE earlier.conversation_id = r.conversation_id
                    AND earlier.status = 'queued' AND earlier.turn < r.turn)
  ORDER BY r.priority DESC, r.queued_at LIMIT %(most)s
  FOR UPDATE OF c SKIP LOCKED
), claimed AS (
  UPDATE run SET status = 'running', attempt = attempt + 1, lease_owner = %(worker_id)s,
    claimed_at = now(),
    started_at = coalesce(started_at, now())
  FROM candidate WHERE run.id = candidate.id AND run.status = 'queued'
  RETURNING run.*, run.started_at = now() AS is_first
), place AS (
  UPDATE conversation c SET head_seq = c.head_seq + 1, queued_runs = c.queued_runs - 1,
    message_count = c.message_count + claimed.is_first::int
  FROM claimed WHERE c.id = claimed.conversation_id
  RETURNING c.id, c.head_seq, c.session_id, c.directory, c.directory_device, c.directory_inode,
    c.sponsored
), answer AS (
  INSERT INTO message (id, conversation_id, owner_id, run_id, turn, step, role)
  SELECT answer_message_id, conversation_id, owner_id, id, turn, 30000, 'assistant' FROM claimed WHERE is_first
), told AS (
  INSERT INTO conversation_event (conversation_id, seq, run_id, attempt, type, payload)
  SELECT place.id, place.head_seq, claimed.id, claimed.attempt, 'run.started',
         jsonb_build_object('attempt', claimed.attempt)
  FROM place JOIN claimed ON claimed.conversation_id = place.id
)
SELECT claimed.id::text, claimed.conversation_id, claimed.owner_id, place.session_id, claimed.turn, claimed.attempt,
       claimed.options, claimed.input_message_id::text, claimed.answer_message_id::text, claimed.step, claimed.steered,
       claimed.active_seconds, claimed.usage, place.head_seq, claimed.retry_of_id::text, place.directory,
       statement_timestamp(), place.directory_device, place.directory_inode, claimed.pause_reason,
       place.sponsored
FROM claimed JOIN place ON place.id = claimed.conversation_id
"""


async def claim_runs(connection: AsyncConnection, *, worker_id: UUID, most: int) -> list[LiveRun]:
    """The oldest runs of the highest priority that may start now, committed as running under this worker's lease."""
    cursor = await connection.execute(CLAIM, {"worker_id": worker_id, "most": most}, prepare=True)
    return [
        LiveRun(
            id=row[0],
            conversation_id=row[1],
            owner_id=row[2],
            session_id=row[3],
            turn=row[4],
            attempt=row[5],
            options=row[6],
            input_message_id=row[7],
            answer_id=row[8],
            step=row[9],
            steered=row[10],
            active_seconds=row[11],
            usage=row[12],
            base_seq=row[13],
            retried_ids=[row[14]] if row[14] else [],
            directory=row[15],
            base_time=row[16],
            directory_identity=(row[17], row[18]),
            pause_reason=row[19],
            sponsored=row[20],
        )
        for row in await cursor.fetchall()
    ]
