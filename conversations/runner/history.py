"""What was said before a run, and in it: read for all runs of a claim in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from psycopg import AsyncConnection

from conversations.core.tool_calls import CallStatus, Effect
from conversations.runner.live_call import LiveCall
from conversations.runner.live_run import LiveRun, StoredMessage

# More than any context window holds; older messages are not read.
MOST_MESSAGES = 2_000

# The run's own question stands last, also when it is a retry and other turns came in between; what the runs it retries
# had answered is left out, and so is what was never answered because its run was cancelled in the queue.
HISTORY = """
SELECT wanted.run_id::text, summary.through_turn, summary.text, said.messages
FROM json_to_recordset(%(wanted)s) AS wanted(run_id uuid, conversation_id bigint, turn bigint, input_id uuid)
LEFT JOIN LATERAL (
  SELECT through_turn, text FROM conversation_summary s
  WHERE s.conversation_id = wanted.conversation_id AND s.through_turn < wanted.turn
  ORDER BY through_turn DESC LIMIT 1) summary ON true
CROSS JOIN LATERAL (
  SELECT json_agg(json_build_array(m.id, m.run_id, m.turn, m.step, m.role, m.content, m.parts, m.metadata)
                  ORDER BY m.id = wanted.input_id OR m.run_id = wanted.run_id, m.turn, m.step) AS messages
  FROM (SELECT * FROM message
        WHERE conversation_id = wanted.conversation_id AND turn <= wanted.turn
          AND (summary.through_turn IS NULL OR turn > summary.through_turn OR id = wanted.input_id)
        ORDER BY turn DESC, step DESC LIMIT %(most)s) m) said
"""


@dataclass(slots=True)
class History:
    """Messages in the order the model gets them; `summary` stands for all turns up to `summary_through`."""

    messages: list[StoredMessage] = field(default_factory=list)
    summary: str = ""
    summary_through: int = 0


async def load_histories(connection: AsyncConnection, runs: Sequence[LiveRun]) -> dict[str, History]:
    """The history of each run, by its id."""
    wanted = [
        {
            "run_id": run.id,
            "conversation_id": run.conversation_id,
            "turn": run.turn,
            "input_id": run.input_message_id,
        }
        for run in runs
    ]
    cursor = await connection.execute(
        HISTORY,
        {"wanted": orjson.dumps(wanted).decode(), "most": MOST_MESSAGES},
        prepare=True,
    )
    histories = {}
    for run_id, through, summary, messages in await cursor.fetchall():
        histories[run_id] = History(
            [StoredMessage(*message) for message in messages or []], summary or "", through or 0
        )
    return histories


RETRIED = """
WITH RECURSIVE chain(id) AS (
  SELECT %(run_id)s::uuid UNION SELECT run.retry_of_id FROM run JOIN chain ON run.id = chain.id
  WHERE run.retry_of_id IS NOT NULL)
SELECT id::text FROM chain WHERE id <> %(run_id)s::uuid
"""


async def load_retried(connection: AsyncConnection, run: LiveRun) -> list[str]:
    """The runs that a retry replaces: the one it retries, the one that one retried, and so on."""
    cursor = await connection.execute(RETRIED, {"run_id": run.id})
    return [row[0] for row in await cursor.fetchall()]


CALLS = """
SELECT json_agg(json_build_object('id', t.id, 'run_id', t.run_id, 'step', t.step, 'place', t.place, 'round', t.round,
  'provider_call_id', t.provider_call_id, 'name', t.name, 'arguments', t.arguments,
  'raw_arguments', t.raw_arguments, 'edited_arguments', t.edited_arguments, 'effect', t.effect, 'status', t.status,
  'attempt', t.attempt, 'effects', t.effects, 'result', coalesce(m.content, ''), 'truncated', t.truncated,
  'artifact_id', t.artifact_id, 'message_id', t.message_id, 'started_at', t.started_at, 'finished_at', t.finished_at,
  'approval_id', a.id, 'approved_digest', a.digest,
  'loop_cleared', EXISTS (SELECT 1 FROM question q WHERE q.tool_call_id = t.id AND q.kind = 'loop'))
  ORDER BY t.step, t.place, t.round)
FROM tool_call t LEFT JOIN message m ON m.id = t.message_id
LEFT JOIN LATERAL (SELECT id::text, digest FROM approval WHERE tool_call_id = t.id AND status = 'approved'
                   ORDER BY created_at DESC LIMIT 1) a ON true
WHERE t.run_id = ANY(%s)
"""


async def load_calls(connection: AsyncConnection, runs: Sequence[LiveRun]) -> None:
    """Gives each run the tool calls that earlier attempts of it have stored; a first attempt has none."""
    again = {run.id: run for run in runs if run.attempt > 1}
    if not again:
        return
    cursor = await connection.execute(CALLS, (list(again),), prepare=True)
    row = await cursor.fetchone()
    for stored in (row and row[0]) or ():
        run = again[stored.pop("run_id")]
        if stored.pop("loop_cleared"):
            run.loops_cleared = stored["step"]
        call = LiveCall(
            **stored
            | {
                "effect": Effect(stored["effect"]),
                "status": CallStatus(stored["status"]),
                "started_at": _moment(stored["started_at"]),
                "finished_at": _moment(stored["finished_at"]),
            }
        )
        if call.round:
            call.origin_id = next(o.id for o in run.calls if (o.step, o.place) == (call.step, call.place))
        run.calls.append(call)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
