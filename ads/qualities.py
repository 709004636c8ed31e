"""The nightly quality of every live unit, from thirty days of valid traffic; test traffic moves nothing."""

from datetime import datetime, timedelta

from django.db import connection

from ads.core.ids import month_of, new_id
from ads.core.quality import QUALITY_VERSION, Traffic, quality_of
from ads.report_lines import IS_INVALID

WINDOW = timedelta(days=30)
_WEEK = timedelta(days=8)

# Each event once for a shown unit and a kind, as in reports: what is repeated or was marked counts for nothing.
_TRAFFIC = f"""
WITH event AS (
    SELECT e.unit_id, count(*) FILTER (WHERE kind = 'impression') AS impressions,
        count(*) FILTER (WHERE kind = 'click') AS clicks, count(*) FILTER (WHERE kind = 'conversion') AS conversions,
        count(*) FILTER (WHERE kind = 'report') AS reports
    FROM ad_event e
    WHERE e.book = 'live' AND e.occurred_at >= %(since)s AND e.occurred_at < %(until)s AND e.month >= %(month)s
        AND e.kind IN ('impression', 'click', 'conversion', 'report') AND e.decision_id IS NOT NULL AND NOT {IS_INVALID}
    GROUP BY e.unit_id
), rating AS (
    SELECT unit_id, count(*) AS ratings, sum(rating) AS rating_sum FROM ad_rating r
    WHERE book = 'live' AND created_at >= %(since)s AND created_at < %(until)s
        AND NOT EXISTS (SELECT FROM ad_event c JOIN ad_invalid_mark m ON m.event_id = c.id
            WHERE c.decision_id = r.decision_id AND c.unit_id = r.unit_id AND c.kind = 'click')
    GROUP BY unit_id
)
SELECT u.id, u.quality, u.quality_version, coalesce(impressions, 0), coalesce(clicks, 0), coalesce(conversions, 0),
    coalesce(ratings, 0), coalesce(rating_sum, 0)::int, coalesce(reports, 0)
FROM ad_unit u JOIN ad_campaign c ON c.id = u.campaign_id JOIN ad_advertiser a ON a.id = c.advertiser_id
LEFT JOIN event ON event.unit_id = u.id LEFT JOIN rating ON rating.unit_id = u.id
WHERE a.environment = 'live' ORDER BY u.id
"""
_SET = """
UPDATE ad_unit SET quality = n.quality, quality_version = %(version)s
FROM unnest(%(units)s::uuid[], %(qualities)s::int[]) AS n(id, quality) WHERE ad_unit.id = n.id
"""


def compute(*, now: datetime) -> int:
    """Computes the quality of all live units; how many have another one now. May run twice or late."""
    since = now - WINDOW
    with connection.cursor() as cursor:
        values = {"since": since, "until": now, "month": month_of(new_id(since - _WEEK))}
        cursor.execute(_TRAFFIC, values)
        changed = {}
        for unit_id, quality, version, *counts in cursor.fetchall():
            computed = quality_of(Traffic(*counts))
            if (quality, version) != (computed, QUALITY_VERSION):
                changed[unit_id] = computed
        # In one statement: each makes every process read the inventory again.
        if changed:
            cursor.execute(
                _SET,
                {"version": QUALITY_VERSION, "units": list(changed), "qualities": list(changed.values())},
            )
    return len(changed)
