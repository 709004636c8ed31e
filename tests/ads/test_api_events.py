"""Clicks and reported events over HTTP: what is billed, what is not and why, and never twice."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from ads import features, ledger
from ads.core.books import book_of
from ads.core.tokens import Environment
from ads.models import AdEvent, AdUnit, Agent, Campaign, CampaignDay, FeatureSwitch
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdUnitFactory, AdvertiserFactory, AgentFactory
from tests.ads.money import CENT, DOLLAR, assert_books_are_right
from tests.ads.test_api_decide import TAX, error_of

pytestmark = pytest.mark.django_db


def tax_ad(**fields) -> AdUnit:
    return AdUnitFactory(title="CloudTax", example_queries=["I need a tax accountant"], **fields)


def decide(client) -> dict:
    return client.post("decide", TAX).json()["units"][0]


def click(shown, *, method="get", **headers):
    browser = Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"} | headers)
    return getattr(browser, method)(shown["click_url"].removeprefix("http://testserver"))


def report(client, shown, event_type="impression", **change):
    body = {
        "event_id": f"evt_{uuid4().hex}",
        "occurred_at": timezone.now().isoformat(),
        "agent_id": client.agent.public_id,
        "unit_id": shown["_meta"]["unit_id"],
        "event_type": event_type,
        "tracking_token": shown["tracking_token"],
    }
    return client.post("event", body | change)


def earned(client) -> int:
    return ledger.balance(ledger.agent_account(client.agent.pk))


def clicks() -> list[tuple[bool, str]]:
    return list(
        AdEvent.objects.filter(kind="click").order_by("received_at").values_list("is_billed", "reason")
    )


# --- clicks


def test_a_click_leads_on_and_is_billed_once(live):
    unit = tax_ad()
    shown = decide(live)
    for _ in range(3):
        response = click(shown)
        assert (response.status_code, response.headers["Location"]) == (302, unit.landing_url)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert clicks() == [(True, ""), (False, "duplicate"), (False, "duplicate")]
    assert AdEvent.objects.filter(kind="impression").count() == 1  # implied
    assert earned(live) == 35_000
    assert_books_are_right()


def test_the_price_is_that_of_the_decision(live):
    tax_ad(campaign__bid_cents=50)
    tax_ad(campaign__bid_cents=30)
    shown = decide(live)
    Campaign.objects.update(bid_cents=5)
    click(shown)
    assert (
        AdEvent.objects.get(kind="click").price_micros
        == shown["_meta"]["clearing_price_cents"] * CENT
        == 30 * CENT
    )


@pytest.mark.parametrize(
    "method, headers, reason",
    [
        ("get", {"User-Agent": "Googlebot/2.1"}, "bot"),
        ("get", {"User-Agent": "python-requests/2.31"}, "bot"),
        ("get", {"Purpose": "prefetch"}, "prefetch"),
        ("get", {"Sec-Purpose": "prefetch;prerender"}, "prefetch"),
        ("head", {}, "head"),
    ],
)
def test_programs_are_led_on_and_do_not_use_the_token_up(live, method, headers, reason):
    tax_ad()
    shown = decide(live)
    assert click(shown, method=method, **headers).status_code == 302
    assert click(shown).status_code == 302
    assert clicks() == [(False, reason), (True, "")]


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda: Campaign.objects.update(status="paused"), "paused"),
        (lambda: AdUnit.objects.update(review="pending_review"), "paused"),
        (lambda: FeatureSwitch.objects.create(feature="clicks", is_on=False), "switched_off"),
    ],
    ids=["campaign paused", "unit in review", "billing off"],
)
def test_what_is_led_on_unbilled(live, change, reason):
    tax_ad()
    shown = decide(live)
    change()
    features.forget()
    assert click(shown).status_code == 302
    assert clicks() == [(False, reason)]
    assert earned(live) == 0


def test_a_click_after_a_day_is_not_billed(test):
    tax_ad(campaign__advertiser=AdvertiserFactory(environment="test", paid_in=0))
    shown = decide(test)
    Agent.objects.update(test_clock_ahead=timedelta(hours=24, minutes=1))
    assert click(shown).status_code == 302
    assert clicks() == [(False, "expired")]


def test_over_budget_nobody_pays(live):
    tax_ad(campaign__total_budget_micros=5 * CENT)
    first, second = decide(live), decide(live)
    click(first)
    click(second)
    assert clicks() == [(True, ""), (False, "budget")]
    assert earned(live) == 35_000
    assert_books_are_right()


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2], lambda t: "x" + t, lambda t: t.split(".")[0], lambda t: "nonsense"]
)
def test_what_is_no_token_gets_a_page(live, change):
    tax_ad()
    token = decide(live)["click_url"].rpartition("/")[2]
    response = Client().get(f"/functions/v1/track-click/{change(token)}")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/plain")
    assert not AdEvent.objects.exists()


def test_a_landing_page_that_turned_bad_is_not_led_to(live):
    tax_ad()
    shown = decide(live)
    AdUnit.objects.update(landing_url="https://127.0.0.1/admin")
    assert click(shown).status_code == 404


def test_a_token_says_nothing_of_the_user(live):
    tax_ad()
    payload = decide(live)["click_url"].rpartition("/")[2].split(".")[0]
    assert b"tax" not in base64.urlsafe_b64decode(payload + "==")


def test_a_day_of_five_dollars_by_the_test_clock(test):
    advertiser = AdvertiserFactory(environment="test", paid_in=0, time_zone="Asia/Tokyo")
    tax_ad(campaign__advertiser=advertiser, campaign__bid_cents=150, campaign__daily_budget_micros=5 * DOLLAR)
    tax_ad(campaign__advertiser=AdvertiserFactory(environment="test", paid_in=0), campaign__bid_cents=100)
    book = book_of(Environment.TEST, test.agent.pk)

    def billed_today() -> int:
        shown = [test.post("decide", TAX | {"max_results": 1}).json()["units"][0] for _ in range(7)]
        assert {each["_meta"]["clearing_price_cents"] for each in shown} == {100}
        for each in shown:
            click(each)
        return (
            CampaignDay.objects.filter(campaign__advertiser=advertiser).latest("day").spent_micros // DOLLAR
        )

    assert billed_today() == 5
    Agent.objects.update(test_clock_ahead=timedelta(days=1))
    assert billed_today() == 5
    assert ledger.balance(ledger.agent_account(test.agent.pk), book=book) == 10 * 700_000
    assert earned(test) == 0
    assert_books_are_right()


# --- reported events


def test_an_impression_per_thousand_is_billed_once(live):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    shown = decide(live)
    assert report(live, shown).json() == {"accepted": True, "billable": True}
    assert report(live, shown).json() == {"accepted": True, "billable": False, "reason": "duplicate"}
    assert AdEvent.objects.get(is_billed=True).price_micros == shown["_meta"]["clearing_price_cents"] * 10
    click(shown)
    assert earned(live) == shown["_meta"]["clearing_price_cents"] * 7
    assert_books_are_right()


def test_a_click_implies_an_impression_that_is_paid(live):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    shown = decide(live)
    click(shown)
    assert report(live, shown).json()["reason"] == "duplicate"
    assert earned(live) == shown["_meta"]["clearing_price_cents"] * 7


@pytest.mark.parametrize(
    "event_type",
    [
        "click",
        "conversion",
        "ad_shown",
        "ad_dismissed",
        "agent_call",
        "action",
        "dismiss",
        "hide_advertiser",
        "report",
        "feedback",
    ],
)
def test_all_types_are_accepted_and_only_impressions_bill(live, event_type):
    tax_ad()
    shown = decide(live)
    assert report(live, shown, event_type, metadata={"note": [1, {"a": None}]}).json() == {
        "accepted": True,
        "billable": False,
    }
    event = AdEvent.objects.get()
    assert (event.is_billed, event.metadata) == (False, {"note": [1, {"a": None}]})
    assert earned(live) == 0
    click(shown)
    assert clicks() == [(True, "")]


def test_an_event_id_is_reported_once(live):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    shown, moment = decide(live), timezone.now().isoformat()
    first = report(live, shown, event_id="evt_1", occurred_at=moment)
    again = report(live, shown, event_id="evt_1", occurred_at=moment)
    assert first.json() == again.json() == {"accepted": True, "billable": True}
    other = report(live, shown, "conversion", event_id="evt_1", occurred_at=moment)
    assert error_of(other, 409, "duplicate_event")["details"] == first.json()
    assert AdEvent.objects.count() == 1


def test_an_agents_event_ids_are_its_own(live):
    tax_ad()
    other = AdsClient(AgentFactory(), Environment.LIVE)
    assert report(live, decide(live), event_id="evt_1").status_code == 200
    assert report(other, decide(other), event_id="evt_1").status_code == 200


def test_a_late_impression_is_accepted_and_not_billed(test):
    advertiser = AdvertiserFactory(environment="test", paid_in=0)
    tax_ad(campaign__advertiser=advertiser, campaign__pricing="cpm", campaign__bid_cents=600)
    shown = decide(test)
    Agent.objects.update(test_clock_ahead=timedelta(hours=1, minutes=1))
    assert report(test, shown).json() == {"accepted": True, "billable": False, "reason": "late"}
    assert_books_are_right()


def test_what_contradicts_itself_or_belongs_to_others(live, test):
    unit, other_unit = tax_ad(), tax_ad()
    shown = decide(live)
    other_id = {unit.pk, other_unit.pk} - {AdUnit.objects.get(pk=shown["_meta"]["unit_id"]).pk}
    error_of(report(live, shown, unit_id=str(other_id.pop())), 400, "invalid_field")
    error_of(report(live, shown, unit_id=str(uuid4())), 404, "not_found")
    error_of(report(live, shown, tracking_token="trk_nonsense"), 404, "not_found")
    error_of(report(live, shown, agent_id=AgentFactory().public_id), 403, "forbidden")
    error_of(report(test, shown), 403, "forbidden")
    error_of(report(AdsClient(AgentFactory(), Environment.LIVE), shown), 403, "forbidden")
    error_of(report(live, shown, event_type="purchase"), 400, "invalid_event_type")
    ahead = (timezone.now() + timedelta(minutes=6)).isoformat()
    error_of(report(live, shown, occurred_at=ahead), 400, "invalid_field")
    error_of(report(live, shown, occurred_at="yesterday"), 400, "invalid_field")
    error_of(report(live, shown, metadata={"text": "x" * 9_000}), 400, "invalid_field")
    error_of(report(live, shown, unit_id="", tracking_token=""), 400, "invalid_field")
    assert not AdEvent.objects.exists()


def test_a_token_is_enough_and_so_is_a_unit(live):
    tax_ad()
    shown = decide(live)
    assert report(live, shown, unit_id="").json() == {"accepted": True, "billable": False}
    assert report(live, shown, tracking_token="").json() == {
        "accepted": True,
        "billable": False,
        "reason": "no_token",
    }
    error_of(report(live, shown, tracking_token="", unit_id=str(uuid4())), 404, "not_found")


# --- at once


@pytest.mark.django_db(transaction=True)
def test_one_token_clicked_many_times_at_once_is_billed_once():
    client = AdsClient(AgentFactory(), Environment.LIVE)
    tax_ad()
    shown = [decide(client) for _ in range(6)]

    def click_in_thread(each):
        try:
            return click(each).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        for each in shown:
            assert set(pool.map(click_in_thread, [each] * 6)) == {302}
    assert AdEvent.objects.filter(kind="click", is_billed=True).count() == 6
    assert AdEvent.objects.filter(kind="click").count() == 36
    assert earned(client) == 6 * 35_000
    assert_books_are_right()
