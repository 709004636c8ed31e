"""What a campaign may still be shown: room in wallet and budgets, and how often this user has seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from ads.core.books import LIVE
from ads.hot_statements import HotStatement


@dataclass(frozen=True, slots=True)
class Limits:
    """`room_micros` None: no limit. Read without locks: a refusal here is certain, a yes is asked again with a lock."""

    is_running: bool
    is_capped: bool
    room_micros: int | None


# Rows that nobody has needed yet count as they will be made.
_LIMITS = HotStatement("""
SELECT c.id, c.status = 'running' AND a.is_active,
    coalesce(c.frequency_cap <= (
        SELECT count(*) FROM ad_decision_unit u WHERE u.user_hash = %(user)s::bytea AND u.campaign_id = c.id
            AND u.book = %(book)s AND u.decided_at > %(now)s - c.frequency_window), false),
    least(
        CASE WHEN w.id IS NOT NULL THEN w.cap_micros - w.held_micros - w.spent_micros
             WHEN %(is_live)s THEN 0 ELSE a.test_wallet_micros END,
        CASE WHEN t.id IS NULL THEN c.total_budget_micros ELSE t.cap_micros - t.held_micros - t.spent_micros END,
        CASE WHEN d.id IS NULL THEN c.daily_budget_micros ELSE d.cap_micros - d.held_micros - d.spent_micros END)
FROM unnest(%(campaigns)s::uuid[], %(days)s::date[]) AS asked(campaign_id, day)
JOIN ad_campaign c ON c.id = asked.campaign_id
JOIN ad_advertiser a ON a.id = c.advertiser_id
LEFT JOIN ad_wallet w ON w.advertiser_id = a.id AND w.book = %(book)s
LEFT JOIN ad_campaign_budget t ON t.campaign_id = c.id AND t.book = %(book)s
LEFT JOIN ad_campaign_day d ON d.campaign_id = c.id AND d.book = %(book)s AND d.day = asked.day
""")


def limits_of(
    campaigns: Sequence[tuple[UUID, date]], *, book: str, user_hash: bytes | None, now: datetime
) -> dict[UUID, Limits]:
    """By campaign, for the campaigns and days asked for; one statement. A campaign that is gone is missing."""
    if not campaigns:
        return {}
    rows = _LIMITS.fetch(
        {
            # As texts: lists are dumped element by element, which costs more than the statement.
            "campaigns": f"{{{','.join([campaign.hex for campaign, _ in campaigns])}}}",
            "days": f"{{{','.join([day.isoformat() for _, day in campaigns])}}}",
            "book": book,
            "is_live": book == LIVE,
            "user": user_hash,
            "now": now,
        },
    )
    return {row[0]: Limits(*row[1:]) for row in rows}
