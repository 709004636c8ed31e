"""A client by the SDK's rules against a real server: the whole way of an agent, and what it does when things fail."""

import http.client
import json
import subprocess
import sys
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.ads.flaky_proxy import FlakyProxy
from tests.ads.sdk_client import APIRequestError, NetworkError, PenguinClient, TimeoutError, ValidationError
from tests.processes import ROOT, eventually
from tests.stack import clean_environment

QUESTION = "I need a tax accountant"
MAKE_ADS = """
import django
django.setup()
from ads.models import AdUnit
from tests.ads.factories import AdUnitFactory, AdvertiserFactory
for number, fields in enumerate((
    {"title": "CloudTax"},
    {"title": "TaxBot", "ad_type": "service", "service_endpoint": "https://api.example.com/run",
     "campaign__pricing": "success"},
)):
    advertiser = AdvertiserFactory(environment="test", paid_in=0, organisation=f"e2e{number}.example")
    AdUnitFactory(example_queries=["I need a tax accountant"], campaign__advertiser=advertiser, **fields)
"""


@pytest.fixture
def web(stack):
    """A web process whose marketplace has an offer and a service for test keys."""
    if not stack.sql("SELECT 1 FROM ad_unit WHERE title = 'CloudTax'"):
        env = clean_environment() | {
            "DATABASE_URL": stack.database_url,
            "DJANGO_SETTINGS_MODULE": "penguin_site.settings",
            "PENGUIN_DATA_DIR": str(stack.directory / "data"),
        }
        subprocess.run([sys.executable, "-c", MAKE_ADS], cwd=ROOT, env=env, check=True)
    web = stack.webs[0]
    client = client_of(stack)
    # Until its model is loaded and the inventory is read.
    eventually(lambda: len(client._post("decide", {"context": QUESTION})["units"]) == 2, seconds=60)
    return web


# One sign-up for each name: there are few in a minute.
_signed_up: dict[tuple[str, str], dict[str, str]] = {}


def client_of(stack, name: str = "MyBot", **options) -> PenguinClient:
    base_url = f"{stack.webs[0].http}/functions/v1"
    agent = _signed_up.get((stack.database_url, name))
    if agent is None:
        agent = PenguinClient.signup(base_url=base_url, owner_email="dev@agents.example", agent_name=name)
        _signed_up[stack.database_url, name] = agent
    options = {"base_url": base_url, "timeout_ms": 60_000} | options
    return PenguinClient(agent["test_api_key"], agent_id=agent["agent_id"], **options)


