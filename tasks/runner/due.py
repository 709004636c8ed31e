"""Which executions and project runs have something to be done about: one statement each, by what is stored."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from tasks.models import Execution

# An execution differs from its run, or asks for something its run has not been told yet. What is paused is left alone
# until its end is asked for, its run goes on, or its budget was raised.
_EXECUTIONS = """
SELECT e.id, c.directory, e.current_run_id IS NULL AND e.base_tree = '' AS is_new
FROM execution e
LEFT JOIN run r ON r.id = e.current_run_id
LEFT JOIN conversation c ON c.id = e.conversation_id
LEFT JOIN task t ON t.id = e.first_task_id
WHERE e.status IN ('queued', 'running', 'waiting', 'paused') AND (
  c.id IS NULL OR (e.current_run_id IS NOT NULL AND r.id IS NULL)
  OR (e.cancel_requested_at IS NOT NULL AND r.status IS DISTINCT FROM 'cancelling')
  OR CASE
    WHEN e.status = 'paused' AND e.pause_requested_at IS NOT NULL THEN
      r.status IN ('queued', 'running', 'waiting_approval', 'waiting_input') AND r.pause_reason = ''
    WHEN e.status = 'paused' AND e.wait_reason = 'budget' THEN
      r.status IN ('queued', 'running', 'waiting_approval', 'waiting_input')
      OR ((e.budget_tokens IS NULL OR greatest(e.budget_tokens, t.budget_tokens) > e.used_tokens)
          AND (e.budget_cost_micros IS NULL
               OR greatest(e.budget_cost_micros, t.budget_cost_micros) > e.used_cost_micros))
    WHEN r.id IS NULL OR r.status IN ('completed', 'failed', 'cancelled', 'timed_out') THEN true
    WHEN e.pause_requested_at IS NOT NULL AND r.pause_reason = '' AND r.status <> 'cancelling' THEN true
    WHEN e.pause_requested_at IS NULL AND r.pause_reason = 'asked' THEN true
    WHEN r.status IN ('running', 'cancelling') THEN e.status <> 'running' OR e.running_since <> r.claimed_at
    WHEN r.status = 'waiting_approval' THEN e.wait_reason <> 'approval'
    WHEN r.status = 'waiting_input' THEN e.wait_reason NOT IN ('clarification', 'recovery')
    ELSE e.status <> r.status
  END)
ORDER BY e.created_at LIMIT %s
"""
# So many at a look; what is left is found by the next one.
MOST = 200


@dataclass(frozen=True, slots=True)
class Due:
    """`directory`: the one it will work in, where its first run is still to be made."""

    execution_id: UUID
    directory: str | None


def find_due() -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_EXECUTIONS, [MOST])
        return [Due(row[0], row[1] if row[2] else None) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class End:
    """Of an execution: the directory it worked in, and the tree that was there before, if that was a repository."""

    directory: str | None
    tree: str


def find_end(execution_id: UUID) -> End | None:
    """None while it lives."""
    ended = Execution.objects.filter(id=execution_id, ended_at__isnull=False)
    found = ended.values_list("conversation__directory", "base_tree").first()
    return End(*found) if found else None
