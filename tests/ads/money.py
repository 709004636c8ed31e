"""Sales as the tests of money make them, and the look at the books after them."""

from datetime import datetime
from uuid import UUID, uuid4

from ads import ledger
from ads.budgets import Claim
from ads.charges import Sale
from ads.core.books import LIVE
from ads.core.days import local_day
from ads.ledger_health import ledger_health
from ads.models import Agent, Campaign
from tests.ads.factories import NOW

CENT = 10_000
DOLLAR = 1_000_000


def claim_of(campaign: Campaign, amount_micros: int, now: datetime = NOW) -> Claim:
    advertiser = campaign.advertiser
    return Claim(advertiser.pk, campaign.pk, local_day(now, advertiser.time_zone), amount_micros)


def sale_of(
    campaign: Campaign,
    agent: Agent,
    amount_micros: int,
    *,
    now: datetime = NOW,
    book: str = LIVE,
    event: UUID | None = None,
) -> Sale:
    event = event or uuid4()
    return Sale(
        kind=ledger.Kind.CLICK,
        reference=f"click:{event.hex}",
        book=book,
        agent_id=agent.pk,
        share_bps=agent.share_bps,
        decision_id=event,
        unit_id=uuid4(),
        claim=claim_of(campaign, amount_micros, now),
    )


def assert_books_are_right() -> None:
    assert [finding for finding in ledger_health() if not finding.is_ok] == []
