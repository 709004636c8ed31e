"""The statements that store a batch of records: each takes all its rows as one JSON text."""

from collections.abc import Sequence
from typing import Any

import orjson
from psycopg import AsyncConnection

from conversations.core.run_states import TERMINAL, RunStatus
from conversations.runner import tool_writes
from conversations.runner.live_run import LiveRun
from conversations.runner.records import Batch, CallRow, Record, Row

WRITE_CONVERSATIONS = """
UPDATE conversation c SET head_seq = x.head, open_runs = open_runs - x.ended, queued_runs = queued_runs + x.requeued,
  token_count = token_count + x.tokens, cost_micros = c.cost_micros + x.cost, last_active = now(),
  message_count = c.message_count + x.messages, todos = coalesce(x.todos, c.todos)
FROM json_to_recordset(%s) AS x(id bigint, head bigint, ended int, requeued int, tokens bigint, cost bigint,
  messages int, todos jsonb)
WHERE c.id = x.id
"""
WRITE_RUNS = """
UPDATE run SET status = coalesce(x.status, run.status), step = x.step, usage = x.usage,
  step_started = coalesce(x.step_started, run.step_started),
  step_losses = CASE WHEN x.step_started IS FALSE THEN 0 ELSE run.step_losses END,
  error = coalesce(x.error, run.error), finished_at = CASE WHEN x.ended THEN now() END,
  pause_reason = coalesce(x.pause_reason, run.pause_reason),
  lease_owner = CASE WHEN x.released THEN NULL ELSE run.lease_owner END,
  active_seconds = CASE WHEN x.released THEN x.active ELSE run.active_seconds END
FROM json_to_recordset(%s) AS x(id uuid, status text, step int, usage jsonb, step_started bool, error jsonb, ended bool,
  released bool, active float, pause_reason text) WHERE run.id = x.id
"""
WRITE_EVENTS = """
INSERT INTO conversation_event (conversation_id, seq, run_id, attempt, type, payload, created_at)
SELECT *, now() FROM json_to_recordset(%s) AS x(conversation_id bigint, seq bigint, run_id uuid, attempt int, type text,
  payload jsonb)
"""
WRITE_ANSWERS = """
UPDATE message SET content = x.content, parts = x.parts, metadata = message.metadata || x.metadata
FROM json_to_recordset(%s) AS x(id uuid, content text, parts jsonb, metadata jsonb) WHERE message.id = x.id
"""
WRITE_CALLS = """
INSERT INTO model_call (id, run_id, conversation_id, owner_id, step, attempt, purpose, model, status, input_tokens,
  output_tokens, reasoning_tokens, cache_read_tokens, cache_write_tokens, estimated, cost_micros, error_kind,
  finished_at)
SELECT x.id, x.run_id, x.conversation_id, x.owner_id, x.step, x.attempt, x.purpose, x.model, x.status, x.input_tokens,
  x.output_tokens, x.reasoning_tokens, x.cache_read_tokens, x.cache_write_tokens, x.estimated, x.cost_micros,
  x.error_kind, CASE WHEN x.status <> 'started' THEN now() END
FROM json_to_recordset(%s) AS x(id uuid, run_id uuid, conversation_id bigint, owner_id bigint, step int, attempt int,
  purpose text, model text, status text, input_tokens int, output_tokens int, reasoning_tokens int,
  cache_read_tokens int, cache_write_tokens int, estimated bool, cost_micros bigint, error_kind text)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, input_tokens = excluded.input_tokens,
  output_tokens = excluded.output_tokens, reasoning_tokens = excluded.reasoning_tokens,
  cache_read_tokens = excluded.cache_read_tokens, cache_write_tokens = excluded.cache_write_tokens,
  estimated = excluded.estimated, cost_micros = excluded.cost_micros, error_kind = excluded.error_kind,
  finished_at = excluded.finished_at
"""
WRITE_FIRST_TOKENS = """
UPDATE model_call SET first_token_at = started_at + make_interval(secs => x.ms / 1000)
FROM json_to_recordset(%s) AS x(id uuid, ms float) WHERE model_call.id = x.id
"""
DROP_FRAGMENTS = """
DELETE FROM fragment USING json_to_recordset(%s) AS x(conversation_id bigint, part_id uuid)
WHERE fragment.conversation_id = x.conversation_id AND fragment.part_id = x.part_id
"""
WRITE_SUMMARIES = """
INSERT INTO conversation_summary (conversation_id, through_turn, text)
SELECT * FROM json_to_recordset(%s) AS x(conversation_id bigint, through_turn bigint, text text)
ON CONFLICT (conversation_id, through_turn) DO UPDATE SET text = excluded.text
"""


