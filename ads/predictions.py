"""Feedback as predictions: whether what agents said of ads came true, for each of them and for each agent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import connection

ACCURACY_WINDOW = timedelta(days=30)
MOST_AGENTS = 200


class Outcome(StrEnum):
    """`WAITS`: its time is not over. `NONE`: "neutral" predicts nothing."""

    WAITS = "waits"
    RIGHT = "right"
    WRONG = "wrong"
    NONE = "none"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of an agent's predictions whose time was over: how many there were, and how many came true."""

    agent_id: UUID
    agent_name: str
    positive: int
    positive_right: int
    negative: int
    negative_right: int
    neutral: int
    void: int
    bonus_micros: int

    @property
    def predictions(self) -> int:
        return self.positive + self.negative

    @property
    def right(self) -> int:
        return self.positive_right + self.negative_right

    @property
    def percent(self) -> int | None:
        """Rounded down; None for an agent that has predicted nothing."""
        return 100 * self.right // self.predictions if self.predictions else None


# As bonuses are resolved: an advertiser's word counts, an agent's own in test books and by setting.
_CONVERTED = """(
    EXISTS (SELECT FROM ad_conversion c WHERE c.decision_id = f.decision_id AND c.unit_id = f.unit_id
        AND c.confirmed_at <= f.resolves_at)
    OR (%(reports_count)s OR f.book <> 'live') AND EXISTS (SELECT FROM ad_event e WHERE e.decision_id = f.decision_id
        AND e.unit_id = f.unit_id AND e.kind = 'conversion' AND e.reason = '' AND e.occurred_at <= f.resolves_at))"""
_OUTCOMES = f"""
SELECT f.id, CASE WHEN f.voided_at IS NOT NULL THEN 'void' WHEN f.reaction = 'neutral' THEN 'none'
    WHEN {_CONVERTED} THEN CASE f.reaction WHEN 'positive' THEN 'right' ELSE 'wrong' END
    WHEN f.resolves_at > %(now)s THEN 'waits'
    ELSE CASE f.reaction WHEN 'positive' THEN 'wrong' ELSE 'right' END END
FROM ad_feedback f WHERE f.id = ANY(%(ids)s)
"""
_ACCURACY = f"""
SELECT a.id, a.name,
    count(*) FILTER (WHERE reaction = 'positive' AND NOT is_void),
    count(*) FILTER (WHERE reaction = 'positive' AND NOT is_void AND converted),
    count(*) FILTER (WHERE reaction = 'negative' AND NOT is_void),
    count(*) FILTER (WHERE reaction = 'negative' AND NOT is_void AND NOT converted),
    count(*) FILTER (WHERE reaction = 'neutral' AND NOT is_void), count(*) FILTER (WHERE is_void),
    coalesce(sum(paid), 0)::bigint
FROM (
    SELECT f.agent_id, f.reaction, f.voided_at IS NOT NULL AS is_void, {_CONVERTED} AS converted,
        (SELECT amount_micros FROM ad_bonus b WHERE b.feedback_id = f.id AND b.state = 'paid') AS paid
    FROM ad_feedback f WHERE f.book = 'live' AND f.resolves_at > %(since)s AND f.resolves_at <= %(now)s
) AS judged JOIN ad_agent a ON a.id = judged.agent_id
GROUP BY a.id, a.name ORDER BY count(*) DESC, a.id LIMIT {MOST_AGENTS}
"""


def outcomes(feedback_ids: Iterable[UUID], *, now: datetime) -> dict[UUID, Outcome]:
    """In one statement. `now` is live time: test books have clocks of their own, and may look as if they waited."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOMES, {"ids": list(feedback_ids), "now": now, **_reports_count()})
        return {identifier: Outcome(text) for identifier, text in cursor.fetchall()}


def accuracy(*, now: datetime) -> list[Accuracy]:
    """The live book's predictions that were resolved in the last thirty days, by agent; who has most comes first."""
    with connection.cursor() as cursor:
        cursor.execute(_ACCURACY, {"since": now - ACCURACY_WINDOW, "now": now, **_reports_count()})
        return [Accuracy(*row) for row in cursor.fetchall()]


def _reports_count() -> dict[str, bool]:
    return {"reports_count": settings.PENGUIN_AD_REPORTED_CONVERSIONS_COUNT}
