"""Every address of the ads API that names an object: for whom it is not, it is not there.

The addresses are read from the routing table. One with a kind of object that this test does not know makes it fail.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from ads.core.tokens import Environment
from tests.ads.advertiser_client import AdvertiserClient
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdUnitFactory, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.test_api_decide import TAX
from tests.ads.test_api_events import tax_ad
from tests.site.routes import Route, all_routes

pytestmark = pytest.mark.django_db
ROUTES = [
    route
    for route in all_routes()
    if route.template.startswith("functions/v1/") and route.converters and "/track-" not in route.template
]  # whoever has a tracked address may follow it: its token is the key


def decision_of(agent) -> str:
    tax_ad()
    client = AdsClient(agent, Environment.LIVE)
    return client.post("decide", TAX).json()["decision_id"]


# One object of the owner (an advertiser or an agent) for each name in an address.
ADVERTISERS: dict[str, Callable[[Any], Any]] = {
    "campaign_id": lambda owner: CampaignFactory(advertiser=owner, name="a private name").pk,
    "unit_id": lambda owner: AdUnitFactory(campaign__advertiser=owner, title="a private name").pk,
}
AGENTS: dict[str, Callable[[Any], Any]] = {"decision_id": decision_of}
BODIES = {"simulate": {"bid_cents": 50}}


def sides(route: Route) -> tuple[Any, Client, Client, dict[str, Callable[[Any], Any]]]:
    """The owner of the object, the owner's client, a stranger's client of the same kind, and how objects are made."""
    if set(route.converters) <= set(ADVERTISERS):
        owner = AdvertiserFactory()
        return owner, AdvertiserClient(owner), AdvertiserClient(AdvertiserFactory()), ADVERTISERS
    assert set(route.converters) <= set(AGENTS), f"{route}: say how its objects are made"
    owner = AgentFactory()
    return owner, AdsClient(owner, Environment.LIVE), AdsClient(AgentFactory(), Environment.LIVE), AGENTS


def ask(client: Client, method: str, address: str):
    body = next((body for end, body in BODIES.items() if address.endswith(end)), {})
    return client.generic(method.upper(), address, json.dumps(body), content_type="application/json")


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_anothers_object_is_not_there(route):
    owner, own, stranger, objects = sides(route)
    address = "/" + re.sub(
        r"<(?:\w+:)?(?P<name>\w+)>", lambda match: str(objects[match["name"]](owner)), route.template
    )
    assert route.methods
    for method in route.methods:
        response = ask(stranger, method, address)
        assert response.status_code == 404, (method, address, response.content)
        assert response.json()["code"] == "not_found"
        assert "private" not in response.content.decode()
        answered = ask(own, method, address).status_code
        assert answered not in (401, 403, 404, 405), (method, address)


def test_lists_show_nothing_of_others():
    unit = AdUnitFactory(title="a private name", campaign__name="a private name")
    stranger = AdvertiserClient(AdvertiserFactory())
    for path in ("", "keys", "wallet", "campaigns"):
        text = stranger.look(path).content.decode()
        assert "private" not in text
        assert str(unit.campaign_id) not in text
