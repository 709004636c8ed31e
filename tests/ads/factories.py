"""One factory a model of the marketplace. What a test does not name is made up, and valid."""

from datetime import UTC, datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from ads import wallets
from ads.core.micros import MICROS_PER_DOLLAR
from ads.models import AdUnit, Advertiser, Agent, Campaign

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


class AdvertiserFactory(DjangoModelFactory):
    """`paid_in` dollars are in its live wallet."""

    class Meta:
        model = Advertiser
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Advertiser {n}")
    organisation = factory.Sequence(lambda n: f"advertiser{n}.example")

    @factory.post_generation
    def paid_in(advertiser, create: bool, extracted: int | None, **kwargs: Any) -> None:
        amount = 1_000 if extracted is None else extracted
        if create and amount:
            wallets.top_up(
                advertiser_id=advertiser.pk,
                amount_micros=amount * MICROS_PER_DOLLAR,
                reference=advertiser.pk.hex,
                now=NOW,
            )


class AgentFactory(DjangoModelFactory):
    class Meta:
        model = Agent

    owner_email = factory.Sequence(lambda n: f"developer{n}@example.com")
    name = factory.Sequence(lambda n: f"Agent {n}")
    organisation = "example.com"
    status = Agent.Status.ACTIVE


class CampaignFactory(DjangoModelFactory):
    class Meta:
        model = Campaign

    advertiser = factory.SubFactory(AdvertiserFactory)
    name = factory.Sequence(lambda n: f"Campaign {n}")
    status = Campaign.Status.RUNNING
    bid_cents = 50


class AdUnitFactory(DjangoModelFactory):
    """Approved, as it is."""

    class Meta:
        model = AdUnit

    campaign = factory.SubFactory(CampaignFactory)
    title = factory.Sequence(lambda n: f"Ad {n}")
    body = "What it is about."
    cta = "Look"
    landing_url = factory.Sequence(lambda n: f"https://advertiser.example/{n}")
    review = AdUnit.Review.APPROVED
    approved_content = factory.LazyAttribute(lambda unit: {"title": unit.title, "body": unit.body})
