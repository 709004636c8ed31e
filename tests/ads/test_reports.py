"""What is added up and what is not: rollups, marks of invalid traffic, quality; and the live look at all of it."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from ads import invalid_traffic, ledger, qualities, reports, rollups
from ads.core.books import LIVE
from ads.core.quality import Traffic, quality_of
from ads.invalid_traffic import Range
from ads.ledger_health import CHECKS, ledger_health
from ads.models import AdEvent, AdUnit, InvalidMark, RolledDay, Rollup
from ads.reports import Whose
from penguin_site.api_keys import make_key
from tests.ads.factories import AdUnitFactory
from tests.ads.money import assert_books_are_right
from tests.ads.test_api_decide import error_of
from tests.ads.test_api_events import click, decide, earned, report, tax_ad
from tests.ads.test_ledger import BREAKING as BREAKING_MONEY
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def figures(client, **change) -> dict[str, int]:
    day = change.pop("day", today())
    (row,) = reports.report(Whose(LIVE, agent_id=client.agent.pk), since=day, until=day, by=(), **change)
    return {name: value for name, value in row.figures.items() if value}


@pytest.fixture
def busy(live):
    """A day with everything in it: a paid click, a repeated one, a bot, an unreported unit, a conversion."""
    unit = tax_ad()
    first, second, _ = (decide(live) for _ in range(3))
    report(live, first)
    report(live, first)
    click(first)
    click(first)
    click(second, **{"User-Agent": "Googlebot"})
    report(live, first, "conversion")
    return unit


BUSY = {
    "shown": 3,
    "impressions": 2,
    "invalid_impressions": 1,
    "clicks": 3,
    "invalid_clicks": 2,
    "conversions": 1,
    "charged_micros": 50_000,
    "earned_micros": 35_000,
}


def test_events_and_money_of_a_day(live, busy):
    assert figures(live) == BUSY
    assert_books_are_right()


def test_a_day_reads_the_same_when_it_is_added_up(live, busy):
    rollups.roll_up(today(), now=timezone.now())
    assert Rollup.objects.count() == 1
    assert figures(live) == BUSY
    AdEvent.objects.all().delete()
    assert figures(live) == BUSY  # read from the rollup


def test_days_are_added_up_when_they_are_over(live, busy):
    now = datetime.combine(today(), time(12), UTC)
    rollups.roll_up_due(now=now)
    # It begins with the month of the oldest decision, so on a month's first day there is nothing before today.
    days = [today().replace(day=n) for n in range(1, today().day)]
    assert list(RolledDay.objects.order_by("day").values_list("day", flat=True)) == days
    assert rollups.roll_up_due(now=now) == 0
    tomorrow = datetime.combine(today() + timedelta(days=1), datetime.min.time(), UTC)
    assert rollups.roll_up_due(now=tomorrow + timedelta(minutes=59)) == 0
    assert rollups.roll_up_due(now=tomorrow + timedelta(hours=1)) == 1
    assert figures(live) == BUSY
    assert_books_are_right()


def test_services_count_when_they_have_succeeded(live):
    AdUnitFactory(
        ad_type="service",
        service_endpoint="https://api.example.com/run",
        example_queries=["I need a tax accountant"],
        campaign__pricing="success",
        campaign__bid_cents=80,
    )
    for success in (True, False):
        live.post("service-result", {"transaction_id": decide(live)["transaction_id"], "success": success})
    decide(live)
    assert figures(live) == {"shown": 3, "charged_micros": 50_000, "earned_micros": 35_000}


# --- found later


def mark_all(**others) -> int:
    now = timezone.now()
    its = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)} | others
    return invalid_traffic.mark_range(Range(**its), note="one hand", now=now)


@pytest.mark.parametrize("is_rolled", [False, True], ids=["today", "a day that is added up"])
def test_what_is_marked_is_taken_back_and_leaves_net_figures(live, busy, is_rolled):
    if is_rolled:
        rollups.roll_up(today(), now=timezone.now())
    assert mark_all(agent_id=live.agent.pk) == 6
    assert figures(live) == BUSY | {
        "invalid_impressions": 2, "invalid_clicks": 3, "invalid_conversions": 1,
        "invalid_charged_micros": 50_000, "invalid_earned_micros": 35_000,
    }  # fmt: skip
    assert earned(live) == 0
    assert ledger.balance(ledger.wallet_of(busy.campaign.advertiser_id)) == 1_000_000_000
    assert InvalidMark.objects.filter(reversal_id__isnull=False).count() == 1
    assert mark_all(agent_id=live.agent.pk) == 0
    assert_books_are_right()


def test_a_range_is_somebodys(live, busy):
    with pytest.raises(ValueError, match="of an agent"):
        mark_all()
    other = AdUnitFactory()
    assert mark_all(campaign_id=other.campaign_id) == 0
    assert mark_all(campaign_id=busy.campaign_id, until=timezone.now() - timedelta(minutes=30)) == 0
    assert mark_all(campaign_id=busy.campaign_id) == 6


def test_an_impression_that_was_held_is_taken_back_on_its_day(live):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    report(live, decide(live))
    assert mark_all(agent_id=live.agent.pk) == 1
    assert figures(live)["invalid_charged_micros"] == figures(live)["charged_micros"] == 500
    assert_books_are_right()


def click_from(shown, address: str):
    return click(shown) if not address else _click(shown, address)


def _click(shown, address):
    from django.test import Client

    browser = Client(headers={"User-Agent": "Mozilla/5.0"}, REMOTE_ADDR=address)
    return browser.get(shown["click_url"].removeprefix("http://testserver"))


def test_a_visitor_that_clicks_all_the_time_is_led_on_and_not_billed(live, monkeypatch):
    monkeypatch.setattr(invalid_traffic, "CLICKS_AN_HOUR", 2)
    tax_ad()
    answers = [_click(decide(live), "203.0.112.7") for _ in range(4)]
    assert {answer.status_code for answer in answers} == {302}
    told = [{**answer.headers, "X-Request-Id": ""} for answer in answers]
    assert told == told[:1] * 4  # nothing tells them apart
    _click(decide(live), "198.51.101.8")
    reasons = AdEvent.objects.filter(kind="click").order_by("received_at").values_list("reason", flat=True)
    assert list(reasons) == ["", "", "invalid", "invalid", ""]
    hashes = AdEvent.objects.filter(kind="click").values_list("visitor_hash", flat=True)
    assert len({bytes(each) for each in hashes}) == 2
    assert figures(live)["invalid_clicks"] == 2


def test_those_that_slipped_through_are_found_later(live, monkeypatch):
    tax_ad()
    for _ in range(4):
        _click(decide(live), "203.0.112.7")
        click(decide(live))
    assert invalid_traffic.look_again(now=timezone.now()) == 0
    monkeypatch.setattr(invalid_traffic, "CLICKS_AN_HOUR", 3)
    assert invalid_traffic.look_again(now=timezone.now()) == 1
    assert invalid_traffic.look_again(now=timezone.now()) == 0
    assert InvalidMark.objects.get().rule == "crowded"
    assert earned(live) == 7 * 35_000
    assert_books_are_right()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "192.168.1.1", "::1", "fd00::1", "", "unknown"])
def test_behind_a_private_address_stand_many(address):
    assert invalid_traffic.visitor_hash(address, now=timezone.now()) is None


def test_a_visitor_is_another_one_tomorrow():
    now = timezone.now()
    first = invalid_traffic.visitor_hash("203.0.112.7", now=now)
    assert first == invalid_traffic.visitor_hash("203.0.112.7", now=now)
    assert first != invalid_traffic.visitor_hash("203.0.112.8", now=now)
    assert first != invalid_traffic.visitor_hash("203.0.112.7", now=now + timedelta(days=1))
    assert b"203" not in first


# --- quality


def test_quality_is_computed_from_valid_live_traffic(live, test, busy):
    other = AdUnitFactory()
    assert qualities.compute(now=timezone.now()) >= 1
    assert AdUnit.objects.get(pk=busy.pk).quality == quality_of(
        Traffic(impressions=1, clicks=1, conversions=1)
    )
    assert AdUnit.objects.get(pk=other.pk).quality == quality_of(Traffic())
    assert qualities.compute(now=timezone.now()) == 0
    mark_all(agent_id=live.agent.pk)
    assert qualities.compute(now=timezone.now()) == 1
    assert AdUnit.objects.get(pk=busy.pk).quality == quality_of(Traffic())


def test_quality_forgets_after_thirty_days(live, busy):
    qualities.compute(now=timezone.now())
    assert qualities.compute(now=timezone.now() + timedelta(days=31)) == 1


# --- the live look


def client_with(*scopes):
    _, key = make_key(user=UserFactory(is_staff="ads:admin" in scopes), name="tests", scopes=scopes)
    return Client(headers={"X-API-Key": key}, REMOTE_ADDR="203.0.113.9")


def test_the_ledgers_health_is_for_those_who_run_it(live, busy):
    body = client_with("read", "ads:admin").get("/functions/v1/ledger/health").json()
    assert body["ok"] is True
    codes = [check["code"] for check in body["checks"]]
    assert set(codes) >= {f"I{number}" for number in range(1, 13)} | {"I15"}
    assert all(check["ok"] and check["examples"] == [] for check in body["checks"])
    error_of(client_with("read").get("/functions/v1/ledger/health"), 403, "forbidden")
    error_of(live.get("/functions/v1/ledger/health"), 401, "authentication_failed")


def test_the_ledgers_health_says_what_is_wrong(busy):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ad_event SET price_micros = price_micros + 1 WHERE is_billed")
    body = client_with("read", "ads:admin").get("/functions/v1/ledger/health").json()
    wrong = {check["code"] for check in body["checks"] if not check["ok"]}
    assert (body["ok"], wrong) == (False, {"I7", "I15"})
    assert all(check["examples"] for check in body["checks"] if not check["ok"])


BREAKING = [
    ("UPDATE ad_event SET reason = 'bot' WHERE is_billed", "I8"),
    ("UPDATE ad_event SET agent_id = gen_random_uuid() WHERE is_billed", "I8"),
    ("UPDATE ad_event SET occurred_at = occurred_at + interval '25 hours' WHERE is_billed", "I8"),
    ("UPDATE ad_event SET price_micros = 5 WHERE NOT is_billed", "I8"),
    ("INSERT INTO ad_invalid_mark (event_id, month, rule, note, marked_at) SELECT id, month, 'staff', '', now()"
     " FROM ad_event WHERE is_billed", "I8"),
    ("DELETE FROM ad_event WHERE is_billed", "I15"),
    ("UPDATE ad_decision_unit SET price_cents = bid_cents + 1", "I7"),
    ("UPDATE ad_decision SET reserve_cents = reserve_cents + 1", "I7"),
    ("UPDATE ad_rollup SET clicks = clicks + 1", "I9"),
    ("DELETE FROM ad_rollup", "I9"),
    ("DROP INDEX ad_event_billed_once; INSERT INTO ad_event SELECT (jsonb_populate_record(e, jsonb_build_object("
     "'id', gen_random_uuid()))).* FROM ad_event e WHERE is_billed", "I6"),
]  # fmt: skip


@pytest.mark.parametrize("statement, code", BREAKING)
def test_each_check_finds_what_it_is_for(live, busy, statement, code):
    rollups.roll_up(today(), now=timezone.now())
    connection.check_constraints()
    assert [finding.code for finding in ledger_health() if not finding.is_ok] == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)
    assert code in [finding.code for finding in ledger_health() if not finding.is_ok]


def test_every_check_is_tested():
    assert {check.code for check in CHECKS} == {*BREAKING_MONEY, *(code for _, code in BREAKING)}
