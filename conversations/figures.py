"""The agent server in figures, for the dashboard of staff: what is going on now, and the last days.

A constant number of statements. Those over days read the end of a primary key (ids are UUIDs of version 7), those about
now a partial index.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

_SINCE = """
id >= (lpad(to_hex((extract(epoch FROM %(since)s::timestamptz) * 1000)::bigint), 12, '0')
       || '00000000000000000000')::uuid
"""
_RUNS = f"""
SELECT (created_at AT TIME ZONE 'UTC')::date, status, count(*) FROM run WHERE {_SINCE} GROUP BY 1, 2 ORDER BY 1, 2
"""
_MODEL_CALLS = f"""
SELECT (started_at AT TIME ZONE 'UTC')::date, model, count(*), count(*) FILTER (WHERE status = 'failed'),
       coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,
       coalesce(sum(cost_micros), 0)::bigint
  FROM model_call WHERE {_SINCE} GROUP BY 1, 2 ORDER BY 1, 2
"""
_LATENCY = f"""
SELECT (started_at AT TIME ZONE 'UTC')::date,
       percentile_cont(ARRAY[0.5, 0.95])
           WITHIN GROUP (ORDER BY extract(epoch FROM first_token_at - started_at)::float8)
  FROM model_call WHERE {_SINCE} AND first_token_at IS NOT NULL GROUP BY 1 ORDER BY 1
"""
# All states of a review: with them the index of the review queue finds the days.
_THUMBS = """
SELECT (updated_at AT TIME ZONE 'UTC')::date, rating, count(*) FROM message_feedback
 WHERE review_status IN ('new', 'in_review', 'done') AND updated_at >= %(since)s GROUP BY 1, 2 ORDER BY 1, 2
"""
_WAITING = """
SELECT (SELECT count(*) FROM approval WHERE status = 'pending'),
       (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM approval WHERE status = 'pending'),
       (SELECT count(*) FROM question WHERE status = 'open'),
       (SELECT count(*) FROM (SELECT FROM message_feedback WHERE review_status = 'new' LIMIT 1000) AS new),
       (SELECT count(*) FROM worker WHERE heartbeat_at > now() - interval '30 seconds' AND lease_expires_at > now()),
       (SELECT count(*) FROM run WHERE status = 'queued'),
       (SELECT extract(epoch FROM now() - min(queued_at))::float8 FROM run WHERE status = 'queued'),
       (SELECT count(*) FROM run WHERE status IN ('running', 'cancelling'))
"""


@dataclass(frozen=True, slots=True)
class Now:
    """What waits for people and for workers. Seconds None: nothing does. `new_feedback` counts up to 1,000."""

    approvals: int
    approval_seconds: float | None
    questions: int
    new_feedback: int
    workers: int
    queued: int
    queued_seconds: float | None
    running: int


@dataclass(frozen=True, slots=True)
class ModelDay:
    day: date
    model: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Days:
    """By day (UTC): runs (day, state, count), first tokens (day, [median, 95th percentile in seconds]), thumbs."""

    runs: list[tuple[date, str, int]]
    models: list[ModelDay]
    first_tokens: list[tuple[date, list[float]]]
    thumbs: list[tuple[date, str, int]]


def now() -> Now:
    return Now(*_rows(_WAITING)[0])


def days(*, since: datetime) -> Days:
    values = {"since": since}
    return Days(
        runs=_rows(_RUNS, values),
        models=[ModelDay(*row) for row in _rows(_MODEL_CALLS, values)],
        first_tokens=_rows(_LATENCY, values),
        thumbs=_rows(_THUMBS, values),
    )


def _rows(statement: str, values: dict[str, Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
