"""Decisions: what fits is found, filtered, priced, held and written down, or the reason why nothing was."""

import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ads import decisions, demo, ledger, matching
from ads.core.books import book_of
from ads.core.tokens import Environment
from ads.decision_records import IdempotencyMismatch, StoredKey
from ads.decisions import Request, decide
from ads.models import (
    AdUnit,
    Advertiser,
    Campaign,
    CampaignBudget,
    Decision,
    DecisionKey,
    DecisionUnit,
    Hold,
    ServiceTransaction,
)
from tests.ads.factories import NOW, AdUnitFactory, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import CENT, DOLLAR, assert_books_are_right

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    return AgentFactory()


@pytest.fixture
def tax_unit():
    return tax_ad()


def tax_ad(**fields) -> AdUnit:
    texts = {
        "title": "CloudTax: AI tax filing",
        "body": "File your taxes in 15 minutes.",
        "example_queries": ["I need a tax accountant"],
        "categories": ["1354"],
    }
    return AdUnitFactory(**texts | fields)


def ask(
    agent, context="I need a tax accountant", *, environment=Environment.LIVE, now=NOW, **others
) -> decisions.Decision:
    request = Request(
        agent=agent, environment=environment, now=now, context=context, until=time.monotonic() + 60, **others
    )
    seen = []

    def render(decision):
        seen.append(decision)
        return {"decision": decision.id.hex, "units": len(decision.placed)}

    decide(request, render)
    return seen[-1]


def titles(decision) -> list[str]:
    return [placed.entry.unit.title for placed in decision.placed]


def test_what_fits_is_shown_and_written_down(agent, tax_unit):
    AdUnitFactory(title="Orbit CRM", example_queries=["best CRM for startups"])
    decision = ask(agent)
    assert titles(decision) == [tax_unit.title]
    (placed,) = decision.placed
    assert placed.placement.price_cents == decisions.RESERVE_CENTS
    assert placed.placement.candidate.relevance > 9_000
    stored = Decision.objects.get()
    assert (stored.id, stored.reason, stored.units_count) == (decision.id, "", 1)
    assert stored.stages["inventory"] == 2
    assert (stored.relevance_model, stored.calibration) == ("use-multilingual-3", "use-1")
    unit = DecisionUnit.objects.get()
    assert (unit.unit_id, unit.price_cents, unit.position, unit.share_bps) == (tax_unit.pk, 5, 1, 7_000)
    assert unit.month == NOW.date().replace(day=1)


def test_the_runner_up_sets_the_price(agent):
    first, second = (tax_ad(campaign__bid_cents=bid) for bid in (50, 30))
    decision = ask(agent)
    assert [placed.entry.unit.pk for placed in decision.placed] == [first.pk, second.pk]
    assert [placed.placement.price_cents for placed in decision.placed] == [
        30,
        5,
    ]  # the first is older: it wins the tie
    assert ask(agent, max_results=1).placed[0].placement.price_cents == 30


def reason(agent, *args, **others) -> str:
    decision = ask(agent, *args, **others)
    assert not decision.placed
    assert Decision.objects.get(id=decision.id).reason == decision.reason
    return decision.reason


def test_an_empty_marketplace_matches_nothing(agent):
    assert reason(agent) == "no_match"


@pytest.mark.parametrize(
    "context, others, expected",
    [
        ("what is the capital of France", {}, "no_match"),
        ("can you help me with my taxes", {"min_relevance": 9_900}, "below_relevance"),
        ("I need a tax accountant", {"min_quality": 5_001}, "below_quality"),
        ("I need a tax accountant", {"blocked_categories": frozenset(["1335"])}, "blocked"),
        ("I need a tax accountant", {"categories": frozenset(["1"])}, "no_match"),
        ("I need a tax accountant", {"min_bid_cents": 51}, "no_match"),
        ("I need a tax accountant", {"has_consent": False}, "consent_required"),
        ("I need a tax accountant, I want to kill myself", {}, "sensitive_context"),
        ("my father passed away yesterday, who does his taxes", {}, "sensitive_context"),
        ("I do not see any reason to go on living any more", {}, "sensitive_context"),
    ],
)
def test_reasons(agent, tax_unit, context, others, expected):
    assert reason(agent, context, **others) == expected


