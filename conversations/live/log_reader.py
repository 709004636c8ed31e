"""Reads a conversation's log and open parts in one statement, so that all of it is of one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg_pool import AsyncConnectionPool

from conversations.core.log_events import Event, EventType, Piece
from conversations.core.tool_calls import OUTCOMES, CallStatus
from conversations.core.tool_results import action_result, iso_z

PAGE = 500

# The answer's text is not written into the log a second time: `run.ended` refers to the message, and so does the event
# of a part whose text is too long to stand inline.
READ = """
SELECT c.epoch, c.head_seq, c.kept_after_seq,
  (SELECT coalesce(json_agg(json_build_array(e.seq, e.type, e.run_id, e.payload, m.content,
                                             CASE WHEN e.type = 'part.completed' OR e.payload ? 'include_reasoning'
                                                  THEN m.parts END,
                                             CASE WHEN e.type = 'run.ended' THEN (
                                               SELECT json_agg(json_build_array(t.id, t.name,
                                                 coalesce(t.edited_arguments, t.arguments), t.status, tm.content,
                                                 t.started_at, t.finished_at, t.truncated, t.artifact_id)
                                                 ORDER BY t.step, t.place, t.round)
                                               FROM tool_call t JOIN message tm ON tm.id = t.message_id
                                               WHERE t.run_id = e.run_id) END,
                                             floor(extract(epoch FROM e.created_at) * 1000)::bigint,
                                             r.answer_message_id) ORDER BY e.seq), '[]')
   FROM (SELECT * FROM conversation_event
         WHERE conversation_id = c.id AND seq > %(after)s ORDER BY seq LIMIT %(limit)s) e
   LEFT JOIN run r ON r.id = e.run_id
   LEFT JOIN message m ON m.id = (e.payload->>'answer_id')::uuid
     AND (e.type = 'run.ended' OR (e.type = 'part.completed' AND e.payload->>'text' IS NULL))),
  (SELECT coalesce(json_agg(json_build_array(f.run_id, f.part_id, f.kind, f.text) ORDER BY f.part_id), '[]')
   FROM (SELECT run_id, part_id, kind, string_agg(text, '' ORDER BY "offset") AS text
         FROM fragment WHERE conversation_id = c.id GROUP BY run_id, part_id, kind) f),
  (SELECT coalesce(json_agg(payload->>'part_id' ORDER BY seq), '[]') FROM conversation_event
   WHERE conversation_id = c.id AND seq > c.head_seq - 200
     AND type IN ('part.completed', 'part.interrupted', 'tool.ended')),
  (SELECT coalesce(json_object_agg(id, answer_message_id), '{}') FROM run
   WHERE conversation_id = c.id AND status IN ('queued', 'running', 'waiting_approval', 'waiting_input', 'paused',
                                               'cancelling'))
FROM conversation c WHERE c.id = %(conversation_id)s
"""

HEADS = "SELECT id, head_seq FROM conversation WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class LogPage:
    """What stood in the tables at one moment, after a position."""

    epoch: str
    head: int
    kept_after: int
    events: list[Event]
    open_parts: list[Piece]  # whole texts so far, from offset 0
    closed_parts: list[str]  # of the newest events, wherever the reader stands
    answers: dict[str, str]  # run -> its answer's message, of the runs in `events` and of all open ones

    @property
    def is_last(self) -> bool:
        return not self.events or self.events[-1].seq >= self.head


def reasoning_of(parts: Sequence[dict[str, Any]]) -> str:
    """The reasoning of an answer, without what was interrupted."""
    return "".join(
        part["text"] for part in parts if part["type"] == "reasoning" and part["status"] == "complete"
    )


def _action_result(
    call_id: str,
    name: str,
    arguments: Any,
    status: str,
    result: str,
    started_at: str | None,
    finished_at: str | None,
    truncated: bool,
    artifact_id: str | None,
) -> dict[str, Any]:
    return action_result(
        call_id=call_id,
        name=name,
        arguments=arguments,
        outcome=OUTCOMES[CallStatus(status)],
        result=result,
        started_at=iso_z(datetime.fromisoformat(started_at)) if started_at else None,
        finished_at=iso_z(datetime.fromisoformat(finished_at)) if finished_at else None,
        truncated=truncated,
        artifact_id=artifact_id,
    )


def event_of(
    seq: int,
    event_type: str,
    run_id: str | None,
    payload: dict[str, Any],
    content: str | None,
    parts: Any,
    calls: list[Any] | None,
    time: int,
) -> Event:
    """An event with the text that its row only refers to."""
    if event_type == EventType.RUN_ENDED:
        payload["response"] = content or ""
        payload["action_results"] = [_action_result(*call) for call in calls or ()]
        if payload.get("include_reasoning"):
            payload["reasoning"] = reasoning_of(parts or [])
    elif event_type == EventType.PART_COMPLETED and payload.get("text") is None:
        # Of a message that was hidden meanwhile nothing is to be read.
        payload["text"] = next((part["text"] for part in parts or () if part["id"] == payload["part_id"]), "")
    return Event(seq, event_type, run_id, payload, time)


async def read_log(
    pool: AsyncConnectionPool, conversation_id: int, *, after: int, limit: int = PAGE
) -> LogPage | None:
    """The log behind `after`; None when there is no such conversation (any more)."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            READ, {"conversation_id": conversation_id, "after": after, "limit": limit}, prepare=True
        )
        row = await cursor.fetchone()
    if row is None:
        return None
    epoch, head, kept_after, events, open_parts, closed_parts, answers = row
    answers |= {run_id: answer_id for _, _, run_id, _, _, _, _, _, answer_id in events if answer_id}
    return LogPage(
        epoch=epoch,
        head=head,
        kept_after=kept_after,
        events=[event_of(*event) for *event, _ in events],
        open_parts=[Piece(run_id, part_id, kind, 0, text) for run_id, part_id, kind, text in open_parts],
        closed_parts=closed_parts,
        answers=answers,
    )


async def read_heads(pool: AsyncConnectionPool, conversation_ids: Sequence[int]) -> dict[int, int]:
    """The newest seq of each conversation that (still) exists."""
    async with pool.connection() as connection:
        cursor = await connection.execute(HEADS, (list(conversation_ids),), prepare=True)
        return dict(await cursor.fetchall())
