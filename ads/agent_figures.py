"""What an agent's decisions came to: how many were filled, and why the others were not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection

from ads.core.books import book_of
from ads.core.tokens import Environment
from ads.models import Agent, Decision

# The index by agent and time finds them; the month lets all other partitions alone.
_BY_DAY = """
SELECT (decided_at AT TIME ZONE 'UTC')::date AS day, reason, count(*)
FROM ad_decision
WHERE agent_id = %(agent)s AND book = %(book)s
    AND decided_at >= (%(since)s::timestamp AT TIME ZONE 'UTC')
    AND decided_at < ((%(until)s::timestamp + interval '1 day') AT TIME ZONE 'UTC')
    AND month BETWEEN date_trunc('month', %(since)s::date)::date AND %(until)s::date
GROUP BY day, reason ORDER BY day, reason
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """`count` decisions of a day (UTC); `reason` is empty for those that showed something."""

    day: date
    reason: str
    count: int


def decided_by_day(agent: Agent, environment: Environment, *, since: date, until: date) -> list[Decided]:
    """Both days are included; in the book of that environment."""
    values = {
        "agent": agent.pk,
        "book": book_of(environment, agent.pk),
        "since": since,
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, values)
        return [Decided(*row) for row in cursor.fetchall()]


def newest_decisions(agent: Agent, environment: Environment, *, limit: int) -> Sequence[Decision]:
    rows = Decision.objects.filter(agent=agent, book=book_of(environment, agent.pk))
    fields = ("month", "id", "decided_at", "placement", "reason", "units_count", "took_ms")
    return list(rows.only(*fields).order_by("-decided_at")[:limit])