def test_the_deadline_has_passed(agent, tax_unit):
    request = Request(
        agent=agent,
        environment=Environment.LIVE,
        now=NOW,
        context="I need a tax accountant",
        until=time.monotonic(),
    )
    assert decide(request, lambda decision: {"reason": decision.reason}) == {"reason": "timeout"}


def test_without_the_model_words_are_compared(agent, tax_unit, monkeypatch):
    from penguin_site import embeddings

    monkeypatch.setattr(embeddings, "embed", lambda texts, **_: None)
    decision = ask(agent, "I need a good tax accountant")
    assert titles(decision) == [tax_unit.title]
    assert (decision.model, decision.calibration) == ("words", "words-1")
    assert reason(agent, "what is the capital of France") == "no_match"


@pytest.mark.parametrize("seconds, waited", [(60.0, 59.5), (0.1, 0.05)])
def test_the_model_is_not_waited_for_until_it_is_too_late_for_words(monkeypatch, seconds, waited):
    from penguin_site import embeddings

    waits = []
    monkeypatch.setattr(embeddings, "embed", lambda texts, *, wait_seconds: waits.append(wait_seconds))
    assert matching.read("tax", "", until=time.monotonic() + seconds).vectors is None
    assert waits[0] <= waited


@pytest.mark.parametrize("categories", [["1354"], ["1335"]])
def test_a_category_and_its_parent_are_asked_for(agent, tax_unit, categories):
    assert ask(agent, categories=frozenset(categories)).placed


def test_negative_contexts_subtract(agent, tax_unit):
    about_rome = "how did taxes work in ancient Rome"
    before = ask(agent, about_rome, min_relevance=0).placed[0].placement.candidate.relevance
    AdUnit.objects.update(negative_contexts=["taxes in history", "taxes in ancient Rome"])
    after = ask(agent, about_rome, min_relevance=0)
    assert not after.placed or after.placed[0].placement.candidate.relevance < before // 2
    assert ask(agent).placed


# --- who takes part


@pytest.mark.parametrize(
    "change",
    [
        lambda unit: AdUnit.objects.update(review="pending_review"),
        lambda unit: AdUnit.objects.update(is_paused=True),
        lambda unit: Campaign.objects.update(status="paused"),
        lambda unit: Campaign.objects.update(starts_at=NOW + timedelta(hours=1)),
        lambda unit: Campaign.objects.update(ends_at=NOW),
        lambda unit: Campaign.objects.update(countries=["CA"]),
        lambda unit: Advertiser.objects.update(is_active=False),
        lambda unit: Advertiser.objects.update(organisation="Example.com"),
        lambda unit: Advertiser.objects.update(environment="test"),
    ],
    ids=[
        "in review",
        "unit paused",
        "campaign paused",
        "not begun",
        "over",
        "elsewhere",
        "inactive",
        "own",
        "test",
    ],
)
def test_who_does_not_take_part(agent, tax_unit, change):
    assert ask(agent).placed
    change(tax_unit)
    assert reason(agent) == "no_match"


def test_targeting_matches_what_is_told(agent, tax_unit):
    Campaign.objects.update(countries=["CA"], languages=["en"])
    assert ask(agent, country="ca", language="EN").placed
    assert not ask(agent, country="ca").placed


def test_a_paused_campaign_is_not_shown_even_from_an_old_snapshot(agent, tax_unit, monkeypatch):
    from ads import snapshot

    assert ask(agent).placed
    monkeypatch.setattr(snapshot, "LOOK_EVERY_SECONDS", 3600.0)
    Campaign.objects.update(status="paused")
    assert not ask(agent).placed


def test_blocked_advertisers(agent, tax_unit):
    assert reason(agent, blocked_advertisers=frozenset([tax_unit.campaign.advertiser_id])) == "blocked"


