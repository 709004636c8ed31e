"""What is not kept for ever: old events of the log, and keys that made a repeated message the same message."""

from datetime import datetime, timedelta

from django.db import connection, transaction

# Rows a statement touches: it is over in a moment, and there may be millions.
BATCH = 10_000
IDEMPOTENCY_KEY_HOURS = 24

# The oldest events go; `kept_after_seq` says so in the same transaction, and a reader behind it is told of the gap. The
# conversations' rows are locked in order, as everywhere. Open runs keep the whole log of their conversation.
TRIM = """
WITH old AS (
  SELECT e.conversation_id, max(e.seq) AS seq
  FROM (SELECT e.conversation_id, e.seq FROM conversation_event e JOIN conversation c ON c.id = e.conversation_id
        WHERE e.created_at < %(before)s AND c.open_runs = 0 ORDER BY e.created_at LIMIT %(batch)s) e
  GROUP BY e.conversation_id
), locked AS (
  SELECT c.id, old.seq FROM conversation c JOIN old ON old.conversation_id = c.id
  WHERE c.open_runs = 0 ORDER BY c.id FOR UPDATE OF c
), marked AS (
  UPDATE conversation c SET kept_after_seq = greatest(c.kept_after_seq, locked.seq)
  FROM locked WHERE c.id = locked.id RETURNING c.id, c.kept_after_seq
)
DELETE FROM conversation_event e USING marked WHERE e.conversation_id = marked.id AND e.seq <= marked.kept_after_seq
"""

FORGET_KEYS = """
UPDATE message SET client_key = NULL, body_hash = NULL
WHERE id IN (SELECT id FROM message WHERE client_key LIKE '//%%' AND created_at < %(before)s LIMIT %(batch)s)
"""


def trim_log(*, now: datetime, keep_days: int) -> int:
    """Deletes events older than `keep_days` of conversations that are at rest; how many."""
    return _in_batches(TRIM, before=now - timedelta(days=keep_days))


def forget_idempotency_keys(*, now: datetime) -> int:
    """Frees the `Idempotency-Key`s of messages after a day; a `client_message_id` stays for good."""
    return _in_batches(FORGET_KEYS, before=now - timedelta(hours=IDEMPOTENCY_KEY_HOURS))


def _in_batches(statement: str, *, before: datetime) -> int:
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, {"before": before, "batch": BATCH})
            changed = cursor.rowcount
        total += changed
        if changed < BATCH:
            return total
