"""Advertisers' and developers' data: campaigns, units, their review, keys, agents, categories, switches, demo ads."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from ads import agents, campaigns, categories, demo, features, keys, units
from ads.core.key_texts import KeyHolder
from ads.core.tokens import Environment
from ads.models import AdKey, AdUnit, Advertiser, Agent, Campaign, CampaignBudget, FeatureSwitch, Inventory
from penguin_site.errors import InvalidField
from tests.ads.factories import NOW, AdUnitFactory, AdvertiserFactory, AgentFactory, CampaignFactory

pytestmark = pytest.mark.django_db
Review = AdUnit.Review
TEXTS = {"title": "CloudTax", "body": "Files taxes.", "cta": "Start", "landing_url": "https://cloudtax.ca"}


# --- campaigns


def test_a_campaign_is_made_and_started():
    campaign = campaigns.create(AdvertiserFactory(), pricing="cpc", now=NOW, name="Spring", bid_cents=50)
    assert campaign.status == Campaign.Status.DRAFT
    campaigns.move(campaign, "running")
    campaigns.move(campaign, "running")
    campaigns.move(campaign, "paused")
    campaigns.move(campaign, "ended")
    with pytest.raises(campaigns.IllegalMove):
        campaigns.move(campaign, "running")
    with pytest.raises(campaigns.IllegalMove):
        campaigns.move(CampaignFactory(status="draft"), "paused")


@pytest.mark.parametrize(
    "field, value, named",
    [
        ("bid_cents", 0, "bid_cents"),
        ("bid_cents", 1_000_001, "bid_cents"),
        ("total_budget_micros", -1, "total_budget_cents"),
        ("daily_budget_micros", 5, "daily_budget_cents"),
        ("ends_at", NOW, "ends_at"),
    ],
)
def test_what_a_campaign_cannot_be(field, value, named):
    fields = {"name": "x", "bid_cents": 5, "starts_at": NOW} | {field: value}
    with pytest.raises(InvalidField, match=named):
        campaigns.create(AdvertiserFactory(), pricing="cpc", now=NOW, **fields)
    campaign = CampaignFactory(starts_at=NOW)
    with pytest.raises(InvalidField, match=named):
        campaigns.change(campaign, **{field: value})


def test_a_changed_budget_counts_at_once():
    from ads import budgets
    from tests.ads.money import claim_of

    campaign = CampaignFactory()
    assert budgets.spend([claim_of(campaign, 70_000)], book="live", now=NOW) == [True]
    campaigns.change(campaign, total_budget_micros=100_000)
    assert budgets.spend([claim_of(campaign, 40_000)], book="live", now=NOW) == [False]
    assert CampaignBudget.objects.get().cap_micros == 100_000


# --- units


def test_a_unit_goes_through_review():
    unit = units.create(CampaignFactory(), ad_type="static_offer", now=NOW, **TEXTS)
    with pytest.raises(units.NotInReview):
        units.approve(unit, now=NOW)
    units.submit(unit, now=NOW)
    units.reject(unit, reason="says nothing", now=NOW)
    unit = units.change(AdUnit.objects.get(), now=NOW, body="Files your taxes.")
    assert (unit.review, unit.review_reason) == (Review.PENDING, "")
    units.approve(unit, now=NOW)
    unit.refresh_from_db()
    assert unit.review == Review.APPROVED
    assert unit.approved_content["body"] == "Files your taxes."


@pytest.mark.parametrize(
    "change, review",
    [
        ({"title": "Other"}, Review.PENDING),
        ({"landing_url": "https://other.example"}, Review.PENDING),
        ({"title": "CloudTax"}, Review.APPROVED),
        ({"intents": ["taxes"], "is_paused": True}, Review.APPROVED),
    ],
)
def test_other_words_are_reviewed_again(change, review):
    assert units.change(AdUnitFactory(**TEXTS), now=NOW, **change).review == review


def test_nothing_is_approved_that_nobody_has_read():
    read = AdUnitFactory(**TEXTS, review=Review.PENDING)
    units.change(AdUnit.objects.get(pk=read.pk), now=NOW, body="Something else.")
    with pytest.raises(units.NotInReview):
        units.approve(read, now=NOW)


@pytest.mark.parametrize(
    "fields, named",
    [
        ({"title": " "}, "title"),
        ({"landing_url": "https://127.0.0.1"}, "landing_url"),
        ({"categories": ["no such category"]}, "categories"),
        ({"ad_type": "service"}, "service_endpoint"),
        ({"ad_type": "service", "service_endpoint": "https://localhost/run"}, "service_endpoint"),
    ],
)
def test_what_a_unit_cannot_be(fields, named):
    with pytest.raises(InvalidField, match=named):
        units.create(CampaignFactory(), **{"ad_type": "static_offer", "now": NOW, **TEXTS, **fields})


def test_the_inventory_has_a_version():
    def version():
        return Inventory.objects.get().version

    unit = AdUnitFactory()
    for change in (
        lambda: Advertiser.objects.update(is_active=False),
        lambda: campaigns.move(unit.campaign, "paused"),
        lambda: units.change(unit, now=NOW, is_paused=True),
        lambda: AdUnit.objects.all().delete(),
    ):
        before = version()
        change()
        assert version() > before


# --- agents and keys


def test_signing_up_gives_two_keys():
    signed_up = agents.sign_up(owner_email="Dev@Example.com", name="MyBot", now=NOW)
    assert signed_up.agent.status == Agent.Status.PENDING_REVIEW
    assert signed_up.agent.organisation == "example.com"
    for text, environment in ((signed_up.live_key, "live"), (signed_up.test_key, "test")):
        key = keys.find(text, KeyHolder.AGENT, now=NOW)
        assert (key.agent, key.environment, key.last_used_at) == (signed_up.agent, environment, None)
        assert keys.find(text, KeyHolder.AGENT, now=NOW).last_used_at == NOW
        assert keys.find(text, KeyHolder.ADVERTISER, now=NOW) is None
        assert keys.find(text[:-1], KeyHolder.AGENT, now=NOW) is None
        assert text.encode() not in b"".join(
            bytes(row) for row in AdKey.objects.values_list("key_hash", flat=True)
        )


def test_an_agent_signs_up_once():
    agents.sign_up(owner_email="dev@example.com", name="MyBot", now=NOW)
    with pytest.raises(agents.DuplicateAgent):
        agents.sign_up(owner_email="DEV@example.com", name="mybot", now=NOW)
    agents.sign_up(owner_email="dev@example.com", name="MyOtherBot", now=NOW)
    assert AdKey.objects.count() == 4


def test_a_replaced_key_works_for_another_day():
    old, old_text = keys.issue(AgentFactory(), Environment.LIVE, now=NOW)
    _, new_text = keys.rotate(old, now=NOW)
    with pytest.raises(keys.KeyNotActive):
        keys.rotate(old, now=NOW)
    soon, later = NOW + keys.GRACE - timedelta(seconds=1), NOW + keys.GRACE
    assert keys.find(old_text, KeyHolder.AGENT, now=soon)
    assert not keys.find(old_text, KeyHolder.AGENT, now=later)
    key = keys.find(new_text, KeyHolder.AGENT, now=later)
    keys.revoke(key, now=later)
    assert not keys.find(new_text, KeyHolder.AGENT, now=later)
    with pytest.raises(keys.KeyNotActive):
        keys.rotate(key, now=later)


def test_a_key_has_one_holder_and_its_environment():
    with pytest.raises(IntegrityError), transaction.atomic():
        AdKey.objects.create(prefix="x", key_hash=b"x", environment="live")
    with pytest.raises(ValueError):
        keys.issue(AdvertiserFactory(), Environment.TEST, now=NOW)
    assert keys.issue(AdvertiserFactory(environment="test"), Environment.TEST, now=NOW)[1].startswith(
        "av_test_"
    )


def test_each_agent_has_a_test_clock_that_goes_forward():
    agent, other = AgentFactory.create_batch(2)
    assert agents.move_test_clock(agent, timedelta(days=7)) == timedelta(days=7)
    assert agents.move_test_clock(agent, timedelta(seconds=1)) == timedelta(days=7, seconds=1)
    agent.refresh_from_db()
    other.refresh_from_db()
    assert agents.time_of(agent, Environment.TEST, now=NOW) == NOW + timedelta(days=7, seconds=1)
    assert agents.time_of(agent, Environment.LIVE, now=NOW) == NOW
    assert agents.time_of(other, Environment.TEST, now=NOW) == NOW
    for step in (timedelta(), timedelta(seconds=-1), timedelta(days=367)):
        with pytest.raises(InvalidField):
            agents.move_test_clock(agent, step)


# --- categories, switches, demo ads


def test_both_taxonomies_are_there():
    tree = categories.tree()
    assert len(tree.by_id) == 704 + 583
    assert tree.by_id["1354"].full_path == "Finance and Insurance > Tax Preparation Services"
    assert tree.by_id["1"].name == "Automotive"
    assert categories.known_ids(["Automotive", "1354", "nonsense"]) == {"1", "1354"}
    assert max(category.tier for category in tree.by_id.values()) == 4


def test_a_feature_can_be_switched_off():
    features.require(features.Feature.DECIDE)
    FeatureSwitch.objects.create(feature="decide", is_on=False)
    features.forget()
    with pytest.raises(features.FeatureOff):
        features.require(features.Feature.DECIDE)
    features.require(features.Feature.EVENTS)


def test_demo_ads_are_a_lively_marketplace():
    out = StringIO()
    call_command("load_demo_ads", stdout=out)
    count = AdUnit.objects.count()
    assert out.getvalue() == f"{count} demo ads were loaded.\n"
    assert 190 <= count <= 260
    assert not Advertiser.objects.exclude(environment="test").exists()
    tree = categories.tree()
    covered = tree.closure(identifier for unit in AdUnit.objects.all() for identifier in unit.categories)
    content_roots = {
        c.id for c in tree.by_id.values() if c.tier == 1 and (not c.id.isdigit() or int(c.id) < 1000)
    }
    assert content_roots <= covered
    assert set(AdUnit.objects.values_list("ad_type", flat=True)) == set(AdUnit.Type.values)
    assert set(Campaign.objects.values_list("pricing", flat=True)) == set(Campaign.Pricing.values)
    assert AdUnit.objects.filter(example_queries__contains=["I need a tax accountant"]).count() >= 2
    for unit in AdUnit.objects.all():
        units._check(unit)
        assert unit.categories
    call_command("load_demo_ads", stdout=out)
    assert AdUnit.objects.count() == count


def test_demo_texts_fit_their_columns():
    for ad in demo.all_ads():
        assert len(ad.title) <= 100 and len(ad.body) <= 300 and len(ad.cta) <= 40