def click(unit) -> str:
    """Where the redirect leads, as a browser sees it; nothing is fetched from there."""
    address = urlsplit(unit["click_url"])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("GET", address.path, headers={"User-Agent": "Mozilla/5.0"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 302
    return str(response.headers["Location"])


def test_the_whole_way_of_an_agent(stack, web):
    client = client_of(stack, "Traveller")
    decision = client.decide_from_context(context=QUESTION, max_results=3)
    units = {unit["creative"]["title"]: unit for unit in decision["units"]}
    offer, service = units["CloudTax"], units["TaxBot"]

    assert click(offer) == offer["creative"]["landing_url"]
    assert client.track_event("conversion", offer)["accepted"] is True

    feedback = client.send_feedback(
        tracking_token=offer["tracking_token"],
        user_response="That's exactly what I was looking for!",
        conversation_history=["I need a tax tool", "Here is CloudTax..."],
    )
    assert (feedback["status"], feedback["potential_bonus"]) == ("received", "20%")

    result = client.log_service_result(
        transaction_id=service["transaction_id"], success=True, metadata={"items_processed": 5}
    )
    assert result["payment_triggered"] is True
    assert result["payment_amount"] == service["_meta"]["clearing_price_cents"] / 100

    rating = client.rate_business(
        tracking_token=offer["tracking_token"],
        ad_unit_id=offer["_meta"]["unit_id"],
        rating=4,
        context="Fast response, helpful information",
    )
    assert rating["status"] == "received"

    share = round(
        0.7 * (offer["_meta"]["clearing_price_cents"] + service["_meta"]["clearing_price_cents"]) / 100, 4
    )
    assert client.get("balance")["balance"] == pytest.approx(share, abs=1e-6)
    client._post("test/clock", {"advance_seconds": 7 * 86_400 + 60})
    bonus = 0.2 * int(0.7 * offer["_meta"]["clearing_price_cents"] * 10_000) / 1e6
    assert client.get("balance")["balance"] == pytest.approx(share + bonus, abs=1e-6)


def test_what_is_lost_on_the_way_is_reported_again_and_counts_once(stack, web):
    with FlakyProxy(web.port) as proxy:
        client = client_of(stack, base_url=proxy.url)
        unit = client._post("decide", {"context": QUESTION, "max_results": 1})["units"][0]
        proxy.faults.extend(["lost", 503])
        client.requests_sent = 0
        assert client.track_event("impression", unit)["accepted"] is True
        assert client.requests_sent == 3
        ((count,),) = stack.sql(
            "SELECT count(*) FROM ad_event WHERE unit_id = %s AND kind = 'impression' AND agent_id = %s",
            unit["_meta"]["unit_id"],
            client.agent_id.removeprefix("agt_"),
        )
        assert count == 1

        proxy.faults.extend([429, 408])
        assert client.get("balance")["currency"] == "USD"
        proxy.faults.extend([500, 502, 503])
        with pytest.raises(APIRequestError) as refused:
            client.get("balance")
        assert refused.value.status == 503

        # A POST is sent once: what became of it is not known, and the same key finds out.
        client.requests_sent = 0
        proxy.faults.append("lost")
        feedback = {
            "tracking_token": unit["tracking_token"],
            "reaction": "positive",
            "idempotency_key": "one",
        }
        with pytest.raises(NetworkError):
            client.send_feedback(**feedback)
        assert client.requests_sent == 1
        assert client.send_feedback(**feedback)["status"] == "received"

        proxy.faults.append("silent")
        client.timeout_ms = 200
        with pytest.raises(TimeoutError) as late:
            client.decide_from_context(context=QUESTION)
        assert late.value.timeout_ms == 200


def test_errors_have_types(stack, web):
    client, other = client_of(stack), client_of(stack, "Traveller")
    with pytest.raises(ValidationError):
        client.decide_from_context(context=QUESTION, max_results=99)
    unit = client.decide_from_context(context=QUESTION, max_results=1)["units"][0]
    cases = [
        (lambda: PenguinClient("am_test_" + "x" * 48, base_url=client.base_url).get("balance"), 401,
         "authentication_failed"),
        (lambda: other.send_feedback(tracking_token=unit["tracking_token"], reaction="neutral"), 403, "forbidden"),
        (lambda: client.send_feedback(tracking_token="trk_unknown", reaction="neutral"), 404, "not_found"),
        (lambda: client.get("nothing/here"), 404, "not_found"),
        (lambda: client._post("agent-signup", {"owner_email": "dev@agents.example", "agent_name": "MyBot"}), 409,
         "duplicate_agent"),
        (lambda: client._post("decide", {"context": "x" * 70_000}), 413, "payload_too_large"),
    ]  # fmt: skip
    for act, status, code in cases:
        with pytest.raises(APIRequestError) as refused:
            act()
        assert (refused.value.status, refused.value.code) == (status, code)
        assert set(refused.value.body) >= {"error", "code", "message", "request_id"}
        assert refused.value.body["request_id"].startswith("req_")


def test_what_is_refused_before_any_view_has_the_same_envelope(stack, web):
    for path, headers, status, code in (
        ("decide", {"Host": "elsewhere.example"}, 403, "forbidden"),
        ("decide%ff", {}, 400, "invalid_request"),
    ):
        request = Request(
            f"{web.http}/functions/v1/{path}", b"{}", {"Content-Type": "application/json", **headers}
        )
        with pytest.raises(HTTPError) as refused:
            urlopen(request)
        body = json.loads(refused.value.read())
        assert (refused.value.status, body["code"], body["error"]) == (status, code, code)
        assert body["request_id"].startswith("req_")
