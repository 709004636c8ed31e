"""The ads half of the SDK against a real server, through a proxy that spoils requests."""

import re
import time
from typing import Any

import pytest

from tests.processes import free_port
from tests.sdk.typescript.conftest import QUESTION
from tests.sdk.typescript.sdk_driver import Client, Driver, SdkError, Stream
from tests.sdk.typescript.spoiling_proxy import CUT, LOST, SILENT, TORN, SpoilingProxy, late, status
from tests.stack import Stack

POST_FAULTS = [(CUT, "NetworkError", 0), (LOST, "NetworkError", 1), (TORN, "NetworkError", 1),
               (status(503), "APIRequestError", 0), (status(429, "Retry-After: 0"), "APIRequestError", 0)]  # fmt: skip


def impressions_of(stack: Stack, unit: dict[str, Any], agent: dict[str, Any]) -> int:
    ((count,),) = stack.sql(
        "SELECT count(*) FROM ad_event WHERE unit_id = %s AND kind = 'impression' AND agent_id = %s",
        unit["_meta"]["unit_id"],
        agent["agent_id"].removeprefix("agt_"),
    )
    return int(count)


def test_ads_come_with_their_impressions(
    ads: Client, driver: Driver, proxy: SpoilingProxy, stack: Stack, agent: dict[str, Any]
) -> None:
    """Each impression is reported once, beside the ad; options may be written in either case."""
    decision = ads("decideFromContext", {"context": QUESTION, "maxResults": 2, "min_quality_score": 0.1})
    assert decision["status"] == "fill" and len(decision["units"]) == 2
    ads("flush")
    assert sorted(proxy.served) == ["POST /functions/v1/decide"] + ["POST /functions/v1/event"] * 2
    assert [impressions_of(stack, unit, agent) for unit in decision["units"]] == [1, 1]

    # Without `agentId` the server is asked for it, once.
    proxy.reset()
    other = driver.client(apiKey=agent["test_api_key"], baseUrl=f"{proxy.url}/functions/v1/")
    for _ in range(2):
        other("decideFromContext", {"context": QUESTION, "max_results": 1})
    other("flush")
    assert proxy.served.count("GET /functions/v1/balance") == 1
    assert proxy.served.count("POST /functions/v1/event") == 2

    # No ad, no impression; and `decide` leaves it to the caller.
    proxy.reset()
    assert ads("decideFromContext", {"context": QUESTION, "consent": False})["reason"] == "consent_required"
    ads("decide", {"context": QUESTION})
    ads("flush")
    assert proxy.served == ["POST /functions/v1/decide"] * 2


def test_an_impression_that_fails_harms_no_ad(
    ads: Client, proxy: SpoilingProxy, stack: Stack, agent: dict[str, Any]
) -> None:
    unit_of = {"context": "best CRM for startups", "max_results": 1}
    # Lost on the way, then refused, then through: counted once.
    proxy.faults.extend([None, LOST, status(503)])
    decision = ads("decideFromContext", unit_of)
    before = impressions_of(stack, decision["units"][0], agent)
    ads("flush")
    assert proxy.asked == ["POST /functions/v1/decide"] + ["POST /functions/v1/event"] * 3
    assert proxy.served.count("POST /functions/v1/event") == 2
    assert before <= 1 == impressions_of(stack, decision["units"][0], agent)

    # It never comes through, or is slow: the ad does not wait for it.
    proxy.reset()
    proxy.faults.extend([None, *[status(500)] * 3])
    assert ads("decideFromContext", unit_of)["units"]
    ads("flush")
    assert proxy.served == ["POST /functions/v1/decide"]
    assert len(proxy.asked) == 4


@pytest.mark.parametrize(("fault", "error", "served"), POST_FAULTS)
def test_a_post_is_sent_once(fault: Any, error: str, served: int, ads: Client, proxy: SpoilingProxy) -> None:
    proxy.faults.append(fault)
    with pytest.raises(SdkError) as raised:
        ads("decide", {"context": QUESTION})
    assert raised.value.name == error and raised.value.isError
    assert (len(proxy.asked), len(proxy.served)) == (1, served)


