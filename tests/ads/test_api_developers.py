"""Sign-up, balance, the test clock, services, ratings, rules and categories over HTTP."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client

from ads import demo, ledger, settlements
from ads.core.books import book_of
from ads.core.tokens import Environment
from ads.models import Agent, Decision, FeatureSwitch, Hold, Rating, ServiceTransaction
from penguin_site.core.rate_limits import parse_limits
from tests.ads.conftest import AdsClient
from tests.ads.factories import NOW, AdUnitFactory, AdvertiserFactory, AgentFactory
from tests.ads.money import CENT, assert_books_are_right
from tests.ads.test_api_decide import TAX, error_of
from tests.ads.test_api_events import click, decide, tax_ad

pytestmark = pytest.mark.django_db
MYBOT = {"owner_email": "dev@example.com", "agent_name": "MyBot"}


def sign_up(**change):
    return Client().post("/functions/v1/agent-signup", MYBOT | change, content_type="application/json")


def with_key(key) -> Client:
    return Client(headers={"X-AM-API-Key": key})


# --- sign-up


def test_signing_up_and_asking_with_the_test_key():
    response = sign_up(sdk="typescript", declared_placements=["chat"])
    body = response.json()
    assert response.status_code == 201
    assert set(body) == {
        "agent_id", "api_key", "test_api_key", "owner_email", "agent_name", "environment", "status", "created_at",
        "message",
    }  # fmt: skip
    assert re.fullmatch(r"agt_[0-9a-f]{32}", body["agent_id"])
    assert (body["status"], body["environment"]) == ("pending_review", "test")
    agent = Agent.objects.get()
    assert (agent.sdk_type, agent.declared_placements, agent.organisation) == (
        "typescript",
        ["chat"],
        "example.com",
    )
    for key, status in ((body["test_api_key"], 200), (body["api_key"], 403)):
        assert (
            with_key(key).post("/functions/v1/decide", TAX, content_type="application/json").status_code
            == status
        )
    Agent.objects.update(status="active")
    assert with_key(body["api_key"]).get("/functions/v1/balance").status_code == 200


def test_the_same_agent_again_gets_no_keys():
    sign_up()
    body = error_of(sign_up(agent_name="mybot"), 409, "duplicate_agent")
    assert "am_" not in str(body)
    assert sign_up(agent_name="Another").status_code == 201


@pytest.mark.parametrize(
    "change, field",
    [
        ({"owner_email": "nobody"}, "owner_email"),
        ({"owner_email": 5}, "owner_email"),
        ({"owner_email": None}, "owner_email"),
        ({"agent_name": ""}, "agent_name"),
        ({"agent_name": " "}, "agent_name"),
        ({"agent_name": "x" * 101}, "agent_name"),
        ({"declared_placements": "chat"}, "declared_placements"),
    ],
)
def test_who_cannot_sign_up(change, field):
    assert field in error_of(sign_up(**change), 400, "invalid_field")["details"]


def test_signing_up_is_limited_by_address(settings):
    settings.PENGUIN_RATE_LIMITS = parse_limits("")
    answers = [sign_up(agent_name=f"Bot {number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert answers[5].headers["Retry-After"] == "12"
    elsewhere = Client(REMOTE_ADDR="203.0.113.9").post(
        "/functions/v1/agent-signup", MYBOT, content_type="application/json"
    )
    assert elsewhere.status_code == 201


def test_signing_up_can_be_switched_off():
    FeatureSwitch.objects.create(feature="sign_up", is_on=False)
    error_of(sign_up(), 503, "service_unavailable")


# --- balance and clock


def test_balances_are_those_of_the_keys_environment(agent, live, test):
    tax_ad()
    click(decide(live))
    for client, balance in ((live, 0.035), (test, 0.0)):
        body = client.get("/functions/v1/balance").json()
        assert (body["agent_id"], body["currency"], body["balance"]) == (agent.public_id, "USD", balance)


def test_a_test_clock_is_ones_own_and_goes_forward(live, test):
    other = AdsClient(AgentFactory(), Environment.TEST)
    first = test.post("test/clock", {"advance_seconds": 86_400}).json()
    second = test.post("test/clock", {"advance_seconds": 60}).json()
    assert (first["advanced_seconds"], second["advanced_seconds"]) == (86_400, 86_460)
    assert second["now"] > first["now"]
    assert other.post("test/clock", {"advance_seconds": 1}).json()["advanced_seconds"] == 1
    error_of(live.post("test/clock", {"advance_seconds": 1}), 403, "forbidden")
    for wrong in (0, -1, "60", None, 366 * 86_400 + 1):
        error_of(test.post("test/clock", {"advance_seconds": wrong}), 400, "invalid_field")


# --- services


def service_of(client) -> dict:
    return client.post("decide", {"context": "please translate this contract into German"}).json()["units"][0]


def finish(client, shown, success=True, **change):
    return client.post(
        "service-result", {"transaction_id": shown["transaction_id"], "success": success} | change
    )


@pytest.fixture
def translation():
    return AdUnitFactory(
        ad_type="service",
        service_endpoint="https://api.example.com/run",
        example_queries=["translate this contract into German"],
        campaign__pricing="success",
        campaign__bid_cents=80,
    )


def test_a_success_is_paid_once(live, translation):
    shown = service_of(live)
    response = finish(live, shown, metadata={"items_processed": 5})
    assert response.json() == {
        "transaction_id": shown["transaction_id"],
        "success": True,
        "payment_triggered": True,
        "payment_amount": 0.05,
        "developer_earnings": 0.035,
        "message": "Service completed successfully. Payment triggered.",
    }
    for success in (True, False):
        body = error_of(finish(live, shown, success), 409, "duplicate_service_result")
        assert body["details"] == {"transaction_id": shown["transaction_id"], "success": True}
    assert ledger.balance(ledger.ESCROW) == 0
    assert ledger.balance(ledger.agent_account(live.agent.pk)) == 35_000
    assert ServiceTransaction.objects.get().metadata == {"items_processed": 5}
    assert_books_are_right()


def test_a_failure_gives_the_money_back(live, translation):
    shown = service_of(live)
    body = finish(live, shown, False).json()
    assert (body["success"], body["payment_triggered"], body["payment_amount"]) == (False, False, 0)
    wallet = ledger.wallet_of(translation.campaign.advertiser_id)
    assert (ledger.balance(ledger.ESCROW), ledger.balance(wallet)) == (0, 1_000_000_000)
    assert not Hold.objects.filter(state="open").exists()
    assert_books_are_right()


def test_silence_gives_it_back_after_a_day(test):
    demo.load(now=NOW)
    shown = service_of(test)
    settled = test.post("test/clock", {"advance_seconds": 86_401}).json()["settled"]
    assert settled["services"] == 1
    assert ServiceTransaction.objects.get().state == "expired"
    body = finish(test, shown).json()
    assert (body["payment_triggered"], body["payment_amount"]) == (False, 0)
    assert ledger.balance(ledger.ESCROW, book=book_of(Environment.TEST, test.agent.pk)) == 0
    assert_books_are_right()


def test_transactions_are_their_agents_own(live, test, translation):
    shown = service_of(live)
    error_of(finish(AdsClient(AgentFactory(), Environment.LIVE), shown), 403, "forbidden")
    error_of(finish(test, shown), 403, "forbidden")
    for unknown in ("txn_abc123", "txn_" + "0" * 32, shown["transaction_id"].upper(), "x"):
        error_of(live.post("service-result", {"transaction_id": unknown, "success": True}), 404, "not_found")
    for wrong in (
        {"success": "yes"},
        {"success": 1},
        {"success": None},
        {"metadata": []},
        {"metadata": {"a": "x" * 9_000}},
    ):
        error_of(finish(live, shown, **wrong), 400, "invalid_field")
    assert ServiceTransaction.objects.get().state == "open"


def test_the_chore_settles_every_book_by_its_own_clock(live, test, translation):
    demo.load(now=NOW)
    service_of(live)
    service_of(test)
    now = datetime.now(UTC)
    assert settlements.settle_all(now=now).services == 0
    Agent.objects.update(test_clock_ahead=timedelta(days=2))
    assert settlements.settle_all(now=now).services == 1
    assert settlements.settle_all(now=now + timedelta(days=2)).services == 1
    assert_books_are_right()


# --- ratings


def rate(client, shown, **change):
    body = {"tracking_token": shown["tracking_token"], "ad_unit_id": shown["_meta"]["unit_id"], "rating": 4}
    return client.post("rate-business", body | change)


def test_a_business_is_rated_after_a_click_and_once(live):
    tax_ad()
    shown = decide(live)
    error_of(rate(live, shown), 403, "click_required")
    click(shown, **{"User-Agent": "Googlebot"})
    error_of(rate(live, shown), 403, "click_required")
    click(shown)
    response = rate(live, shown, context="Fast response")
    assert response.status_code == 201
    assert response.json()["status"] == "received"
    assert error_of(rate(live, shown, rating=5), 409, "duplicate_rating")["details"]["rating"] == 4
    assert Rating.objects.get().text == "Fast response"


@pytest.mark.parametrize(
    "change",
    [
        {"rating": 0},
        {"rating": 6},
        {"rating": 4.5},
        {"rating": "4"},
        {"context": "x" * 501},
        {"ad_unit_id": "other"},
    ],
)
def test_what_is_no_rating(live, change):
    tax_ad()
    shown = decide(live)
    click(shown)
    error_of(rate(live, shown, **change), 400, "invalid_field")


def test_a_test_key_rates_its_own_clicks_for_a_week(test):
    tax_ad(campaign__advertiser=AdvertiserFactory(environment="test", paid_in=0))
    shown = decide(test)
    click(shown)
    Agent.objects.update(test_clock_ahead=timedelta(days=7, minutes=1))
    error_of(rate(test, shown), 400, "invalid_field")
    Agent.objects.update(test_clock_ahead=timedelta(days=6))
    assert rate(test, shown).status_code == 201


# --- reference


def test_policy():
    body = Client().get("/functions/v1/policy").json()
    assert body["disclosure"] == {"required": True, "label": "Sponsored", "require_sponsor_name": True}
    assert set(body) == {"version", "disclosure", "defaults", "unit_rules"}


@pytest.mark.parametrize(
    "query, total, first",
    [
        ("", 1_287, None),
        ("?search=tax%20prep", 1, {"id": 1354, "name": "Tax Preparation Services", "parent_id": 1335}),
        (
            "?parent_id=1335&search=INSUR",
            13,
            {"id": 1336, "name": "Accountants and Bookkeepers", "parent_id": 1335},
        ),
        (
            "?parent_id=v9i3On",
            11,
            {"id": "Rm3SiT", "name": "Adult & Explicit Sexual Content", "parent_id": "v9i3On"},
        ),
        ("?tier=4&search=nothing%20like%20this", 0, None),
    ],
)
def test_categories(query, total, first):
    body = Client().get(f"/functions/v1/categories{query}").json()
    assert body["total"] == len(body["categories"]) == total
    if first:
        shown = body["categories"][0]
        assert {name: shown[name] for name in first} == first


def test_a_tier_is_a_number():
    assert {c["parent_id"] for c in Client().get("/functions/v1/categories?tier=1").json()["categories"]} == {
        None
    }
    error_of(Client().get("/functions/v1/categories?tier=5"), 400, "invalid_field")


# --- months


def test_months_are_made_ahead_and_take_over_what_came_early(live):
    tax_ad()
    Agent.objects.update(test_clock_ahead=timedelta())
    far = datetime(2040, 1, 31, 12, tzinfo=UTC)
    test = AdsClient(live.agent, Environment.TEST)
    Agent.objects.update(test_clock_ahead=far - datetime.now(UTC))
    test.post("decide", TAX)
    assert part_of_decisions() == ["ad_decision_default"]
    for _ in range(2):
        settlements.make_months(now=far, ahead=1)
    assert part_of_decisions() == ["ad_decision_2040_01"]
    assert Decision.objects.get().month == far.date().replace(day=1)


def part_of_decisions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM ad_decision")
        return [name for (name,) in cursor.fetchall()]


def test_a_unit_costs_what_its_decision_said(live, translation):
    shown = service_of(live)
    assert ServiceTransaction.objects.get().amount_micros == shown["_meta"]["clearing_price_cents"] * CENT
