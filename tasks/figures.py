"""Tasks in figures, for the dashboard of staff."""

from dataclasses import dataclass

from django.db import connection

MOST_COUNTED = 1000

# Each count ends at MOST_COUNTED, whatever there is.
_NOW = f"""
SELECT (SELECT count(*) FROM (SELECT FROM task WHERE status = 'pending_review' LIMIT {MOST_COUNTED}) AS found),
       (SELECT count(*) FROM execution WHERE status IN ('queued', 'running')),
       (SELECT count(*) FROM execution WHERE status IN ('waiting', 'paused'))
"""


@dataclass(frozen=True, slots=True)
class Now:
    """`reviews`: tasks of which an agent says that they are done, up to MOST_COUNTED."""

    reviews: int
    at_work: int
    standing: int


def now() -> Now:
    with connection.cursor() as cursor:
        cursor.execute(_NOW)
        return Now(*cursor.fetchone())
