"""The requests that the published reference shows, answered in the shapes that it shows; and each of its errors."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from ads import features
from ads.core.tokens import Environment
from ads.models import FeatureSwitch
from penguin_site.core.rate_limits import parse_limits
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdUnitFactory, AgentFactory
from tests.ads.test_api_decide import error_of
from tests.ads.test_api_events import click

pytestmark = pytest.mark.django_db
DECISION = {
    "status": "fill",
    "request_id": "req_abc123",
    "decision_id": "dec_xyz",
    "units": [
        {
            "creative": {"title": "", "body": "", "cta": "", "landing_url": ""},
            "click_url": "https://",
            "tracking_token": "trk_abc",
            "_score": {"relevance": 0.92, "quality": 0.85, "bid": 0.50, "final": 0.39},
            "_meta": {"unit_id": "", "campaign_id": "", "clearing_price_cents": 35, "position": 1},
        }
    ],
}
FEEDBACK = {
    "status": "received",
    "feedback_id": "evt_abc123",
    "resolution_date": "2026-04-20",
    "potential_bonus": "20%",
    "message": "Feedback recorded. Bonus will be calculated after 7-day conversion window.",
}
SERVICE_RESULT = {
    "transaction_id": "txn_abc123",
    "success": True,
    "payment_triggered": True,
    "payment_amount": 0.35,
    "message": "Service completed successfully. Payment triggered.",
}


def assert_has_shape(answer: Any, sample: Any, at: str = "") -> None:
    """Everything that `sample` has, of the same types; more is allowed."""
    if isinstance(sample, dict):
        assert isinstance(answer, dict), at
        for name, value in sample.items():
            assert name in answer, f"{at}.{name}"
            assert_has_shape(answer[name], value, f"{at}.{name}")
    elif isinstance(sample, list):
        assert isinstance(answer, list), at
        for each in answer:
            assert_has_shape(each, sample[0], f"{at}[]")
    elif isinstance(sample, bool) or not isinstance(sample, int | float):
        assert type(answer) is type(sample), (at, answer)
    else:
        assert isinstance(answer, int | float), (at, answer)
        assert not isinstance(answer, bool), at


@pytest.fixture
def client(agent) -> AdsClient:
    client = AdsClient(agent, Environment.LIVE)
    client.defaults["HTTP_AUTHORIZATION"] = "Bearer eyJhbGciOiJIUzI1NiIs"
    AdUnitFactory(title="CloudTax — AI Tax Filing", example_queries=["I need a tax accountant"])
    AdUnitFactory(
        title="Which CRM?", ad_type="dynamic_capability", example_queries=["best CRM for startups"],
        campaign__pricing="session",
    )  # fmt: skip
    AdUnitFactory(
        title="Polyglot", ad_type="service", service_endpoint="https://api.example.com/run",
        example_queries=["translate a document"], campaign__pricing="success",
    )  # fmt: skip
    return client


def decide(client, context="I need a tax accountant", **others) -> dict:
    response = client.post("decide", {"context": context} | others)
    assert response.status_code == 200
    return response.json()


# --- samples


@pytest.mark.parametrize("options", [{"max_results": 3, "min_quality_score": 0.5}, {}], ids=["SDK", "cURL"])
def test_decide(client, options):
    body = decide(client, **options)
    assert_has_shape(body, DECISION)
    assert len(body["units"]) == 1
    shown = body["units"][0]
    assert (body["status"], body["request_id"][:4], body["decision_id"][:4]) == ("fill", "req_", "dec_")
    assert (shown["tracking_token"][:4], shown["_meta"]["position"]) == ("trk_", 1)
    assert "/functions/v1/track-click/eyJ" in shown["click_url"]


def test_all_parameters_of_decide(client):
    body = decide(
        client, user_intent="file taxes", categories=["Business and Finance", "Finance and Insurance"],
        blocked_categories=["Gambling"], blocked_advertisers=["adv_1"], min_quality_score=0.1,
        min_relevance_score=0.25, max_results=5, response_format="verbose", max_wait_ms=5_000, placement_id="sidebar",
    )  # fmt: skip
    assert body["status"] in ("fill", "no_fill")


@pytest.mark.parametrize(
    "event_type", ["impression", "click", "conversion", "ad_shown", "ad_dismissed", "agent_call"]
)
def test_event(client, event_type):
    shown = decide(client)["units"][0]
    response = client.post(
        "event",
        {
            "event_id": "evt_unique_id",
            "occurred_at": timezone.now().isoformat().replace("+00:00", "Z"),
            "agent_id": client.agent.public_id,
            "unit_id": shown["_meta"]["unit_id"],
            "event_type": event_type,
            "tracking_token": shown["tracking_token"],
            "metadata": {"surface": "chat"},
        },
    )
    assert response.status_code == 200
    assert_has_shape(response.json(), {"accepted": True})
    assert response.json()["accepted"] is True


@pytest.mark.parametrize(
    "opinion",
    [
        {"reaction": "positive"},
        {
            "user_response": "That's exactly what I was looking for!",
            "conversation_history": ["I need a tax tool", "Here is CloudTax..."],
        },
    ],
    ids=["manual", "automatic"],
)
@pytest.mark.parametrize("path", ["feedback", "api-v1/feedback"])
def test_feedback(client, opinion, path):
    shown = decide(client)["units"][0]
    response = client.post(path, {"tracking_token": shown["tracking_token"]} | opinion)
    assert response.status_code == 200
    body = response.json()
    assert_has_shape(body, FEEDBACK)
    assert (body["status"], body["potential_bonus"], body["message"]) == (
        FEEDBACK["status"], FEEDBACK["potential_bonus"], FEEDBACK["message"],
    )  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", body["resolution_date"])
    assert body["feedback_id"].startswith("evt_")


def test_service_result(client):
    shown = decide(client, "translate a document")["units"][0]
    body = client.post(
        "service-result",
        {"transaction_id": shown["transaction_id"], "success": True, "metadata": {"items_processed": 5}},
    ).json()
    assert_has_shape(body, SERVICE_RESULT)
    assert body["message"] == SERVICE_RESULT["message"]


def test_rate_business(client):
    shown = decide(client)["units"][0]
    click(shown)
    response = client.post(
        "rate-business",
        {
            "tracking_token": shown["tracking_token"],
            "ad_unit_id": shown["_meta"]["unit_id"],
            "rating": 4,
            "context": "Fast response, helpful information",
        },
    )
    assert response.status_code == 201
    assert_has_shape(response.json(), {"status": "received", "rating_id": ""})


def test_agent_signup_needs_no_key(db):
    response = Client().post(
        "/functions/v1/agent-signup",
        {
            "owner_email": "dev@example.com",
            "agent_name": "MyBot",
            "sdk_type": "typescript",
            "declared_placements": ["sidebar"],
        },
        content_type="application/json",
    )
    assert response.status_code == 201
    body = response.json()
    assert_has_shape(body, {"agent_id": "", "api_key": "", "test_api_key": ""})
    assert (body["api_key"][:8], body["test_api_key"][:8]) == ("am_live_", "am_test_")


def test_api_v1(client):
    document = client.get("/functions/v1/api-v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    found = client.post("api-v1/search", {"query": "best CRM for startups", "max_results": 3}).json()
    assert [f"{cap['name']}{cap['description']}" for cap in found["capabilities"]]
    start = client.post("api-v1/session/start", {"capability_id": found["capabilities"][0]["capability_id"]})
    session = {"session_id": start.json()["session_id"]}
    said = client.post("api-v1/session/message", session | {"message": "Hello"})
    ended = client.post("api-v1/session/end", session)
    told = client.post("api-v1/feedback", session | {"feedback_text": "Helpful."})
    assert [each.status_code for each in (start, said, ended, told)] == [200] * 4
    assert_has_shape(ended.json(), {"status": "completed", "summary": "", "message_count": 3, "total_tokens": 0,
                                    "total_cost_usd": 0.0})  # fmt: skip
    assert_has_shape(told.json(), {"success": True, "message": ""})


# --- the table of errors, on every route that can meet them

POSTS = [
    "decide", "event", "feedback", "service-result", "rate-business", "api-v1/search", "api-v1/session/start",
    "api-v1/session/message", "api-v1/session/end", "api-v1/feedback",
]  # fmt: skip


@pytest.mark.parametrize("path", [*POSTS, "agent-signup"])
def test_400(client, path):
    error_of(client.post(path, {}), 400, "invalid_field")
    broken = Client.post(client, f"/functions/v1/{path}", "{", content_type="application/json")
    error_of(broken, 400, "invalid_json")


def test_400_of_an_event_type(client):
    event = {"event_id": "e", "occurred_at": "2026-05-20T12:00:00Z", "agent_id": "a", "unit_id": "u"}
    error_of(client.post("event", event | {"event_type": "purchase"}), 400, "invalid_event_type")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("key", ["", "am_live_unknown_key_of_nobody"])
def test_401(db, path, key):
    response = Client(headers={"X-AM-API-Key": key}).post(f"/functions/v1/{path}")
    error_of(response, 401, "authentication_failed")


def test_403(client):
    shown = decide(client)["units"][0]
    stranger = AdsClient(AgentFactory(), Environment.LIVE)
    body = {"tracking_token": shown["tracking_token"], "reaction": "positive"}
    error_of(stranger.post("feedback", body), 403, "forbidden")
    for path in ("decide", "feedback", "api-v1/search"):
        foreign = {"context": "x", "query": "x", "agent_id": stranger.agent.public_id}
        error_of(client.post(path, body | foreign), 403, "forbidden")


@pytest.mark.parametrize(
    "path, body",
    [
        ("feedback", {"tracking_token": "trk_unknown", "reaction": "positive"}),
        ("service-result", {"transaction_id": "txn_abc123", "success": True}),
        ("rate-business", {"tracking_token": "trk_unknown", "ad_unit_id": "x", "rating": 4}),
        ("api-v1/session/start", {"capability_id": "cap_unknown"}),
        ("api-v1/session/end", {"session_id": "ses_unknown"}),
        ("unknown/address", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_404(client, path, body):
    error_of(client.post(path, body), 404, "not_found")


@pytest.mark.parametrize("path", POSTS)
def test_405(client, path):
    error_of(client.delete(f"/functions/v1/{path}"), 405, "method_not_allowed")


def test_409(client):
    shown = decide(client)["units"][0]
    click(shown)
    token, unit_id = shown["tracking_token"], shown["_meta"]["unit_id"]
    for path, body, code in (
        ("feedback", {"tracking_token": token, "reaction": "positive"}, "duplicate_feedback"),
        ("rate-business", {"tracking_token": token, "ad_unit_id": unit_id, "rating": 4}, "duplicate_rating"),
    ):
        assert client.post(path, body).status_code in (200, 201)
        assert error_of(client.post(path, body), 409, code)["details"]


@pytest.mark.parametrize("path", POSTS)
def test_413(client, path):
    error_of(client.post(path, {"x": "x" * 65_536}), 413, "payload_too_large")


@pytest.mark.parametrize("path", POSTS)
def test_429(client, settings, path):
    settings.PENGUIN_RATE_LIMITS = parse_limits("ads=1/min")
    client.post(path, {})
    response = client.post(path, {})
    error_of(response, 429, "rate_limited")
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_500_says_nothing_of_the_inside(client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ad_decision RENAME TO ad_decision_gone")
    response = client.post("decide", {"context": "I need a tax accountant"})
    body = error_of(response, 500, "internal_error")
    assert "ad_decision" not in response.content.decode()
    assert "details" not in body


@pytest.mark.parametrize(
    "path, feature",
    [
        ("decide", "decide"),
        ("event", "events"),
        ("feedback", "feedback"),
        ("service-result", "services"),
        ("rate-business", "ratings"),
        ("agent-signup", "sign_up"),
        ("api-v1/search", "search"),
        ("api-v1/session/start", "sessions"),
        ("api-v1/session/message", "sessions"),
        ("api-v1/session/end", "sessions"),
        ("api-v1/feedback", "feedback"),
    ],
)
def test_503(client, path, feature):
    FeatureSwitch.objects.create(feature=feature, is_on=False)
    features.forget()
    response = client.post(path, {})
    error_of(response, 503, "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