def test_frequency_caps_count_per_user_and_agent(agent, tax_unit):
    Campaign.objects.update(frequency_cap=2, frequency_window=timedelta(hours=1))
    anna, ben = b"a" * 32, b"b" * 32
    assert ask(agent, user_hash=anna).placed
    assert ask(agent, user_hash=anna).placed
    assert reason(agent, user_hash=anna) == "frequency_cap"
    assert ask(agent, user_hash=ben).placed
    assert ask(agent).placed
    assert ask(agent, user_hash=anna, now=NOW + timedelta(hours=1, seconds=1)).placed


# --- money


def test_no_money_no_ad(agent):
    tax_ad(campaign=CampaignFactory(advertiser=AdvertiserFactory(paid_in=0)))
    assert reason(agent) == "budget"


def test_who_cannot_pay_the_price_leaves_the_auction(agent):
    """The first could pay the reserve, not what the second makes it cost: the second is alone then."""
    tax_ad(campaign__bid_cents=50, campaign__total_budget_micros=20 * CENT)
    second = tax_ad(campaign__bid_cents=40)
    (placed,) = ask(agent).placed
    assert (placed.entry.unit.pk, placed.placement.price_cents) == (second.pk, 5)


def test_impressions_are_held_and_clicks_are_not(agent):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    tax_ad()
    decision = ask(agent)
    assert [placed.pricing.value for placed in decision.placed] == ["cpm", "cpc"]
    hold = Hold.objects.get()
    assert (hold.decision_id, hold.unit_id) == (decision.id, decision.placed[0].entry.unit.pk)
    assert hold.amount_micros == decision.placed[0].placement.price_cents * 10
    assert hold.expires_at == NOW + timedelta(hours=1)
    assert_books_are_right()


def test_a_service_lies_in_escrow(agent):
    unit = tax_ad(
        ad_type="service",
        service_endpoint="https://api.example.com/run",
        campaign__pricing="success",
        campaign__bid_cents=80,
    )
    (placed,) = ask(agent).placed
    service = ServiceTransaction.objects.get()
    assert (service.id, service.agent, service.amount_micros) == (placed.transaction_id, agent, 5 * CENT)
    assert ledger.balance(ledger.ESCROW) == 5 * CENT
    assert ledger.balance(ledger.wallet_of(unit.campaign.advertiser_id)) == 1_000 * DOLLAR - 5 * CENT
    assert CampaignBudget.objects.get().held_micros == 5 * CENT
    assert_books_are_right()


def _nobody_looks(monkeypatch) -> None:
    """The money is gone between the look and the hold."""
    everything = decisions.Limits(is_running=True, is_capped=False, room_micros=None)
    monkeypatch.setattr(
        decisions, "limits_of", lambda campaigns, **_: {campaign: everything for campaign, _ in campaigns}
    )


def test_a_refused_hold_sends_the_auction_into_another_round(agent, monkeypatch):
    """The unit leaves, and the next one takes its place."""
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=900, campaign__total_budget_micros=0)
    second = tax_ad()
    _nobody_looks(monkeypatch)
    decision = ask(agent)
    assert [placed.entry.unit.pk for placed in decision.placed] == [second.pk]
    assert Decision.objects.count() == 1
    assert not Hold.objects.exists()
    assert_books_are_right()


def test_after_three_refusals_nothing_is_shown(agent, monkeypatch):
    for bid in (900, 800, 700, 600):
        tax_ad(campaign__pricing="cpm", campaign__bid_cents=bid, campaign__total_budget_micros=0)
    last = tax_ad(campaign__pricing="cpm", campaign__bid_cents=500)
    _nobody_looks(monkeypatch)
    assert reason(agent, max_results=1) == "budget"
    assert not Hold.objects.exists()
    decision = ask(agent, max_results=4)
    assert [placed.entry.unit.pk for placed in decision.placed] == [last.pk]
    assert_books_are_right()


