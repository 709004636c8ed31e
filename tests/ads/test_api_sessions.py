"""`api-v1`: searching capabilities, sessions with a business, and their money: held, billed once, paid by feedback."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from ads import charges, demo, ledger, responders, settlements
from ads.budgets import Claim
from ads.core.books import book_of
from ads.core.days import local_day
from ads.core.tokens import Environment
from ads.models import (
    AdEvent,
    Agent,
    Campaign,
    DecisionUnit,
    Hold,
    LedgerTransaction,
    Session,
    SessionMessage,
)
from ads.responders import Reply
from tests.ads.conftest import AdsClient
from tests.ads.factories import NOW, AdUnitFactory, AdvertiserFactory, AgentFactory
from tests.ads.money import CENT, assert_books_are_right
from tests.ads.test_api_decide import error_of

pytestmark = pytest.mark.django_db
CRM = {"query": "best CRM for startups"}
FIELDS = ["team_size", "budget"]


@pytest.fixture
def garden():
    """A session costs 60 cents: the bid of the one behind."""
    unit = AdUnitFactory(
        title="Which CRM fits?",
        body="Two questions.",
        ad_type="dynamic_capability",
        example_queries=["best CRM for startups"],
        campaign__pricing="session",
        campaign__bid_cents=80,
        campaign__required_fields=FIELDS,
        campaign__advertiser__name="Salesgarden",
    )
    AdUnitFactory(
        title="Orbit CRM",
        example_queries=["best CRM for startups"],
        campaign__pricing="session",
        campaign__bid_cents=60,
    )
    return unit


def find(client) -> dict:
    return client.post("api-v1/search", CRM | {"max_results": 1}).json()["capabilities"][0]


def start(client, capability, **others):
    return client.post("api-v1/session/start", {"capability_id": capability["capability_id"]} | others)


def say(client, session, message, **others):
    return client.post(
        "api-v1/session/message", {"session_id": session["session_id"], "message": message} | others
    )


def end(client, session):
    return client.post("api-v1/session/end", {"session_id": session["session_id"]})


def tell(client, session, text="That helped a lot, thank you!", **others):
    return client.post(
        "api-v1/feedback", {"session_id": session["session_id"], "feedback_text": text} | others
    )


def completed(client) -> dict:
    session = start(client, find(client), initial_data={"team_size": 12, "budget": "500"}).json()
    assert end(client, session).json()["status"] == "completed"
    return session


def earned(client) -> int:
    return ledger.balance(ledger.agent_account(client.agent.pk))


# --- search


def test_the_published_shape(live, garden):
    response = live.post("api-v1/search", CRM | {"max_results": 3})
    body = response.json()
    assert (response.status_code, set(body)) == (200, {"capabilities", "request_id"})
    assert body["request_id"].startswith("req_")
    assert [each["type"] for each in body["capabilities"]] == ["dynamic_capability", "static_offer"]
    first = body["capabilities"][0]
    assert set(first) == {
        "capability_id", "ad_unit_id", "name", "description", "type", "cta", "click_url", "clearing_price_cents",
        "relevance_score", "tracking_token", "sponsored", "disclosure",
    }  # fmt: skip
    assert (first["ad_unit_id"], first["name"], first["description"]) == (
        str(garden.pk), "Which CRM fits?", "Two questions.",
    )  # fmt: skip
    assert (first["clearing_price_cents"], first["sponsored"]) == (60, True)
    assert 0.25 <= first["relevance_score"] <= 1
    assert (first["disclosure"]["label"], first["disclosure"]["sponsor_name"]) == ("Sponsored", "Salesgarden")
    assert first["tracking_token"].startswith("trk_")
    assert first["click_url"].startswith("http://testserver/functions/v1/track-click/")


def test_services_are_no_capabilities_and_nothing_is_a_list(live):
    AdUnitFactory(
        ad_type="service", service_endpoint="https://api.example.com/run", campaign__pricing="success",
        example_queries=["best CRM for startups"],
    )  # fmt: skip
    response = live.post("api-v1/search", CRM)
    assert (response.status_code, response.json()["capabilities"]) == (200, [])


@pytest.mark.parametrize("context", ["I run a small shop", {"country": "CA", "team": [1]}, {}, None])
def test_what_is_known_of_the_user(live, garden, context):
    Campaign.objects.filter(pk=garden.campaign_id).update(countries=["CA"])
    found = live.post("api-v1/search", CRM | {"user_context": context}).json()["capabilities"]
    is_canadian = isinstance(context, dict) and context.get("country") == "CA"
    assert (str(garden.pk) in [each["ad_unit_id"] for each in found]) is is_canadian


@pytest.mark.parametrize(
    "change, field",
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"query": 5}, "query"),
        ({"query": "x" * 16_001}, "query"),
        ({"max_results": 0}, "max_results"),
        ({"max_results": 21}, "max_results"),
        ({"max_results": "3"}, "max_results"),
        ({"user_context": 5}, "user_context"),
        ({"user_context": ["x"]}, "user_context"),
        ({"user_context": "x" * 2_001}, "user_context"),
    ],
)
def test_what_is_no_search(live, change, field):
    assert list(error_of(live.post("api-v1/search", CRM | change), 400, "invalid_field")["details"]) == [
        field
    ]


def test_a_repeated_search_gets_the_first_answer(live, garden):
    named = {"headers": {"Idempotency-Key": "search 1"}}
    first = live.post("api-v1/search", CRM, **named).json()
    assert live.post("api-v1/search", CRM, **named).json() == first
    error_of(live.post("api-v1/search", {"query": "other"}, **named), 409, "idempotency_mismatch")


# --- sessions


def test_a_session_from_start_to_payout(live, garden):
    capability = find(live)
    began = start(
        live,
        capability,
        ad_unit_id=capability["ad_unit_id"],
        clearing_price_cents=60,
        initial_data={},
        consent=True,
    )
    session = began.json()
    assert (began.status_code, set(session)) == (
        200, {"session_id", "status", "message", "pending_fields", "structured_data", "expires_at"},
    )  # fmt: skip
    assert (session["status"], session["pending_fields"], session["structured_data"]) == (
        "active",
        FIELDS,
        {},
    )
    assert "Salesgarden" in session["message"]
    assert "team size" in session["message"]
    first = say(live, session, "We are 12 people").json()
    assert set(first) == set(session) | {"reply"}
    assert (first["pending_fields"], first["structured_data"]) == (
        ["budget"],
        {"team_size": "We are 12 people"},
    )
    assert "budget" in first["reply"] == first["message"] or "budget" in first["reply"]
    second = say(live, session, "Budget: 500 a month").json()
    assert (second["pending_fields"], second["structured_data"]["budget"]) == ([], "500 a month")
    assert Hold.objects.get().state == "open"
    assert earned(live) == 0

    assert end(live, session).json() == {
        "session_id": session["session_id"],
        "status": "completed",
        "summary": "Salesgarden: team size: We are 12 people; budget: 500 a month",
        "message_count": 5,
        "total_tokens": 0,
        "total_cost_usd": 0.0,
    }
    assert (ledger.balance(ledger.ESCROW), ledger.balance(ledger.PLATFORM), earned(live)) == (
        42 * CENT, 18 * CENT, 0,
    )  # fmt: skip
    event = AdEvent.objects.get(kind="session")
    assert (event.is_billed, event.price_micros) == (True, 60 * CENT)
    assert_books_are_right()

    answer = tell(live, session).json()
    assert (answer["success"], answer["sentiment_detected"]) == (True, "positive")
    assert isinstance(answer["message"], str)
    assert (ledger.balance(ledger.ESCROW), earned(live)) == (0, 42 * CENT)
    assert_books_are_right()


def test_the_tracking_token_of_a_decision_begins_a_session_too(live, garden):
    shown = live.post("decide", {"context": CRM["query"], "max_results": 1}).json()["units"][0]
    session = start(live, {"capability_id": shown["tracking_token"]})
    assert session.json()["status"] == "active"


@pytest.mark.parametrize(
    "message, data",
    [
        ("team size: 12, budget = 500", {"team_size": "12", "budget": "500"}),
        ("The team size is 12; and the budget is 500", {"team_size": "12", "budget": "500"}),
        ("Budget: 500", {"budget": "500"}),
        ("twelve", {"team_size": "twelve"}),
    ],
)
def test_what_a_message_answers(live, garden, message, data):
    session = start(live, find(live)).json()
    assert say(live, session, message).json()["structured_data"] == data


def test_agents_may_read_messages_themselves(live, garden):
    session = start(live, find(live), initial_data={"team_size": 3, "note": ["x"]}).json()
    assert (session["pending_fields"], session["structured_data"]) == (
        ["budget"],
        {"team_size": 3, "note": ["x"]},
    )
    body = say(live, session, "we are four, with 500", data={"team_size": 4, "budget": 500}).json()
    assert (body["pending_fields"], body["structured_data"]) == (
        [],
        {"team_size": 4, "note": ["x"], "budget": 500},
    )


def test_what_is_ended_early_is_aborted_and_costs_nothing(live, garden):
    session = start(live, find(live)).json()
    say(live, session, "12 people")
    body = end(live, session).json()
    assert (body["status"], body["message_count"]) == ("aborted", 3)
    assert Hold.objects.get().state == "released"
    error_of(tell(live, session), 400, "invalid_request")
    assert (ledger.balance(ledger.ESCROW), earned(live)) == (0, 0)
    assert_books_are_right()


def test_half_an_hour_of_silence_ends_it(test):
    demo.load(now=NOW)
    session = next(
        begun.json()
        for each in test.post("api-v1/search", CRM).json()["capabilities"]
        if (begun := start(test, each)).status_code == 200
    )
    advance = {"advance_seconds": 29 * 60}
    assert test.post("test/clock", advance).json()["settled"]["sessions"] == 0
    assert say(test, session, "12 people").status_code == 200
    assert test.post("test/clock", advance).json()["settled"] == {
        "holds": 0, "services": 0, "bonuses": 0, "sessions": 0,
    }  # fmt: skip
    assert test.post("test/clock", {"advance_seconds": 61}).json()["settled"]["sessions"] == 1
    for refused in (say(test, session, "hello"), end(test, session), tell(test, session)):
        assert error_of(refused, 400, "invalid_request")["details"] == {"status": "expired"}
    assert Hold.objects.get(campaign__pricing="session").state == "released"
    assert_books_are_right()


def test_an_idle_session_is_over_before_the_chore_comes_by(test, garden):
    make_test(garden)
    session = start(test, find(test)).json()
    Agent.objects.update(test_clock_ahead=timedelta(minutes=31))
    error_of(say(test, session, "hello"), 400, "invalid_request")
    assert (Session.objects.get().state, Hold.objects.get().state) == ("expired", "released")
    error_of(end(test, session), 400, "invalid_request")
    assert settlements.settle_due(book_of(Environment.TEST, test.agent.pk), now=timezone.now()).sessions == 0


def make_test(unit) -> None:
    Campaign.objects.filter(pk=unit.campaign_id).update(
        advertiser=AdvertiserFactory(environment="test", paid_in=0)
    )


# --- money


def test_billed_once_ended_once(live, garden):
    session = completed(live)
    details = error_of(end(live, session), 409, "duplicate_session_end")["details"]
    assert (details["status"], details["session_id"]) == ("completed", session["session_id"])
    error_of(say(live, session, "and?"), 400, "invalid_request")
    tell(live, session, idempotency_key="k")
    assert tell(live, session, idempotency_key="k").status_code == 200
    error_of(tell(live, session, "other words", idempotency_key="k"), 409, "idempotency_mismatch")
    error_of(tell(live, session), 409, "duplicate_feedback")
    assert earned(live) == 42 * CENT
    assert_books_are_right()


def test_a_session_of_another_pricing_is_not_billed(live, garden):
    Campaign.objects.update(pricing="cpc")
    session = completed(live)
    assert not Hold.objects.exists()
    assert tell(live, session).json()["success"] is True
    assert (earned(live), ledger.balance(ledger.ESCROW)) == (0, 0)


def test_over_budget_there_is_no_session(live, garden):
    capability = find(live)
    Campaign.objects.filter(pk=garden.campaign_id).update(total_budget_micros=59 * CENT)
    error_of(start(live, capability), 404, "not_found")
    assert not Session.objects.exists()
    assert not Hold.objects.exists()


def test_the_budget_holds_what_sessions_may_cost(live, garden):
    Campaign.objects.filter(pk=garden.campaign_id).update(total_budget_micros=150 * CENT)
    capabilities = [find(live) for _ in range(3)]
    assert [start(live, each).status_code for each in capabilities] == [200, 200, 404]


@pytest.mark.parametrize("is_paid_out", [False, True])
def test_a_session_that_is_taken_back(live, garden, is_paid_out):
    session = completed(live)
    if is_paid_out:
        tell(live, session)
    unit = DecisionUnit.objects.get(unit_id=garden.pk)
    claim = Claim(unit.advertiser_id, unit.campaign_id, local_day(timezone.now(), "UTC"), 60 * CENT)
    booked = LedgerTransaction.objects.get(kind="session")
    charges.take_back(booked.pk, claim, note="invalid traffic", now=timezone.now())
    for account in (ledger.agent_account(live.agent.pk), ledger.PLATFORM, ledger.ESCROW):
        assert ledger.balance(account) == 0
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_ended_by_many_at_once_it_is_billed_once(garden):
    client = AdsClient(AgentFactory(), Environment.LIVE)
    capability = find(client)

    def at_once(act):
        def run(_):
            try:
                return act().status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            return sorted(pool.map(run, range(4)))

    known = {"team_size": 1, "budget": 2}
    assert at_once(lambda: start(client, capability, initial_data=known)) == [200, 409, 409, 409]
    session = {"session_id": str(Session.objects.get())}
    assert at_once(lambda: end(client, session)) == [200, 409, 409, 409]
    assert at_once(lambda: tell(client, session)) == [200, 409, 409, 409]
    assert earned(client) == 42 * CENT
    assert_books_are_right()


# --- what is refused


def test_a_price_is_the_decisions(live, garden):
    capability = find(live)
    body = error_of(start(live, capability, clearing_price_cents=59), 409, "price_changed")
    assert body["details"] == {"clearing_price_cents": 60}
    assert not Session.objects.exists()


def test_one_session_a_capability(live, garden):
    capability = find(live)
    first = start(live, capability).json()
    details = error_of(start(live, capability), 409, "duplicate_session")["details"]
    assert details == {"session_id": first["session_id"], "status": "active"}


def test_capabilities_and_sessions_are_their_agents_own(live, test, garden):
    capability = find(live)
    stranger = AdsClient(AgentFactory(), Environment.LIVE)
    session = start(live, capability).json()
    for client in (stranger, test):
        error_of(start(client, capability), 403, "forbidden")
        error_of(start(client, {"capability_id": capability["tracking_token"]}), 403, "forbidden")
        error_of(say(client, session, "hello"), 403, "forbidden")
        error_of(end(client, session), 403, "forbidden")
        error_of(tell(client, session), 403, "forbidden")
    assert SessionMessage.objects.count() == 1


@pytest.mark.parametrize("name", ["cap_" + "0" * 64, "cap_" + "f" * 64, "cap_x", "nonsense", "trk_x"])
def test_unknown_capabilities(live, name):
    error_of(start(live, {"capability_id": name}), 404, "not_found")


@pytest.mark.parametrize("name", ["ses_" + "0" * 32, "ses_x", "nonsense"])
def test_unknown_sessions(live, name):
    session = {"session_id": name}
    for response in (say(live, session, "hello"), end(live, session), tell(live, session)):
        error_of(response, 404, "not_found")


def test_offers_have_no_sessions_and_what_is_gone_is_gone(live, test, garden):
    offer = live.post("api-v1/search", CRM).json()["capabilities"][1]
    error_of(start(live, offer), 400, "invalid_field")
    capability = find(live)
    Campaign.objects.update(status="paused")
    error_of(start(live, capability), 404, "not_found")


def test_a_capability_lasts_a_day(test, garden):
    make_test(garden)
    capability = find(test)
    Agent.objects.update(test_clock_ahead=timedelta(hours=24, minutes=1))
    error_of(start(test, capability), 404, "not_found")


@pytest.mark.parametrize(
    "change, field",
    [
        ({"capability_id": ""}, "capability_id"),
        ({"capability_id": 5}, "capability_id"),
        ({"ad_unit_id": str(uuid4())}, "ad_unit_id"),
        ({"clearing_price_cents": "60"}, "clearing_price_cents"),
        ({"clearing_price_cents": 60.5}, "clearing_price_cents"),
        ({"initial_data": "x"}, "initial_data"),
        ({"initial_data": {"a": "x" * 9_000}}, "initial_data"),
        ({"consent": False}, "consent"),
        ({"consent": "yes"}, "consent"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_begins_no_session(live, garden, change, field):
    body = error_of(start(live, find(live), **change), 400, "invalid_field")
    assert list(body["details"]) == [field]


@pytest.mark.parametrize(
    "change, field",
    [
        ({"message": ""}, "message"),
        ({"message": ["x"]}, "message"),
        ({"message": "x" * 4_001}, "message"),
        ({"data": "x"}, "data"),
        ({"data": {"a": "x" * 9_000}}, "data"),
        ({"session_id": None}, "session_id"),
        ({"idempotency_key": "\n"}, "idempotency_key"),
    ],
)
def test_what_is_no_message(live, garden, change, field):
    session = start(live, find(live)).json()
    body = error_of(say(live, session, **({"message": "hello"} | change)), 400, "invalid_field")
    assert list(body["details"]) == [field]


def test_feedback_names_an_ad_or_a_session(live, garden):
    assert list(error_of(live.post("api-v1/feedback", {}), 400, "invalid_field")["details"]) == [
        "tracking_token"
    ]
    session = completed(live)
    for wrong in ("", 5, "x" * 4_001):
        assert list(error_of(tell(live, session, wrong), 400, "invalid_field")["details"]) == [
            "feedback_text"
        ]
    shown = live.post("decide", {"context": CRM["query"]}).json()["units"][0]
    body = live.post(
        "api-v1/feedback", {"tracking_token": shown["tracking_token"], "reaction": "neutral"}
    ).json()
    assert (body["status"], body["potential_bonus"]) == ("received", "0%")


# --- repetition, and other responders


def test_a_message_with_a_key_is_said_once(live, garden):
    session = start(live, find(live)).json()
    first = say(live, session, "12 people", idempotency_key="k").json()
    assert say(live, session, "12 people", idempotency_key="k").json()["reply"] == first["reply"]
    error_of(say(live, session, "13 people", idempotency_key="k"), 409, "idempotency_mismatch")
    assert SessionMessage.objects.count() == 3


@pytest.fixture
def answers():
    yield responders.install
    responders.install(None)


class Model:
    """What the site might hand in."""

    def reply(self, talk):
        if not talk.said:
            return Reply(f"Hello from {talk.sponsor}.", tokens=7)
        assert talk.said[0] == ("business", "Hello from Salesgarden.")
        return Reply(
            "Noted.", {"team_size": 12, "budget": 500, "password": "x"}, tokens=20, cost_micros=1_500
        )


class Broken:
    def reply(self, talk):
        raise RuntimeError("no model")


def test_a_model_may_answer(live, garden, answers):
    answers(Model())
    session = start(live, find(live)).json()
    assert session["message"] == "Hello from Salesgarden."
    body = say(live, session, "we are 12 and have 500").json()
    assert (body["reply"], body["structured_data"]) == ("Noted.", {"team_size": 12, "budget": 500})
    ended = end(live, session).json()
    assert (ended["status"], ended["total_tokens"], ended["total_cost_usd"]) == ("completed", 27, 0.0015)


def test_the_script_answers_for_a_model_that_fails(live, garden, answers):
    answers(Broken())
    session = start(live, find(live)).json()
    assert session["pending_fields"] == FIELDS
    assert say(live, session, "12").json()["structured_data"] == {"team_size": "12"}