async def write(connection: AsyncConnection, batch: Batch) -> None:
    """Queues all writes on a pipeline; the caller commits. A run may have several records: the last word counts."""
    records = batch.records
    by_run: dict[str, list[Record]] = {}
    for record in records:
        by_run.setdefault(record.run.id, []).append(record)
    calls = {record.call.id: (record.run, record.call) for record in records if record.call}
    rows_of: dict[str, list[Row]] = {
        WRITE_CONVERSATIONS: _conversation_rows(batch),
        WRITE_RUNS: [_run_row(own) for own in by_run.values()],
        WRITE_EVENTS: batch.events,
        WRITE_ANSWERS: [
            _answer_row(own) for own in by_run.values() if any(record.save_answer for record in own)
        ],
        WRITE_CALLS: [_call_row(run, call) for run, call in calls.values()],
        WRITE_FIRST_TOKENS: [
            {"id": call.id, "ms": call.first_token_ms}
            for _, call in calls.values()
            if call.first_token_ms is not None
        ],
        DROP_FRAGMENTS: [
            {"conversation_id": record.run.conversation_id, "part_id": part}
            for record in records
            for part in record.closed_parts
        ],
        WRITE_SUMMARIES: [
            {
                "conversation_id": record.run.conversation_id,
                "through_turn": record.summary[0],
                "text": record.summary[1],
            }
            for record in records
            if record.summary
        ],
    }
    rows_of |= tool_writes.rows_of([record.tools for record in records])
    for statement, rows in rows_of.items():
        if rows:
            await connection.execute(statement, (orjson.dumps(rows).decode(),))


def _conversation_rows(batch: Batch) -> list[Row]:
    rows = {
        conversation_id: {
            "id": conversation_id,
            "head": head,
            "ended": 0,
            "requeued": 0,
            "tokens": 0,
            "cost": 0,
            "messages": 0,
            "todos": None,
        }
        for conversation_id, head in batch.heads.items()
    }
    for record in batch.records:
        row = rows[record.run.conversation_id]
        row["ended"] += record.status in TERMINAL
        row["requeued"] += record.status == RunStatus.QUEUED
        row["messages"] += len(record.tools.messages)
        if record.tools.todos is not None:
            row["todos"] = record.tools.todos
        if record.call and record.call.status != "started":
            tokens = record.call.tokens
            row["tokens"] += tokens.get("input_tokens", 0) + tokens.get("output_tokens", 0)
            row["cost"] += record.call.cost_micros or 0
    return list(rows.values())


def _run_row(own: Sequence[Record]) -> Row:
    """One row for all records of a run, oldest first."""
    run, state = own[-1].run, own[-1].state
    assert state
    status = next((record.status for record in reversed(own) if record.status), None)
    return {
        "id": run.id,
        "status": status.value if status else None,
        "step": state.step,
        "usage": state.usage,
        "step_started": next(
            (record.step_started for record in reversed(own) if record.step_started is not None), None
        ),
        "error": next((record.error for record in reversed(own) if record.error), None),
        "ended": status in TERMINAL,
        "released": status is not None,
        "active": run.active_seconds + state.seconds_running,
        "pause_reason": next((record.pause_reason for record in reversed(own) if record.pause_reason), None),
    }


def _answer_row(own: Sequence[Record]) -> Row:
    last = [record for record in own if record.save_answer][-1]
    assert last.state
    metadata: dict[str, Any] = {}
    for record in own:
        metadata |= record.answer_metadata
    return {
        "id": last.run.answer_id,
        "content": last.state.content,
        "parts": last.state.parts,
        "metadata": metadata,
    }


def _call_row(run: LiveRun, call: CallRow) -> dict[str, Any]:
    tokens = {
        kind: call.tokens.get(kind, 0)
        for kind in (
            "input_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
        )
    }
    return {
        "id": call.id,
        "run_id": run.id,
        "conversation_id": run.conversation_id,
        "owner_id": run.owner_id,
        "step": call.step,
        "attempt": run.attempt,
        "purpose": call.purpose,
        "model": call.model,
        "status": call.status,
        "estimated": call.estimated,
        "cost_micros": call.cost_micros,
        "error_kind": call.error_kind,
        **tokens,
    }