def test_a_test_key_has_its_own_inventory_and_book(agent, tax_unit):
    demo.load(now=NOW)
    decision = ask(agent, environment=Environment.TEST)
    assert "CloudTax: AI Tax Filing" in titles(decision)
    assert len(decision.placed) == 5
    assert Decision.objects.get().book == book_of(Environment.TEST, agent.pk)
    assert not CampaignBudget.objects.filter(book="live").exists()
    assert titles(ask(agent)) == [tax_unit.title]
    assert_books_are_right()


@pytest.mark.parametrize(
    "context, expected",
    [
        ("best CRM for startups", "Orbit CRM"),
        ("please translate this contract into German", "Polyglot Bridge"),
        ("my sink is leaking", "Pipewise"),
        ("Ich brauche einen Steuerberater", "CloudTax"),
    ],
)
def test_demo_ads_fit_their_questions(agent, context, expected):
    demo.load(now=NOW)
    decision = ask(agent, context, environment=Environment.TEST)
    assert expected in [placed.entry.campaign.advertiser.name for placed in decision.placed]


# --- the same request again


def keyed(agent, key="request 1", body_hash=b"same", **others):
    request = Request(
        agent=agent,
        environment=Environment.LIVE,
        now=NOW,
        context="I need a tax accountant",
        until=time.monotonic() + 60,
        key=StoredKey(key, body_hash),
        **others,
    )
    return decide(request, lambda decision: {"decision_id": decision.id.hex})


def test_the_same_request_gets_the_first_answer(agent):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    first = keyed(agent)
    assert keyed(agent) == first
    assert Decision.objects.count() == Hold.objects.count() == 1
    assert keyed(agent, key="request 2") != first
    assert keyed(AgentFactory()) != first
    with pytest.raises(IdempotencyMismatch):
        keyed(agent, body_hash=b"other")
    assert_books_are_right()


def test_a_key_is_forgotten_after_a_day(agent, tax_unit):
    first = keyed(agent)
    DecisionKey.objects.update(created_at=NOW - timedelta(days=400))
    assert keyed(agent, body_hash=b"other") != first
    assert DecisionKey.objects.count() == 1


@pytest.mark.parametrize("context", ["please translate this contract into German", "best CRM for startups"])
def test_statements_do_not_grow_with_the_inventory(agent, context):
    demo.load(now=NOW)
    ask(agent, context, environment=Environment.TEST)  # opens the rows of budgets, reads the snapshot
    with CaptureQueriesContext(connection) as queries:
        assert ask(agent, context, environment=Environment.TEST, max_results=20).placed
    # Beside those of the decision: a look at the inventory's version once a second, and the savepoint.
    texts = [query["sql"] or "a prepared statement" for query in queries]
    statements = [text for text in texts if "SAVEPOINT" not in text and "ad_inventory" not in text]
    assert len(statements) <= 4, statements


def test_what_the_user_said_is_not_stored(agent, tax_unit):
    ask(agent, "I need a tax accountant canary7f3a", user_intent="canary7f3a", placement="chat")
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if table.startswith("ad_"):
                cursor.execute(f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE %s', ["%canary7f3a%"])
                assert cursor.fetchone() == (0,), table


def test_a_decision_of_the_last_second_of_a_month_lies_in_its_month(agent, tax_unit):
    last = NOW.replace(month=1, day=31, hour=23, minute=59, second=59, microsecond=999_000)
    ask(agent, now=last)
    ask(agent, now=last + timedelta(milliseconds=1))
    assert sorted(DecisionUnit.objects.values_list("month", flat=True)) == [
        last.date().replace(day=1),
        last.date().replace(month=2, day=1),
    ]


def test_a_requests_defaults_do_not_share_their_deadline(agent):
    first = Request(agent=agent, environment=Environment.LIVE, now=NOW, context="x")
    assert replace(first, context=str(uuid4())).until == first.until
    assert Request(agent=agent, environment=Environment.LIVE, now=NOW, context="x").until >= first.until
