"""Tokens and cost of everybody, for staff: by person, by API key and by model, over the last days."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import connection

MOST_LINES = 100

By = Literal["person", "key", "model"]


@dataclass(frozen=True, slots=True)
class Line:
    """What the agents of one person, of one key, or one model used. `key`: their id, or the model's name."""

    key: Any
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


_SOURCES = {
    "person": ("call.owner_id", ""),
    "model": ("call.model", ""),
    "key": (
        "(run.options ->> 'key_id')::bigint",
        "JOIN run ON run.id = call.run_id AND run.options ? 'key_id'",
    ),
}
# Ids are UUIDs of version 7: the newest calls are the end of the primary key.
_FIGURES = """
SELECT {key}, count(*), count(*) FILTER (WHERE call.status = 'failed'),
       coalesce(sum(call.input_tokens), 0)::bigint, coalesce(sum(call.output_tokens), 0)::bigint,
       coalesce(sum(call.cost_micros), 0)::bigint
  FROM model_call AS call {source}
 WHERE call.id >= (lpad(to_hex((extract(epoch FROM %(since)s::timestamptz) * 1000)::bigint), 12, '0')
                   || '00000000000000000000')::uuid
 GROUP BY 1 ORDER BY 6 DESC, 4 DESC, 1 LIMIT {most}
"""


def used(by: By, *, since: datetime) -> list[Line]:
    """Those that cost most first, MOST_LINES of them, in one statement."""
    key, source = _SOURCES[by]
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES.format(key=key, source=source, most=MOST_LINES), {"since": since})
        return [Line(*row) for row in cursor.fetchall()]
