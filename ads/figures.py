"""The marketplace in figures, for the dashboard of staff: the live book by day, in a constant number of statements.

Days that are over are read from their rollups. What is not added up yet is counted from the end of the month's
partitions by time-ordered ids; decisions are counted there for all days.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from ads.report_lines import IS_INVALID

_SINCE = """
month >= date_trunc('month', %(since)s::timestamptz AT TIME ZONE 'UTC')::date
  AND id >= (lpad(to_hex((extract(epoch FROM %(since)s::timestamptz) * 1000)::bigint), 12, '0')
             || '00000000000000000000')::uuid
"""
_DECISIONS = f"""
SELECT (decided_at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE reason = '')
  FROM ad_decision WHERE {_SINCE} AND book = 'live' GROUP BY 1 ORDER BY 1
"""
_ROLLED = """
SELECT day, sum(impressions)::bigint, sum(clicks)::bigint,
       sum(invalid_impressions + invalid_clicks + invalid_conversions)::bigint,
       sum(charged_micros - invalid_charged_micros)::bigint, sum(earned_micros - invalid_earned_micros)::bigint
  FROM ad_rollup WHERE day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date GROUP BY day ORDER BY day
"""
_OPEN_DAYS = f"""
SELECT (e.occurred_at AT TIME ZONE 'UTC')::date, count(*) FILTER (WHERE e.kind = 'impression'),
       count(*) FILTER (WHERE e.kind = 'click'),
       count(*) FILTER (WHERE {IS_INVALID}),
       0::bigint, 0::bigint
  FROM ad_event AS e
 WHERE {_SINCE} AND e.book = 'live' AND e.kind IN ('impression', 'click', 'conversion')
   AND e.occurred_at >= (SELECT greatest(max(day) + 1, '2000-01-01') FROM ad_rolled_day)::timestamp AT TIME ZONE 'UTC'
 GROUP BY 1 ORDER BY 1
"""
# What advertisers were charged and agents earned on days that are not added up yet.
_OPEN_MONEY = """
SELECT (t.occurred_at AT TIME ZONE 'UTC')::date,
       coalesce(-sum(p.amount_micros) FILTER (WHERE a.kind = CASE
           WHEN t.kind IN ('click', 'impression', 'session', 'reversal') THEN 'wallet'
           WHEN t.kind = 'service' THEN 'escrow' END), 0)::bigint,
       coalesce(sum(p.amount_micros) FILTER (WHERE a.kind = 'agent'), 0)::bigint
  FROM ad_ledger_transaction AS t JOIN ad_posting AS p ON p.transaction_id = t.id
  JOIN ad_account AS a ON a.id = p.account_id
 WHERE t.book = 'live' AND t.kind NOT IN ('top_up', 'payout', 'bonus_reserve', 'bonus_return')
   AND t.occurred_at >= greatest(%(since)s::timestamptz,
       (SELECT greatest(max(day) + 1, '2000-01-01') FROM ad_rolled_day)::timestamp AT TIME ZONE 'UTC')
 GROUP BY 1 ORDER BY 1
"""
_PAYOUTS = """
SELECT (created_at AT TIME ZONE 'UTC')::date, sum(amount_micros)::bigint FROM ad_payout
 WHERE created_at >= %(since)s GROUP BY 1 ORDER BY 1
"""


@dataclass(slots=True)
class AdDay:
    """One day (UTC) of the live book; money in micros, without what was taken back."""

    decisions: int = 0
    fills: int = 0
    impressions: int = 0
    clicks: int = 0
    invalid: int = 0
    charged_micros: int = 0
    earned_micros: int = 0
    paid_out_micros: int = 0


def days(*, since: datetime) -> dict[date, AdDay]:
    """The days since `since` on which anything happened, in five statements."""
    found: dict[date, AdDay] = {}
    values = {"since": since}
    columns = ("impressions", "clicks", "invalid", "charged_micros", "earned_micros")
    for statement, names in (
        (_DECISIONS, ("decisions", "fills")),
        (_ROLLED, columns),
        (_OPEN_DAYS, columns),
        (_OPEN_MONEY, ("charged_micros", "earned_micros")),
        (_PAYOUTS, ("paid_out_micros",)),
    ):
        for day, *figures in _rows(statement, values):
            line = found.setdefault(day, AdDay())
            for name, value in zip(names, figures, strict=True):
                setattr(line, name, getattr(line, name) + value)
    return found


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
