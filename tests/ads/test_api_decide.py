"""`POST /decide` over HTTP: shapes, validation, keys, errors, repetition, limits, switches, the document."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ads import demo, keys
from ads.api.urls import urlpatterns
from ads.core.tokens import Environment
from ads.models import AdKey, Agent, Campaign, Decision, FeatureSwitch
from penguin_site.core.rate_limits import parse_limits
from tests.ads.conftest import AdsClient
from tests.ads.factories import NOW, AdUnitFactory, AgentFactory

pytestmark = pytest.mark.django_db
TAX = {"context": "I need a tax accountant"}


@pytest.fixture
def unit():
    return AdUnitFactory(title="CloudTax", example_queries=["I need a tax accountant"])


def error_of(response, status: int, code: str) -> dict:
    body = response.json()
    assert (response.status_code, body["code"], body["error"]) == (status, code, code), body
    assert isinstance(body["message"], str)
    assert body["message"]
    assert re.fullmatch(r"req_[0-9a-f]{32}", body["request_id"])
    return body


def test_the_published_shape(live, unit):
    response = live.post("decide", TAX | {"max_results": 3, "min_quality_score": 0.5})
    body = response.json()
    assert response.status_code == 200
    assert body["status"] == "fill"
    assert re.fullmatch(r"req_\w+", body["request_id"])
    assert re.fullmatch(r"dec_[0-9a-f]{32}", body["decision_id"])
    (shown,) = body["units"]
    assert set(shown) == {
        "creative", "click_url", "tracking_token", "disclosure", "ad_type", "advertiser_id", "payout", "content_trust",
        "expires_at", "_score", "_meta",
    }  # fmt: skip
    assert set(shown["creative"]) == {"title", "body", "cta", "landing_url"}
    assert set(shown["_score"]) == {"relevance", "quality", "bid", "final"}
    assert shown["_meta"] == {
        "unit_id": str(unit.pk), "campaign_id": str(unit.campaign_id), "clearing_price_cents": 5, "position": 1,
    }  # fmt: skip
    assert shown["click_url"].startswith("http://testserver/functions/v1/track-click/eyJ")
    assert shown["tracking_token"].startswith("trk_")
    assert shown["disclosure"] == {
        "label": "Sponsored", "sponsor_name": unit.campaign.advertiser.name, "why": shown["disclosure"]["why"],
    }  # fmt: skip
    assert (shown["content_trust"], shown["payout"]) == ("untrusted", 3.5)
    assert shown["_score"]["bid"] == 0.5


def test_verbose_says_how_it_came_about(live, unit):
    shown = live.post("decide", TAX | {"response_format": "verbose"}).json()["units"][0]
    assert shown["auction"] == {"pricing": "cpc", "bid_cents": 50, "reserve_cents": 5, "pivotal_score": 0}
    assert shown["_score"]["debug"] == {"model": "use-multilingual-3", "calibration": "use-1"}


def test_no_fill_says_why(live):
    body = live.post("decide", TAX).json()
    assert (body["status"], body["units"], body["reason"]) == ("no_fill", [], "no_match")
    assert body["stages"]["inventory"] == 0


@pytest.mark.parametrize(
    "change, field",
    [
        ({"context": ""}, "context"),
        ({"context": "   "}, "context"),
        ({"context": 5}, "context"),
        ({"context": None}, "context"),
        ({"context": "x" * 16_001}, "context"),
        ({"max_results": 0}, "max_results"),
        ({"max_results": 21}, "max_results"),
        ({"max_results": "3"}, "max_results"),
        ({"max_results": 2.5}, "max_results"),
        ({"max_results": True}, "max_results"),
        ({"min_quality_score": 1.01}, "min_quality_score"),
        ({"min_relevance_score": -0.1}, "min_relevance_score"),
        ({"min_relevance_score": "0.5"}, "min_relevance_score"),
        ({"categories": "1"}, "categories"),
        ({"categories": [1]}, "categories.0"),
        ({"response_format": "long"}, "response_format"),
        ({"max_wait_ms": -1}, "max_wait_ms"),
        ({"max_wait_ms": 10_001}, "max_wait_ms"),
        ({"consent": "yes"}, "consent"),
    ],
)
def test_what_is_no_request(live, change, field):
    body = error_of(live.post("decide", TAX | change), 400, "invalid_field")
    assert list(body["details"]) == [field]


def test_context_is_required_and_unknown_fields_are_ignored(live):
    assert "context" in error_of(live.post("decide", {}), 400, "invalid_field")["details"]
    assert live.post("decide", TAX | {"something_else": [1, {}]}).status_code == 200
    assert live.post("decide", TAX | {"context": "x" * 16_000, "max_results": 20.0}).status_code == 200


@pytest.mark.parametrize("body", ["{", "[]", '"text"', '{"context": NaN}', '{"context": "\\ud800"}', b"\xff"])
def test_what_is_no_json(live, body):
    response = Client.post(live, "/functions/v1/decide", body, content_type="application/json")
    error_of(response, 400, "invalid_json")


def test_a_body_has_a_limit(live):
    error_of(live.post("decide", TAX | {"note": "x" * 65_536}), 413, "payload_too_large")


@pytest.mark.parametrize("max_wait_ms, status", [(0, "no_fill"), (10_000, "fill")])
def test_a_deadline_is_never_an_error(live, unit, max_wait_ms, status):
    assert live.post("decide", TAX | {"max_wait_ms": max_wait_ms}).json()["status"] == status


# --- who asks


@pytest.mark.parametrize("key", [None, "", "am_live_", "am_live_" + "a" * 48, "pk_12345678_abc", "\u00e4"])
def test_without_a_key_nobody_gets_an_answer(db, key):
    headers = {} if key is None else {"X-AM-API-Key": key}
    response = Client(headers=headers).post("/functions/v1/decide", TAX, content_type="application/json")
    error_of(response, 401, "authentication_failed")


def test_the_infrastructure_key_is_no_key(live):
    response = Client(headers={"Authorization": f"Bearer {live.key}"}).post("/functions/v1/decide")
    error_of(response, 401, "authentication_failed")


def test_a_revoked_key_is_refused(test):
    assert test.post("decide", TAX).status_code == 200
    keys.revoke(AdKey.objects.get(), now=timezone.now())
    error_of(test.post("decide", TAX), 401, "authentication_failed")


@pytest.mark.parametrize(
    "status, live_code, test_status",
    [("pending_review", "agent_pending", 200), ("suspended", "forbidden", 403)],
)
def test_agents_that_are_not_active(status, live_code, test_status):
    agent = AgentFactory(status=status)
    error_of(AdsClient(agent, Environment.LIVE).post("decide", TAX), 403, live_code)
    assert AdsClient(agent, Environment.TEST).post("decide", TAX).status_code == test_status


def test_an_agent_id_must_be_ones_own(live):
    error_of(live.post("decide", TAX | {"agent_id": AgentFactory().public_id}), 403, "forbidden")
    assert live.post("decide", TAX | {"agent_id": live.agent.public_id}).status_code == 200


# --- around


def test_unknown_addresses_and_methods_answer_alike(live):
    error_of(live.post("nothing/here"), 404, "not_found")
    error_of(Client().get("/functions/v1/"), 404, "not_found")
    error_of(live.get("/functions/v1/decide"), 405, "method_not_allowed")
    error_of(live.delete("/functions/v1/event"), 405, "method_not_allowed")


def test_a_feature_that_is_off_answers_503(live):
    FeatureSwitch.objects.create(feature="decide", is_on=False)
    response = live.post("decide", TAX)
    error_of(response, 503, "service_unavailable")
    assert response.headers["Retry-After"]


def test_too_many_requests(live, settings):
    settings.PENGUIN_RATE_LIMITS = parse_limits("ads=60/min:2")
    answers = [live.post("decide", TAX) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    error_of(answers[2], 429, "rate_limited")
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].headers["X-RateLimit-Limit"] == "2"
    assert AdsClient(AgentFactory(), Environment.LIVE).post("decide", TAX).status_code == 200


def test_any_origin_may_ask_without_cookies():
    client = Client(headers={"Origin": "https://anywhere.example"})
    response = client.options("/functions/v1/decide", headers={"Access-Control-Request-Method": "POST"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-am-api-key" in response.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in response.headers


# --- again


@pytest.mark.parametrize("by_header", [True, False])
def test_the_same_request_gets_the_first_answer(live, unit, by_header):
    def ask(key="one", **change):
        headers = {"Idempotency-Key": key} if by_header else {}
        return live.post("decide", TAX | change | ({} if by_header else {"request_id": key}), headers=headers)

    first = ask().json()
    assert ask().json() == first
    assert ask("two").json()["decision_id"] != first["decision_id"]
    error_of(ask(max_results=2), 409, "idempotency_mismatch")
    assert Decision.objects.count() == 2
    if not by_header:
        assert first["request_id"] == "one"


# --- test keys


def test_a_test_key_is_shown_the_demo_and_moves_nothing_real(test, unit):
    demo.load(now=NOW)
    body = test.post("decide", TAX | {"max_results": 3}).json()
    assert len(body["units"]) == 3
    assert "CloudTax: AI Tax Filing" in [shown["creative"]["title"] for shown in body["units"]]
    assert str(unit.pk) not in json.dumps(body)
    assert set(Decision.objects.values_list("book", flat=True)) == {f"test:{test.agent.pk.hex}"}


def test_a_translation_service_comes_with_its_transaction(test):
    demo.load(now=NOW)
    shown = test.post("decide", {"context": "please translate this contract into German"}).json()["units"][0]
    assert shown["ad_type"] == "service"
    assert re.fullmatch(r"txn_[0-9a-f]{32}", shown["transaction_id"])
    assert set(shown["service"]) == {"endpoint", "auth", "description"}
    assert shown["service"]["endpoint"].startswith("https://")


def test_the_test_clock_decides_by_its_own_time(test):
    demo.load(now=NOW)
    Campaign.objects.update(starts_at=timezone.now() + timedelta(days=3))
    assert test.post("decide", TAX).json()["status"] == "no_fill"
    Agent.objects.update(test_clock_ahead=timedelta(days=4))
    assert test.post("decide", TAX).json()["status"] == "fill"


# --- the document


def test_the_document_is_openapi_3_1_and_complete():
    response = Client().get("/functions/v1/api-v1/openapi.json")
    document = response.json()
    assert document["openapi"].startswith("3.1")
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/functions/v1/{route.pattern}")
        for route in urlpatterns
        if hasattr(route.callback, "view_class")
    }
    assert set(document["paths"]) == routes - {"/functions/v1/^.*$"}
    assert len(routes) > 8
    for methods in document["paths"].values():
        for described in methods.values():
            assert described["summary"]
            assert {"400", "429", "500", "503"} <= set(described["responses"])
    operation = document["paths"]["/functions/v1/decide"]["post"]
    assert operation["security"] == [{"AgentKey": []}]
    assert {"200", "400", "401", "403", "409", "413", "429", "500", "503"} <= set(operation["responses"])
    assert document["components"]["securitySchemes"]["AgentKey"]["name"] == "X-AM-API-Key"
