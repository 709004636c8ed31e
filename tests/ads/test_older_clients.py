"""An older generation of clients: the same decisions in the form that they read, and the public key they send."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from ads.models import AdEvent, Campaign, Decision, DecisionUnit
from penguin_site.startup_checks import anon_key_required
from tests.ads.factories import AdUnitFactory, AdvertiserFactory, AgentFactory
from tests.ads.money import assert_books_are_right
from tests.ads.test_api_decide import TAX, error_of
from tests.ads.test_api_events import click, tax_ad

pytestmark = pytest.mark.django_db
QUESTION = "I need a tax accountant"
OPPORTUNITY = {
    "intent": {"taxonomy": "business.tax", "query": QUESTION},
    "context": {"country": "US", "language": "en", "platform": "web"},
    "constraints": {"max_units": 1},
}
OLDER = {
    "request_id": "req_mine",
    "placement": {"type": "sponsored_suggestion", "surface": "chat_response"},
    "opportunity": OPPORTUNITY,
}


def ask(client, **body) -> dict:
    response = client.post("decide", body)
    assert response.status_code == 200, response.content
    return response.json()


def test_the_older_form(live):
    unit = tax_ad(body="Files taxes.")
    body = ask(live, **OLDER)
    assert set(body) == {"status", "request_id", "decision_id", "ttl_ms", "units"}
    assert (body["status"], body["request_id"], body["ttl_ms"]) == ("filled", "req_mine", 3_600_000)
    (shown,) = body["units"]
    assert (shown["unit_id"], shown["unit_type"]) == (str(unit.pk), "sponsored_suggestion")
    assert shown["suggestion"] == {
        "title": "CloudTax",
        "body": "Files taxes.",
        "cta": "Look",
        "action_url": shown["tracking"]["click_url"],
        "tracking_url": shown["tracking"]["click_url"],
    }
    assert "/functions/v1/track-click/" in shown["suggestion"]["action_url"]
    assert set(shown["disclosure"]) >= {"label", "explanation", "sponsor_name"}
    assert set(shown["tracking"]) == {"token", "impression_url", "click_url"}
    assert shown["tracking"]["token"].startswith("trk_")
    assert set(shown["_score"]) == {"relevance", "quality", "bid", "final", "composite", "position"}
    assert (shown["_score"]["composite"], shown["_score"]["position"]) == (shown["_score"]["final"], 1)
    assert Decision.objects.get().placement == "chat_response"


def test_services_come_with_their_address(live):
    AdUnitFactory(
        ad_type="service",
        service_endpoint="https://api.example.com/run",
        service_auth="bearer",
        service_description="Translates.",
        campaign__pricing="success",
        example_queries=[QUESTION],
    )
    suggestion = ask(live, **OLDER)["units"][0]["suggestion"]
    assert {name: suggestion[name] for name in suggestion if name.startswith("service_")} == {
        "service_endpoint": "https://api.example.com/run",
        "service_auth": "bearer",
        "service_description": "Translates.",
    }


def test_no_fill_in_the_older_form(live):
    body = ask(live, **OLDER)
    assert (body["status"], body["units"], body["reason"]) == ("no_fill", [], "no_match")
    assert ask(live, **OLDER | {"request_id": "2", "response_format": "minimal"})["status"] == "no_fill"


@pytest.mark.parametrize("mark", [
    {"opportunity": {}}, {"placement": {"id": "sidebar"}}, {"country": "US"}, {"language": "en"}, {"platform": "web"},
    {"constraints": {}}, {"minQualityScore": 0.1}, {"optimizeFor": "revenue"},
], ids=lambda mark: next(iter(mark)))  # fmt: skip
def test_each_mark_of_an_older_client_is_enough(live, mark):
    tax_ad()
    body = ask(live, **TAX, **mark)
    assert (body["status"], "creative" in body, "suggestion" in body["units"][0]) == ("filled", False, True)


def test_the_question_may_stand_in_several_places(live):
    tax_ad()
    for opportunity in (
        OPPORTUNITY,
        {"intent": QUESTION},
        {"intent": {"taxonomy": "i_need.a_tax.accountant"}},
    ):
        assert ask(live, opportunity=opportunity)["status"] == "filled"
    error_of(live.post("decide", {"opportunity": {}}), 400, "invalid_field")


@pytest.mark.parametrize("response_format", ["minimal", "standard"])
def test_one_flat_ad(live, response_format):
    unit = tax_ad()
    body = ask(live, **TAX, response_format=response_format, request_id="req_mine")
    assert set(body) == {
        "status", "creative", "click_url", "tracking_token", "advertiser_id", "payout", "relevance_score", "disclosure",
        "_meta",
    }  # fmt: skip
    assert (body["status"], body["creative"]["title"], body["payout"]) == ("filled", "CloudTax", 3.5)
    assert ("explanation" in body["disclosure"]) is (response_format == "standard")
    assert body["advertiser_id"] == str(unit.campaign.advertiser_id)
    assert (body["_meta"]["request_id"], body["_meta"]["unit_id"]) == ("req_mine", str(unit.pk))
    assert body["_meta"]["decision_id"] == f"dec_{Decision.objects.get().pk[1].hex}"


def shown_by(client, **controls) -> list[str]:
    return [each["suggestion"]["title"] for each in ask(client, **TAX, **controls)["units"]]


def test_controls_in_camel_case(live):
    cheap = tax_ad(campaign__bid_cents=20, categories=["1354"])
    dear = AdUnitFactory(
        title="Dear", example_queries=["a tax accountant for my company"], campaign__bid_cents=90
    )
    assert shown_by(live, optimizeFor="revenue") == ["Dear", "CloudTax"]
    assert shown_by(live, optimizeFor="relevance") == ["CloudTax", "Dear"]
    assert shown_by(live, minCPC=50) == ["Dear"]
    assert shown_by(live, minRelevanceScore=0.99) == ["CloudTax"]
    assert shown_by(live, minQualityScore=0.6) == []
    assert shown_by(live, allowedCategories=["Tax Preparation Services"]) == ["CloudTax"]
    assert shown_by(live, blockedCategories=["1354"]) == ["Dear"]
    assert shown_by(live, blockedAdvertisers=[str(dear.campaign.advertiser_id)]) == [cheap.title]
    assert shown_by(live, constraints={"max_units": 1}) == ["Dear"]


@pytest.mark.parametrize(
    "change",
    [
        {"opportunity": "text"},
        {"opportunity": {"context": "text"}},
        {"opportunity": {"constraints": []}},
        {"constraints": 5},
        {"constraints": {"max_units": 0}},
        {"constraints": {"max_units": "1"}},
        {"minQualityScore": 1.5},
        {"minRelevanceScore": "high"},
        {"minCPC": -1},
        {"minCPC": "10"},
        {"optimizeFor": "luck"},
        {"allowedCategories": "1354"},
        {"placement": {"id": 5}},
        {"response_format": "minimal", "context": ""},
    ],
    ids=lambda change: "-".join(change),
)
def test_what_is_no_older_request(live, change):
    error_of(live.post("decide", TAX | change), 400, "invalid_field")


def test_an_older_request_repeated_gets_its_answer_again(live):
    tax_ad()
    first = ask(live, **OLDER)
    assert ask(live, **OLDER) == first
    error_of(live.post("decide", OLDER | {"user_intent": "other"}), 409, "idempotency_mismatch")
    error_of(live.post("decide", OLDER | {"agent_id": AgentFactory().public_id}), 403, "forbidden")
    assert Decision.objects.count() == 1


# --- the address of an impression


def load(shown, **headers):
    browser = Client(headers={"User-Agent": "Mozilla/5.0"} | headers)
    return browser.get(shown["tracking"]["impression_url"].removeprefix("http://testserver"))


def test_an_impression_by_its_address_is_billed_once(live):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    (shown,) = ask(live, **OLDER)["units"]
    bot = load(shown, **{"User-Agent": "Googlebot/2.1"})
    assert bot.json() == {"accepted": True, "billable": False, "reason": "bot"}
    assert load(shown).json() == {"accepted": True, "billable": True}
    assert load(shown).json() == {"accepted": True, "billable": False, "reason": "duplicate"}
    assert AdEvent.objects.get().price_micros == DecisionUnit.objects.get().price_cents * 10
    click(shown)
    assert AdEvent.objects.filter(kind="impression").count() == 1
    assert_books_are_right()


def test_late_and_unknown_impressions(test):
    unit = tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    advertiser = AdvertiserFactory(environment="test", paid_in=0)
    Campaign.objects.filter(pk=unit.campaign_id).update(advertiser=advertiser)
    (shown,) = ask(test, **OLDER)["units"]
    test.post("test/clock", {"advance_seconds": 3_700})
    assert load(shown).json() == {"accepted": True, "billable": False, "reason": "late"}
    for token in ("trk_abc", "x"):
        error_of(Client().get(f"/functions/v1/track-impression/{token}"), 404, "not_found")
    assert not AdEvent.objects.exists()


# --- the public key


@pytest.mark.parametrize(
    "headers, is_let_in",
    [
        ({}, False),
        ({"Authorization": "Bearer other"}, False),
        ({"Authorization": "public-key"}, False),
        ({"Authorization": "Bearer public-key"}, True),
        ({"apikey": "public-key"}, True),
        ({"Authorization": "Bearer \u00e4"}, False),
    ],
    ids=["none", "another", "no scheme", "right", "apikey", "no ascii"],
)
def test_the_public_key_where_it_is_required(live, settings, headers, is_let_in):
    settings.PENGUIN_ANON_KEY, settings.PENGUIN_REQUIRE_ANON_KEY = "public-key", True
    response = live.post("decide", TAX, headers=headers)
    if is_let_in:
        assert response.status_code == 200
    else:
        error_of(response, 401, "authentication_failed")
    assert Client().get("/functions/v1/policy").status_code == 200


def test_elsewhere_it_says_nothing(live, settings):
    settings.PENGUIN_ANON_KEY = "public-key"
    for headers in ({}, {"Authorization": "Bearer other"}):
        assert live.post("decide", TAX, headers=headers).status_code == 200
    response = Client(headers={"Authorization": "Bearer public-key"}).post("/functions/v1/decide")
    error_of(response, 401, "authentication_failed")


def test_a_required_key_has_to_be_set():
    assert anon_key_required(False, anon_key="") is False
    assert anon_key_required(True, anon_key="public-key") is True
    with pytest.raises(ImproperlyConfigured, match="PENGUIN_ANON_KEY"):
        anon_key_required(True, anon_key="")