def test_what_may_be_repeated_is_repeated(ads: Client, proxy: SpoilingProxy, agent: dict[str, Any]) -> None:
    """GET requests and events, on 408, 429, 5xx and faults of the network: three attempts, then the error."""
    past = status(503, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")
    for faults in ([status(429), status(408)], [CUT, LOST], [past, TORN]):
        proxy.reset()
        proxy.faults.extend(faults)
        assert ads("balance")["agent_id"] == agent["agent_id"]
        assert len(proxy.asked) == 3
    proxy.reset()
    proxy.faults.extend([status(500), status(502), status(503)])
    with pytest.raises(SdkError) as refused:
        ads("policy")
    error = refused.value
    assert (error.name, error.status, error.code) == ("APIRequestError", 503, "spoilt")
    assert (error.body["error"], error.requestId) == ("spoilt", "req_spoilt")
    assert (len(proxy.asked), len(proxy.served)) == (3, 0)

    unit = ads("decide", {"context": QUESTION, "max_results": 1})["units"][0]
    event = {
        "event_type": "ad_shown",
        "unit_id": unit["_meta"]["unit_id"],
        "event_id": f"evt_{time.time_ns()}",
    }
    proxy.reset()
    proxy.faults.extend([LOST, status(503)])
    assert ads("trackEvent", event)["accepted"] is True
    assert proxy.served == ["POST /functions/v1/event"] * 2
    # What the caller did wrong is not repeated.
    proxy.reset()
    with pytest.raises(SdkError) as refused:
        ads("trackEvent", event | {"agentId": "agt_of_somebody_else"})
    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    assert len(proxy.served) == 1


def test_waiting_as_long_as_the_server_asks(ads: Client, proxy: SpoilingProxy) -> None:
    proxy.faults.append(status(429, "Retry-After: 2"))
    began = time.monotonic()
    assert ads("categories", {"search": "Tax", "parentId": 1335})["total"] > 0
    assert time.monotonic() - began >= 2
    # Who would wait for an hour is told so instead.
    proxy.reset()
    proxy.faults.append(status(503, "Retry-After: 3600"))
    with pytest.raises(SdkError) as refused:
        ads("policy")
    assert refused.value.retryAfterMs == 3_600_000
    assert len(proxy.asked) == 1


def test_time_limits_and_signals(
    driver: Driver, ads: Client, proxy: SpoilingProxy, agent: dict[str, Any]
) -> None:
    hasty = driver.client(apiKey=agent["test_api_key"], baseUrl=proxy.url, timeoutMs=300, maxRetries=1)
    proxy.faults.extend([SILENT, late(2)])
    with pytest.raises(SdkError) as raised:
        hasty("balance")
    assert (raised.value.name, raised.value.timeoutMs) == ("TimeoutError", 300)
    assert len(proxy.asked) == 2
    proxy.reset()
    proxy.faults.append(SILENT)
    with pytest.raises(SdkError) as raised:
        ads("decide", {"context": QUESTION}, {"timeoutMs": 250})
    assert (raised.value.name, raised.value.timeoutMs) == ("TimeoutError", 250)
    # The caller's own signal ends it at once, and nothing is tried again.
    proxy.reset()
    proxy.faults.append(SILENT)
    with pytest.raises(SdkError) as raised:
        ads("policy", {"abortAfterMs": 100})
    assert raised.value.name == "AbortError"
    assert len(proxy.asked) == 1
    nobody = driver.client(apiKey="am_test_x", baseUrl=f"http://127.0.0.1:{free_port()}", maxRetries=0)
    with pytest.raises(SdkError) as raised:
        nobody("policy")
    assert raised.value.name == "NetworkError"


@pytest.mark.parametrize(
    ("method", "options", "field"),
    [
        ("decideFromContext", {}, "context"),
        ("decide", {"context": "  "}, "context"),
        ("decide", {"context": "x" * 16_001}, "context"),
        ("decide", {"context": "x", "max_results": 21}, "max_results"),
        ("decide", {"context": "x", "maxResults": 1.5}, "max_results"),
        ("decide", {"context": "x", "maxResults": 1, "max_results": 2}, "max_results"),
        ("decide", {"context": "x", "minQualityScore": 1.1}, "min_quality_score"),
        ("decide", {"context": "x", "categories": "tax"}, "categories"),
        ("decide", {"context": "x", "response_format": "minimal"}, "response_format"),
        ("trackEvent", {"event_type": "seen", "unit_id": "x"}, "event_type"),
        ("trackEvent", {"event_type": "click"}, "unit_id"),
        ("trackEvent", {"event_type": "click", "unit_id": "x", "occurred_at": "soon"}, "occurred_at"),
        ("sendFeedback", {"tracking_token": "trk_x"}, "reaction"),
        ("sendFeedback", {"tracking_token": "trk_x", "reaction": "good"}, "reaction"),
        ("logServiceResult", {"transaction_id": "txn_x"}, "success"),
        ("logServiceResult", {"transaction_id": "txn_x", "success": "yes"}, "success"),
        ("rateBusiness", {"tracking_token": "trk_x", "ad_unit_id": "x", "rating": 6}, "rating"),
        ("search", {"query": ""}, "query"),
        ("sessions.message", {"session_id": "ses_x"}, "message"),
        ("categories", {"tier": 5}, "tier"),
    ],
)
def test_what_cannot_be_valid_is_not_sent(
    method: str, options: dict[str, Any], field: str, ads: Client, proxy: SpoilingProxy
) -> None:
    with pytest.raises(SdkError) as raised:
        ads(method, options)
    assert (raised.value.name, raised.value.field) == ("ValidationError", field)
    assert proxy.asked == []


def test_nobody_sees_a_key(driver: Driver, proxy: SpoilingProxy, agent: dict[str, Any]) -> None:
    keys = {"apiKey": agent["test_api_key"], "chatApiKey": "a key: with/signs", "supabaseAnonKey": "anon-key"}
    client = driver.client(**keys, baseUrl=proxy.url, debug=True, maxRetries=1)
    proxy.faults.extend([status(503), None, CUT])
    client("balance")
    with pytest.raises(SdkError) as lost:
        client("search", {"query": "best CRM"})
    with pytest.raises(SdkError) as refused:
        client("conversations.list", {"search": "secret-title"})
    stream = client.stream("chat", {"text": "hello"})
    with pytest.raises(SdkError) as unknown:
        stream.end()
    assert (unknown.value.name, unknown.value.status) == ("APIRequestError", 401)
    lines = driver.do("log")
    assert re.fullmatch(
        r"penguin-sdk: GET http://127\.0\.0\.1:\d+/functions/v1/balance -> 503, \d+ ms, attempt 1", lines[0]
    )
    said = "\n".join([*lines, driver.do("inspect", client=client.name)])
    said += "".join(str(each.value.fields) for each in (lost, refused, unknown))
    for secret in (*keys.values(), "secret-title", "best CRM"):
        assert secret not in said


def test_talking_to_a_business(ads: Client, stack: Stack) -> None:
    found = ads("search", {"query": "best CRM for startups", "maxResults": 5})["capabilities"]
    business = next(each for each in found if each["type"] == "dynamic_capability")
    session = ads("sessions.start", {
        "capabilityId": business["capability_id"],
        "clearing_price_cents": business["clearing_price_cents"],
    })  # fmt: skip
    for _ in range(10):
        if not session["pending_fields"]:
            break
        field = session["pending_fields"][0]
        session = ads("sessions.message", {"session_id": session["session_id"], "message": f"{field}: 12"})
        assert session["reply"] == session["message"]
    ended = ads("sessions.end", {"session_id": session["session_id"]})
    assert ended["status"] == "completed"
    thanks = {"session_id": session["session_id"], "feedback_text": "That helped a lot."}
    assert ads("sessions.feedback", thanks)["success"] is True
    assert ads("policy")["disclosure"]["required"] is True


def test_the_platforms_own_websocket(package: Any, proxy: SpoilingProxy) -> None:
    """Where there is one it is used; its absence is what all the other tests run with."""
    from tests.stack import KEY

    with Driver(package, "--experimental-websocket") as driver:
        client = driver.client(apiKey=KEY, baseUrl=proxy.url)
        stream: Stream = client.stream("chat", {"text": "[[tokens=30 delay=10]] native"})
        stream.until(lambda stream: len(stream.all("token")) > 3)
        assert proxy.cut() > 0
        complete = stream.end().all("complete")[0]
        assert complete["response"] == stream.seen["text"]
        assert proxy.sockets == 2
