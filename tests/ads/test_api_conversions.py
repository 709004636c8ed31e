"""Conversions as advertisers see and confirm them; an agent's word alone moves no money in the live book."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ads import conversions, ledger, settlements
from ads.models import Advertiser, Conversion
from tests.ads.advertiser_client import AdvertiserClient
from tests.ads.factories import AdvertiserFactory
from tests.ads.money import assert_books_are_right
from tests.ads.test_api_decide import error_of
from tests.ads.test_api_events import click, decide, report, tax_ad

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(live):
    tax_ad(landing_url="https://advertiser.example/?from=%7Bclick_id%7D")
    return decide(live)


def names_of(response) -> list[str]:
    assert response.status_code == 200
    return [each["click_id"] for each in response.json()["conversions"]]


def test_an_advertiser_confirms_what_its_landing_page_was_told(live, shown):
    address = click(shown).headers["Location"]
    name = address.removeprefix("https://advertiser.example/?from=")
    live.post("feedback", {"tracking_token": shown["tracking_token"], "reaction": "positive"})
    owner = AdvertiserClient(_advertiser(shown))
    response = owner.make("conversions", {"click_id": name})
    assert (response.status_code, response.json()["status"]) == (201, "confirmed")
    details = error_of(owner.make("conversions", {"click_id": name}), 409, "duplicate_conversion")["details"]
    assert details == response.json()
    settlements.settle_all(now=timezone.now() + timedelta(days=7))
    assert ledger.balance(ledger.agent_account(live.agent.pk)) == 42_000
    assert_books_are_right()


def test_what_agents_report_is_listed_until_it_is_confirmed(live, shown, django_assert_num_queries):
    owner = AdvertiserClient(_advertiser(shown))
    assert names_of(owner.look("conversions")) == []
    report(live, shown, "conversion")
    (name,) = names_of(owner.look("conversions"))
    stranger = AdvertiserClient(AdvertiserFactory())
    assert names_of(stranger.look("conversions")) == []
    error_of(stranger.make("conversions", {"click_id": name}), 404, "not_found")
    assert owner.make("conversions", {"click_id": name}).status_code == 201
    assert names_of(owner.look("conversions")) == []
    report(live, decide(live), "conversion")
    for _ in range(2):
        report(live, decide(live), "conversion")
        with django_assert_num_queries(1):
            conversions.unconfirmed(owner.advertiser.pk, now=timezone.now())


@pytest.mark.parametrize("name", ["clk_" + "0" * 64, "clk_" + "f" * 64, "clk_x", "x" * 68])
def test_unknown_clicks(shown, name):
    error_of(AdvertiserClient(_advertiser(shown)).make("conversions", {"click_id": name}), 404, "not_found")
    assert not Conversion.objects.exists()


@pytest.mark.parametrize("body", [{}, {"click_id": ""}, {"click_id": 5}, {"click_id": "x" * 101}], ids=str)
def test_what_is_no_confirmation(shown, body):
    error_of(AdvertiserClient(_advertiser(shown)).make("conversions", body), 400, "invalid_field")


def test_agents_confirm_nothing(live, shown):
    error_of(live.post("advertiser/conversions", {"click_id": "clk_x"}), 401, "authentication_failed")


def _advertiser(shown):
    return Advertiser.objects.get(pk=shown["advertiser_id"])
