"""The state of a conversation at one moment, for a client that joins or has lost its place in the log.

One SQL statement, because a statement sees one moment of the database: messages, runs, unfinished text and the cursor
behind which the log continues all belong together.
"""

import json
from typing import Any
from uuid import UUID

from django.db import connection

from conversations.approvals import approval_shape
from conversations.core import cursors
from conversations.core.run_states import ACTIVE, WAITING, RunStatus
from conversations.holds import queue_reason
from conversations.models import Approval, Question
from conversations.questions import question_shape
from conversations.sessions import ConversationNotFound

_SNAPSHOT = """
SELECT json_build_object(
  'session_id', c.session_id, 'title', c.title, 'directory', c.directory, 'archived', c.archived,
  'sponsored', c.sponsored,
  'message_count', c.message_count, 'created_at', c.created_at, 'last_active', c.last_active)::text,
  c.epoch, c.head_seq, c.open_runs,
  (SELECT coalesce(json_agg(m ORDER BY m.turn, m.step), '[]')::text FROM (
     SELECT id, turn, step, role, content, parts, metadata, run_id, created_at FROM message
     WHERE conversation_id = c.id ORDER BY turn DESC, step DESC LIMIT %(limit)s + 1) m),
  (SELECT coalesce(json_agg(r ORDER BY r.turn), '[]')::text FROM (
     SELECT id, turn, status, hold, attempt, created_at, started_at, finished_at, usage, error, input_message_id,
            answer_message_id
     FROM run WHERE conversation_id = c.id AND (status = ANY(%(active)s) OR status = 'queued')) r),
  (SELECT coalesce(json_agg(f ORDER BY f.part_id), '[]')::text FROM (
     SELECT run_id, part_id, kind, string_agg(text, '' ORDER BY "offset") AS text FROM fragment
     WHERE conversation_id = c.id GROUP BY run_id, part_id, kind) f),
  (SELECT coalesce(json_agg(t ORDER BY t.step, t.place, t.round), '[]')::text FROM (
     SELECT t.id AS tool_call_id, t.name AS tool, coalesce(t.edited_arguments, t.arguments) AS arguments, t.status,
            t.run_id, t.started_at, t.step, t.place, t.round
     FROM tool_call t JOIN run r ON r.id = t.run_id
     WHERE t.conversation_id = c.id AND r.status = ANY(%(active)s) AND t.finished_at IS NULL) t),
  (SELECT coalesce(array_agg(id ORDER BY created_at), '{}') FROM approval
   WHERE conversation_id = c.id AND status = 'pending'),
  (SELECT coalesce(array_agg(id ORDER BY created_at), '{}') FROM question
   WHERE conversation_id = c.id AND status = 'open'),
  c.todos::text
FROM conversation c WHERE c.owner_id = %(owner_id)s AND c.session_id = %(session_id)s
"""


def take_snapshot(*, owner_id: int, session_id: str, limit: int) -> dict[str, Any]:
    """The conversation with its last `limit` messages, its open runs, the text of open parts, and the cursor."""
    parameters = {
        "owner_id": owner_id,
        "session_id": session_id,
        "limit": limit,
        "active": [status.value for status in sorted(ACTIVE)],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT, parameters)
        row = cursor.fetchone()
    if row is None:
        raise ConversationNotFound
    head, epoch, head_seq, open_runs, messages, runs, parts, calls, approval_ids, question_ids, todos = row
    messages, runs = json.loads(messages), json.loads(runs)
    active = next((run for run in runs if run["status"] != RunStatus.QUEUED), None)
    has_more = len(messages) > limit
    messages = messages[-limit:]
    return {
        **json.loads(head),
        "id": session_id,
        "conversation_id": session_id,
        "status": _status(open_runs, active),
        "messages": messages,
        "has_more": has_more,
        "before": messages[0]["id"] if has_more else None,
        "active_run": _shown_run(active, session_id, None) if active else None,
        "queued_runs": [
            _shown_run(run, session_id, position)
            for position, run in enumerate(
                (run for run in runs if run["status"] == RunStatus.QUEUED), start=1
            )
        ],
        "open_parts": [{**part, "length": len(part["text"])} for part in json.loads(parts)],
        "open_calls": [_open_call(call) for call in json.loads(calls)],
        "approvals": _approvals(approval_ids),
        "questions": _questions(question_ids),
        "todos": json.loads(todos),
        "cursor": cursors.encode(epoch, head_seq),
    }


def _shown_run(run: dict[str, Any], session_id: str, position: int | None) -> dict[str, Any]:
    reason = queue_reason(run["status"], run.pop("hold"))
    return {**run, "session_id": session_id, "queue_position": position, "queue_reason": reason}


def _open_call(call: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key not in ("step", "place", "round")}


# What is asked is never taken back, only decided: shown as it is now, which may be newer than the cursor.
def _approvals(ids: list[UUID]) -> list[dict[str, Any]]:
    found = Approval.objects.select_related("conversation", "resolved_by").filter(id__in=ids) if ids else []
    return [approval_shape(approval) for approval in found]


def _questions(ids: list[UUID]) -> list[dict[str, Any]]:
    found = Question.objects.select_related("conversation", "answered_by").filter(id__in=ids) if ids else []
    return [question_shape(question) for question in found]


def _status(open_runs: int, active: dict[str, Any] | None) -> str:
    if not open_runs:
        return "idle"
    is_waiting = active is not None and active["status"] in WAITING | {RunStatus.PAUSED}
    return "waiting" if is_waiting else "busy"
