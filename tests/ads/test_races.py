"""Many at once, and the end of a process in the middle, with campaigns that advertisers made themselves."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, connections
from django.utils import timezone

from ads import ledger
from ads.core.days import day_bounds, local_day
from ads.core.tokens import Environment
from ads.models import (
    AdEvent,
    Agent,
    CampaignBudget,
    CampaignDay,
    Decision,
    EventId,
    Hold,
    LedgerTransaction,
    ServiceTransaction,
)
from tests.ads.advertiser_client import AdvertiserClient
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdvertiserFactory, AgentFactory
from tests.ads.money import CENT, assert_books_are_right
from tests.ads.test_api_decide import TAX
from tests.ads.test_api_events import click, decide, report

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 16


def at_once(work, arguments, threads: int = THREADS) -> list:
    def alone(argument):
        try:
            return work(argument)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(alone, arguments))


def campaign_at_35_cents(**campaign) -> AdvertiserClient:
    """Its clicks cost 35 cents: a rival with less money than anybody could be shown for bids as much."""
    owner, rival = AdvertiserClient(AdvertiserFactory()), AdvertiserClient(AdvertiserFactory())
    owner.running(bid_cents=50, **campaign)
    rival.running(bid_cents=35)
    return owner


def shown_at_35(client) -> dict:
    unit = client.post("decide", TAX | {"max_results": 1}).json()["units"][0]
    assert unit["_meta"]["clearing_price_cents"] == 35
    return unit


def billed() -> int:
    return AdEvent.objects.filter(kind="click", is_billed=True).count()


# --- budgets


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("threads", [1, THREADS], ids=["serial", "16 threads"])
def test_a_budget_of_three_fifty_pays_ten_clicks_of_35_cents(threads):
    owner = campaign_at_35_cents(total_budget_cents=350)
    client = AdsClient(AgentFactory(), Environment.LIVE)
    shown = [shown_at_35(client) for _ in range(2 * THREADS)]
    assert {answer.status_code for answer in at_once(click, shown, threads)} == {302}
    assert billed() == 10
    budget = CampaignBudget.objects.get(campaign__advertiser=owner.advertiser)
    assert (budget.spent_micros, budget.held_micros) == (350 * CENT, 0)
    assert ledger.balance(ledger.agent_account(client.agent.pk)) == 10 * 245_000
    reasons = AdEvent.objects.filter(kind="click", is_billed=False).values_list("reason", flat=True)
    assert set(reasons) == {"budget"}
    assert (
        client.post("decide", TAX | {"max_results": 1}).json()["units"][0]["_meta"]["clearing_price_cents"]
        == 5
    )
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_a_wallet_over_several_campaigns_is_never_overspent():
    owner = AdvertiserClient(AdvertiserFactory(paid_in=1))
    rival = AdvertiserClient(AdvertiserFactory())
    for number in range(4):
        owner.running(name=f"Taxes {number}", bid_cents=50 - number)
    rival.running(bid_cents=20)
    client = AdsClient(AgentFactory(), Environment.LIVE)
    shown = [client.post("decide", TAX | {"max_results": 1}).json()["units"][0] for _ in range(THREADS)]
    at_once(click, shown)
    wallet = owner.look("wallet").json()
    prices = {unit["_meta"]["clearing_price_cents"] for unit in shown}
    assert prices == {20}
    assert (wallet["spent"], wallet["available"], billed()) == (1.0, 0.0, 5)
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_one_token_clicked_six_times_at_once_twenty_times_over():
    campaign_at_35_cents()
    client = AdsClient(AgentFactory(), Environment.LIVE)
    for _ in range(20):
        unit = shown_at_35(client)
        assert {answer.status_code for answer in at_once(click, [unit] * 6, 6)} == {302}
    assert (billed(), AdEvent.objects.filter(kind="click").count()) == (20, 120)
    assert ledger.balance(ledger.agent_account(client.agent.pk)) == 20 * 245_000
    assert_books_are_right()


@pytest.mark.django_db
def test_a_day_of_five_dollars_pays_five_today_and_five_tomorrow(test):
    owner, rival = (AdvertiserClient(AdvertiserFactory(environment="test", paid_in=0)) for _ in range(2))
    owner.running(bid_cents=150, daily_budget_cents=500)
    rival.running(bid_cents=100)
    for day in (1, 2):
        shown = [test.post("decide", TAX | {"max_results": 1}).json()["units"][0] for _ in range(7)]
        assert {unit["_meta"]["clearing_price_cents"] for unit in shown} == {100}
        for unit in shown:
            click(unit)
        assert billed() == 5 * day
        test.post("test/clock", {"advance_seconds": 86_400})
    assert_books_are_right()


# --- days of 23 and 25 hours


@pytest.mark.parametrize(
    "zone, day, hours",
    [
        ("Europe/Berlin", "2027-03-28", 23),
        ("Europe/Berlin", "2027-10-31", 25),
        ("America/New_York", "2027-03-14", 23),
        ("America/New_York", "2027-11-07", 25),
        ("Asia/Tokyo", "2027-03-28", 24),
        ("Pacific/Apia", "2027-06-01", 24),
    ],
)
@pytest.mark.django_db
def test_a_daily_budget_lasts_from_midnight_to_midnight_where_the_advertiser_is(test, zone, day, hours):
    advertiser = AdvertiserFactory(environment="test", paid_in=0, time_zone=zone)
    AdvertiserClient(advertiser).running(bid_cents=150, daily_budget_cents=10)  # two clicks at the reserve
    begin, end = day_bounds(datetime.fromisoformat(day).date(), zone)
    assert end - begin == timedelta(hours=hours)

    def clicks_at(moment: datetime) -> int:
        Agent.objects.update(test_clock_ahead=moment - timezone.now())
        before = billed()
        for _ in range(3):
            for unit in test.post("decide", TAX).json()["units"]:
                click(unit)
        return billed() - before

    margin = timedelta(minutes=5)  # the clock goes on while the test runs
    assert clicks_at(begin - margin) == 2
    assert clicks_at(begin + timedelta(seconds=1)) == 2
    assert clicks_at(begin + timedelta(hours=12)) == 0
    assert clicks_at(end - margin) == 0
    assert clicks_at(end + timedelta(seconds=1)) == 2
    days = (
        CampaignDay.objects.filter(campaign__advertiser=advertiser)
        .order_by("day")
        .values_list("day", flat=True)
    )
    assert list(days) == [local_day(begin - margin, zone), local_day(begin, zone), local_day(end, zone)]
    assert_books_are_right()


# --- a month's end


@pytest.mark.django_db
def test_what_is_unique_stays_so_over_a_months_end(test):
    owner = AdvertiserClient(AdvertiserFactory(environment="test", paid_in=0))
    owner.running()
    last_minutes = datetime(2027, 2, 1, tzinfo=UTC) - timedelta(minutes=10)
    Agent.objects.update(test_clock_ahead=last_minutes - timezone.now())
    unit, moment = decide(test), (last_minutes - timedelta(days=1)).isoformat()
    assert report(test, unit, event_id="evt_1", occurred_at=moment).json()["accepted"]
    click(unit)
    Agent.objects.update(test_clock_ahead=last_minutes + timedelta(minutes=20) - timezone.now())
    click(unit)
    assert billed() == 1
    again = report(test, unit, event_id="evt_1", occurred_at=moment)
    assert again.status_code == 200
    assert AdEvent.objects.filter(kind="impression").count() == 1
    assert test.post("rate-business", {"tracking_token": unit["tracking_token"], "rating": 4,
                                       "ad_unit_id": unit["_meta"]["unit_id"]}).status_code == 201  # fmt: skip
    assert {event.month.month for event in AdEvent.objects.all()} == {1}  # events lie with their decision
    assert decide(test)
    assert set(Decision.objects.values_list("month__month", flat=True)) == {1, 2}
    assert_books_are_right()


# --- the end of a process, or of a statement, between any two writes

_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


class _Crash(Exception):
    pass


def after_write(number: int):
    """Lets `number` writes through and fails instead of the next statement."""
    seen = 0

    def wrapper(execute, sql, params, many, context):
        nonlocal seen
        if seen == number:
            raise _Crash
        result = execute(sql, params, many, context)
        if sql.lstrip().upper().startswith(_WRITES):
            seen += 1
        return result

    return wrapper


def tables() -> dict[str, int]:
    rows = (Decision, AdEvent, EventId, Hold, ServiceTransaction, LedgerTransaction)
    counted = {model.__name__: model.objects.count() for model in rows}
    budgets = CampaignBudget.objects.values_list("held_micros", "spent_micros")
    return counted | {"held": sum(held for held, _ in budgets), "spent": sum(spent for _, spent in budgets)}


def act(what: str, client, unit):
    if what == "decide":
        return client.post("decide", TAX | {"request_id": "r1"})
    if what == "click":
        return click(unit)
    return report(client, unit, event_id="evt_1", occurred_at=timezone.now().isoformat())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "what, pricing", [("decide", "success"), ("decide", "cpm"), ("event", "cpm"), ("click", "cpc")], ids=str
)
def test_an_exception_between_any_two_writes_leaves_all_or_nothing(what, pricing):
    kind = (
        {"ad_type": "service", "service_endpoint": "https://api.cloudtax.ca/run"}
        if pricing == "success"
        else {}
    )
    AdvertiserClient(AdvertiserFactory()).running(kind, pricing=pricing, bid_cents=900)
    client = AdsClient(AgentFactory(), Environment.LIVE)
    client.raise_request_exception = False
    unit = None if what == "decide" else decide(client)
    if what == "click":
        report(client, unit)  # so that the click is all that is written
    before = tables()
    for number in range(30):
        with connection.execute_wrapper(after_write(number)):
            try:
                status = act(what, client, unit).status_code
            except _Crash:
                status = 500
        if status < 500:
            break
        assert tables() == before, f"after write {number}"
        assert_books_are_right()
    assert number > 0
    assert status in (200, 302)
    after = tables()
    assert after != before
    assert_books_are_right()


_KILLED = """
import os, signal, sys
import django
django.setup()
from django.db import connection
from django.test import Client
path, method, body, key, number = sys.argv[1:5] + [int(sys.argv[5])]
seen = 0
def wrapper(execute, sql, params, many, context):
    global seen
    result = execute(sql, params, many, context)
    if sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
    return result
headers = {"X-AM-API-Key": key, "User-Agent": "Mozilla/5.0"}
with connection.execute_wrapper(wrapper):
    client = Client(headers=headers, SERVER_NAME="127.0.0.1")
    response = client.get(path) if method == "get" else client.post(path, body, content_type="application/json")
print(response.status_code)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_killed_process_leaves_a_click_billed_or_not_at_all(number):
    AdvertiserClient(AdvertiserFactory()).running()
    client = AdsClient(AgentFactory(), Environment.LIVE)
    unit = decide(client)
    report(client, unit)
    before = tables()
    path = unit["click_url"].removeprefix("http://testserver")
    database = connection.settings_dict
    who, where = f"{database['USER']}:{database['PASSWORD']}", f"{database['HOST']}:{database['PORT']}"
    url = f"postgresql://{who}@{where}/{database['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, path, "get", json.dumps({}), client.key, str(number)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert tables() == before
    assert_books_are_right()
    assert click(unit).status_code == 302
    assert billed() == 1
    assert_books_are_right()
