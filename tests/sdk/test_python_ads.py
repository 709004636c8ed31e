"""The Python SDK and the marketplace: the document's calls against a real server, and what happens when things fail.

Each test runs with both clients. Faults are made by a proxy, and what the server was asked is counted.
"""

import http.client
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import penguin_sdk
import pytest
from penguin_sdk import _retry

from tests.sdk.conftest import QUESTION
from tests.sdk.fault_proxy import Fault, FaultProxy
from tests.sdk.python_clients import KINDS, Clients

DOWN = Fault(status=503, headers={"Retry-After": "0"})


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    clients = Clients(request.param)
    yield clients
    clients.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other closely."""
    monkeypatch.setattr(_retry, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(_retry.backoff, "__kwdefaults__", {"first": 0.02, "most": 0.1})


@pytest.fixture
def client(clients: Clients, proxy: FaultProxy, agent: dict[str, Any]) -> Any:
    return clients.make(api_key=agent["test_api_key"], base_url=proxy.url, timeout_ms=60_000)


def click(unit: dict[str, Any]) -> None:
    """As a browser does; nothing is fetched from where it leads."""
    address = urlsplit(unit["click_url"])
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", address.path, headers={"User-Agent": "Mozilla/5.0"})
    assert connection.getresponse().status == 302
    connection.close()


def test_the_whole_way_of_an_agent(marketplace, client, clients, proxy, agent):
    decision = client.decide_from_context(context=QUESTION, max_results=3, min_quality_score=0.1)
    assert decision["status"] == "fill"
    client.flush()
    assert proxy.paths() == ["decide", "balance", "event", "event"]
    units = {unit["creative"]["title"]: unit for unit in decision["units"]}
    offer, service = units["CloudTax"], units["TaxBot"]
    impressions = marketplace.sql(
        "SELECT count(*) FROM ad_event WHERE kind = 'impression' AND unit_id IN (%s, %s)",
        offer["_meta"]["unit_id"], service["_meta"]["unit_id"],
    )  # fmt: skip
    assert impressions[0][0] >= 2

    click(offer)
    event = {"unit_id": offer["_meta"]["unit_id"], "tracking_token": offer["tracking_token"]}
    assert client.track_event(
        event_id=f"evt_{offer['tracking_token'][-40:]}", occurred_at="2026-05-20T12:00:00Z",
        agent_id=agent["agent_id"], event_type="ad_shown", **event,
    )["accepted"]  # fmt: skip
    assert client.track_event(event_type="conversion", **event)["accepted"]
    feedback = client.send_feedback(
        tracking_token=offer["tracking_token"],
        user_response="That's exactly what I was looking for!",
        conversation_history=["I need a tax tool", "Here is CloudTax..."],
    )
    assert (feedback["status"], feedback["sentiment_detected"]) == ("received", "positive")
    manual = client.send_feedback(tracking_token=service["tracking_token"], reaction="neutral")
    assert manual["sentiment_detected"] == "neutral"
    result = client.log_service_result(
        transaction_id=service["transaction_id"], success=True, metadata={"items_processed": 5}
    )
    assert result["payment_triggered"]
    rating = client.rate_business(
        tracking_token=offer["tracking_token"], ad_unit_id=event["unit_id"], rating=4,
        context="Fast response, helpful information",
    )  # fmt: skip
    assert rating["status"] == "received"

    found = client.search(query="best CRM for startups", max_results=3)["capabilities"]
    session = client.sessions.start(capability_id=found[0]["capability_id"])
    said = client.sessions.message(session_id=session["session_id"], message="Hello")
    assert said["reply"]
    assert client.sessions.end(session_id=session["session_id"])["status"] == "completed"
    assert client.sessions.feedback(session_id=session["session_id"], feedback_text="Helpful.")["success"]
    assert client.policy()["disclosure"]["required"]
    assert client.categories(tier=1, search="travel")["categories"]
    assert client.balance()["agent_id"] == agent["agent_id"]
    who = {"owner_email": "dev@example.com", "agent_name": f"Bot {offer['tracking_token'][-30:]}"}
    made = clients.signup(base_url=marketplace.webs[0].http, **who)
    assert made["test_api_key"].startswith("am_test_")


def test_an_ad_never_fails_because_of_its_impression(marketplace, client, proxy, soon):
    proxy.only = "/event"
    proxy.faults.extend([Fault("cut"), Fault(status=500), Fault("cut")] * 2)
    decision = client.decide_from_context(context=QUESTION, max_results=2)
    assert len(decision["units"]) == 2
    client.flush()
    tried = [each["path"] for each in proxy.received if each["path"].endswith("/event")]
    assert (len(tried), proxy.paths("event")) == (6, [])
    client.decide(context=QUESTION)
    client.flush()
    assert proxy.paths() == ["decide", "balance", "decide"]


@pytest.mark.parametrize(
    ("faults", "seen"),
    [
        ([Fault("lost"), DOWN], 2),  # the server has done it, and nobody learned of it
        ([Fault("cut"), Fault(status=408)], 1),
        ([Fault("half")], 2),
        ([Fault(status=429, headers={"Retry-After": "1"})], 1),
    ],
)
def test_events_are_sent_again_and_count_once(faults, seen, marketplace, client, proxy, soon):
    unit = client.decide(context=QUESTION, max_results=1)["units"][0]
    client.balance()
    meta = {"unit_id": unit["_meta"]["unit_id"], "tracking_token": unit["tracking_token"]}
    proxy.only = "/event"
    proxy.faults.extend(faults)
    event_id = f"evt_once_{unit['tracking_token'][-60:]}"
    assert client.track_event(event_id=event_id, event_type="impression", **meta)["accepted"]
    assert proxy.paths("/event") == ["event"] * seen
    assert client.track_event(event_type="impression", **meta)["accepted"]
    bodies = [each["body"] for each in proxy.received if each["path"].endswith("/event")]
    assert len(set(bodies[:-1])) == 1  # the same words each time


@pytest.mark.parametrize(
    ("faults", "seen"),
    [
        ([DOWN, Fault(status=500)], 1),
        ([Fault("cut"), Fault("lost")], 2),
        ([Fault(status=408), Fault("half")], 2),
        ([Fault(status=429, headers={"Retry-After": "1"})], 1),
    ],
)
def test_what_only_reads_is_asked_again(faults, seen, stack, client, proxy, soon):
    proxy.faults.extend(faults)
    assert client.policy()["version"]
    assert (len(proxy.received), len(proxy.asked)) == (len(faults) + 1, seen)


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        (DOWN, "APIRequestError", 503),
        (Fault(status=429, headers={"Retry-After": "1"}), "APIRequestError", 429),
        (Fault("cut"), "NetworkError", None),
        (Fault("lost"), "NetworkError", None),
        (Fault("half"), "NetworkError", None),
    ],
)
def test_what_does_something_is_never_asked_again(fault, kind, status, marketplace, client, proxy, soon):
    proxy.faults.append(fault)
    with pytest.raises(getattr(penguin_sdk, kind)) as failed:
        client.decide_from_context(context=QUESTION)
    assert getattr(failed.value, "status", None) == status
    assert len(proxy.received) == 1
    if status:
        assert (failed.value.code, failed.value.request_id) == ("spoilt", "req_spoilt")


def test_retries_come_to_an_end_and_waiting_has_limits(stack, clients, proxy, agent, soon):
    client = clients.make(api_key=agent["test_api_key"], base_url=proxy.url, timeout_ms=700)
    proxy.faults.extend([DOWN] * 3)
    with pytest.raises(penguin_sdk.APIRequestError) as failed:
        client.policy()
    assert (failed.value.status, len(proxy.received), proxy.asked) == (503, 3, [])
    proxy.forget()
    proxy.faults.append(Fault(status=503, headers={"Retry-After": "3600"}))
    with pytest.raises(penguin_sdk.APIRequestError) as failed:
        client.policy()
    assert (failed.value.retry_after, len(proxy.received)) == (3600, 1)
    for fault, call, sent in (
        (Fault("delay"), lambda: client.decide(context="x"), 1),
        (Fault("delay"), client.policy, 3),
        (Fault("drip"), lambda: client.search(query="x"), 1),
    ):
        proxy.forget()
        proxy.faults.extend([fault] * 3)
        with pytest.raises(penguin_sdk.TimeoutError) as late:
            call()
        assert isinstance(late.value, TimeoutError)
        assert (late.value.timeout_ms, len(proxy.received)) == (700, sent)


def test_errors_have_types(marketplace, client, clients, agent):
    with pytest.raises(penguin_sdk.APIRequestError) as refused:
        client.send_feedback(tracking_token="trk_unknown", reaction="neutral")
    error = refused.value
    assert (error.status, error.code, error.body["code"]) == (404, "not_found", "not_found")
    assert error.request_id.startswith("req_")
    stranger = clients.make(api_key="am_test_" + "x" * 40, base_url=marketplace.webs[0].http)
    with pytest.raises(penguin_sdk.APIRequestError) as refused:
        stranger.balance()
    assert (refused.value.status, refused.value.code) == (401, "authentication_failed")
    gone = clients.make(base_url="http://127.0.0.1:1", max_retries=0)
    with pytest.raises(penguin_sdk.NetworkError):
        gone.policy()
    elsewhere = clients.make(base_url=f"{marketplace.webs[0].http}/api/docs", max_retries=0)
    with pytest.raises(penguin_sdk.APIRequestError):
        elsewhere.policy()


@pytest.mark.parametrize(
    ("method", "fields", "named"),
    [
        ("decide_from_context", {"context": "  "}, "context"),
        ("decide_from_context", {}, "context"),
        ("decide_from_context", {"context": "x", "max_results": 21}, "max_results"),
        ("decide_from_context", {"context": "x", "max_results": True}, "max_results"),
        ("decide_from_context", {"context": "x", "min_quality_score": float("nan")}, "min_quality_score"),
        ("decide_from_context", {"context": "x", "categories": "Travel"}, "categories"),
        ("decide_from_context", {"context": "x", "maxResults": 3}, "maxResults"),
        ("send_feedback", {"tracking_token": "trk_x"}, "reaction"),
        ("send_feedback", {"tracking_token": "trk_x", "reaction": "good"}, "reaction"),
        ("send_feedback", {"tracking_token": "trk_x", "user_response": " "}, "reaction"),
        ("track_event", {"event_type": "purchase", "unit_id": "x"}, "event_type"),
        ("track_event", {"event_type": "click"}, "unit_id"),
        ("track_event", {"event_type": "click", "unit_id": "x", "metadata": {"x": object()}}, "JSON"),
        ("rate_business", {"tracking_token": "trk_x", "ad_unit_id": "x", "rating": 6}, "rating"),
        ("log_service_result", {"transaction_id": "x", "success": "yes"}, "success"),
        ("search", {"query": ""}, "query"),
    ],
)
def test_what_is_not_valid_is_not_sent(method, fields, named, clients, agent):
    client = clients.make(api_key="am_test_x", agent_id="agt_x", base_url="http://127.0.0.1:1")
    with pytest.raises(penguin_sdk.ValidationError, match=named) as refused:
        getattr(client, method)(**fields)
    assert isinstance(refused.value, ValueError)


def test_debugging_shows_no_keys(stack, clients, proxy, agent, caplog, soon):
    key, anon = agent["test_api_key"], "eyJhbGciOiJIUzI1NiIs"
    client = clients.make(
        api_key=key, supabase_anon_key=anon, base_url=f"{proxy.url}/functions/v1/", debug=True
    )
    proxy.faults.append(Fault("cut"))
    with caplog.at_level(logging.DEBUG):
        client.balance()
    assert "GET /balance -> NetworkError" in caplog.text
    assert "GET /balance -> 200" in caplog.text
    assert key not in caplog.text + repr(client) + repr(vars(client))
    assert anon not in caplog.text
    headers = proxy.received[-1]["headers"]
    assert (headers["X-AM-API-Key"], headers["Authorization"]) == (key, f"Bearer {anon}")
