"""A unit that was shown, as its token leads back to it: the decision's row, and how unit and campaign stand now."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection

from ads.budgets import Claim
from ads.core.ids import month_of
from ads.core.micros import Pricing, charge_micros
from ads.core.tokens import Environment, TokenFacts


@dataclass(frozen=True, slots=True)
class ShownUnit:
    decision_id: UUID
    unit_id: UUID
    month: date
    book: str
    agent_id: UUID
    campaign_id: UUID
    advertiser_id: UUID
    pricing: Pricing
    price_cents: int
    share_bps: int
    landing_url: str
    is_running: bool
    test_clock_ahead: timedelta

    @property
    def price_micros(self) -> int:
        """What one billable event costs."""
        return charge_micros(self.pricing, self.price_cents)

    def time(self, environment: Environment, now: datetime) -> datetime:
        """The time by the clock of its book."""
        return now + self.test_clock_ahead if environment is Environment.TEST else now

    def claim(self, day: date) -> Claim:
        return Claim(self.advertiser_id, self.campaign_id, day, self.price_micros)


_FIND = """
SELECT s.book, s.agent_id, s.campaign_id, s.advertiser_id, s.pricing, s.price_cents, s.share_bps, u.landing_url,
    u.review = 'approved' AND NOT u.is_paused AND c.status = 'running' AND a.is_active, g.test_clock_ahead, a.time_zone
FROM ad_decision_unit s
JOIN ad_unit u ON u.id = s.unit_id
JOIN ad_campaign c ON c.id = s.campaign_id
JOIN ad_advertiser a ON a.id = s.advertiser_id
JOIN ad_agent g ON g.id = s.agent_id
WHERE s.month = %s AND s.decision_id = %s AND s.unit_id = %s
"""


def find(facts: TokenFacts) -> tuple[ShownUnit, str] | None:
    """The unit of a token and its advertiser's time zone; None when the decision is not kept any more."""
    return find_by_ids(UUID(facts.decision_id), UUID(facts.unit_id))


def find_by_ids(decision_id: UUID, unit_id: UUID) -> tuple[ShownUnit, str] | None:
    """The same for ids that came without a token; whether they belong together, and to whom, is not known before."""
    try:
        month = month_of(decision_id)
    except (ValueError, OverflowError):  # no id of ours: it names a time after the last year
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [month, decision_id, unit_id])
        row = cursor.fetchone()
    if row is None:
        return None
    (
        book,
        agent_id,
        campaign_id,
        advertiser_id,
        pricing,
        price_cents,
        share_bps,
        url,
        is_running,
        ahead,
        zone,
    ) = row
    shown = ShownUnit(
        decision_id=decision_id,
        unit_id=unit_id,
        month=month,
        book=book,
        agent_id=agent_id,
        campaign_id=campaign_id,
        advertiser_id=advertiser_id,
        pricing=Pricing(pricing),
        price_cents=price_cents,
        share_bps=share_bps,
        landing_url=url,
        is_running=is_running,
        test_clock_ahead=ahead,
    )
    return shown, zone
