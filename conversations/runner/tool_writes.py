"""What a record stores of tool calls: the calls, their messages and artifacts, and what a person is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# Rows travel as one JSON text a statement: psycopg takes twenty times as long to write them as arrays of Postgres.
Row = dict[str, Any]


@dataclass(slots=True)
class ToolWrites:
    calls: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    artifacts: list[Row] = field(default_factory=list)
    approvals: list[Row] = field(default_factory=list)
    superseded: list[Row] = field(default_factory=list)  # {id} of approvals that no longer count
    questions: list[Row] = field(default_factory=list)
    todos: list[dict[str, Any]] | None = None


# A run may write a call twice in one flush: the last word counts, so only that one is written.
WRITE_ARTIFACTS = """
INSERT INTO artifact (id, owner_id, conversation_id, filename, content_type, size_bytes, sha256, content)
SELECT x.id, x.owner_id, x.conversation_id, x.filename, 'text/plain', octet_length(x.bytes),
  sha256(x.bytes), x.bytes
FROM (SELECT a.*, convert_to(a.content, 'UTF8') AS bytes FROM json_to_recordset(%s) AS a(id uuid, owner_id bigint,
  conversation_id bigint, filename text, content text)) x
"""
WRITE_CALLS = """
INSERT INTO tool_call (id, conversation_id, run_id, owner_id, step, place, round, provider_call_id, name, arguments,
  raw_arguments, effect, status, attempt, effects, message_id, summary, truncated, artifact_id, started_at, finished_at)
SELECT x.* FROM json_to_recordset(%s) AS x(id uuid, conversation_id bigint, run_id uuid, owner_id bigint, step int,
  place int, round int, provider_call_id text, name text, arguments jsonb, raw_arguments text, effect text, status text,
  attempt int, effects jsonb, message_id uuid, summary text, truncated bool, artifact_id uuid, started_at timestamptz,
  finished_at timestamptz)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, attempt = excluded.attempt, effects = excluded.effects,
  effect = excluded.effect, message_id = excluded.message_id, summary = excluded.summary,
  truncated = excluded.truncated, artifact_id = excluded.artifact_id, started_at = excluded.started_at,
  finished_at = excluded.finished_at
"""
WRITE_MESSAGES = """
INSERT INTO message (id, conversation_id, owner_id, run_id, turn, step, role, content, metadata)
SELECT x.id, x.conversation_id, x.owner_id, x.run_id, x.turn, x.step, 'tool', x.content, x.metadata
FROM json_to_recordset(%s) AS x(id uuid, conversation_id bigint, owner_id bigint, run_id uuid, turn bigint, step int,
  content text, metadata jsonb)
"""
WRITE_SUPERSEDED = """
UPDATE approval SET status = 'superseded' FROM json_to_recordset(%s) AS x(id uuid)
WHERE approval.id = x.id AND status = 'approved'
"""
WRITE_APPROVALS = """
INSERT INTO approval (id, conversation_id, run_id, tool_call_id, owner_id, tool_name, operation, resource, arguments,
  edited_arguments, digest, subject, reason, diff, status, created_at, expires_at)
SELECT x.id, x.conversation_id, x.run_id, x.tool_call_id, x.owner_id, x.tool_name, x.operation, x.resource, x.arguments,
  x.edited_arguments, x.digest, x.subject, x.reason, x.diff, 'pending', x.created_at, x.expires_at
FROM json_to_recordset(%s) AS x(id uuid, conversation_id bigint, run_id uuid, tool_call_id uuid, owner_id bigint,
  tool_name text, operation text, resource text, arguments jsonb, edited_arguments jsonb, digest text, subject jsonb,
  reason text, diff text, created_at timestamptz, expires_at timestamptz)
"""
WRITE_QUESTIONS = """
INSERT INTO question (id, conversation_id, run_id, tool_call_id, owner_id, kind, text, choices, status, created_at,
  expires_at)
SELECT x.id, x.conversation_id, x.run_id, x.tool_call_id, x.owner_id, x.kind, x.text, x.choices, 'open', x.created_at,
  x.expires_at
FROM json_to_recordset(%s) AS x(id uuid, conversation_id bigint, run_id uuid, tool_call_id uuid, owner_id bigint,
  kind text, text text, choices jsonb, created_at timestamptz, expires_at timestamptz)
"""


def rows_of(writes: Sequence[ToolWrites]) -> dict[str, list[Row]]:
    """{statement: rows}, in the order in which they may be executed."""
    calls = {row["id"]: row for write in writes for row in write.calls}
    return {
        WRITE_ARTIFACTS: [row for write in writes for row in write.artifacts],
        WRITE_CALLS: list(calls.values()),
        WRITE_MESSAGES: [row for write in writes for row in write.messages],
        WRITE_SUPERSEDED: [row for write in writes for row in write.superseded],
        WRITE_APPROVALS: [row for write in writes for row in write.approvals],
        WRITE_QUESTIONS: [row for write in writes for row in write.questions],
    }
