"""`POST /feedback` and the bonuses that follow from it: who gets what, when, and never twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from ads import charges, conversions, ledger, settlements
from ads.budgets import Claim
from ads.core.books import LIVE, book_of
from ads.core.days import local_day
from ads.core.tokens import Environment
from ads.models import AdEvent, Agent, Bonus, Conversion, DecisionUnit, Feedback, LedgerTransaction
from penguin_site.errors import InvalidRequest, NotFound
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdvertiserFactory, AgentFactory
from tests.ads.money import CENT, assert_books_are_right
from tests.ads.test_api_decide import error_of
from tests.ads.test_api_events import click, decide, report, tax_ad

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
KEYS = {
    "status", "feedback_id", "resolution_date", "potential_bonus", "message", "sentiment_detected", "success",
    "potential_penalty",
}  # fmt: skip


def tell(client, shown, reaction="positive", **others):
    body = {"tracking_token": shown["tracking_token"]}
    return client.post("feedback", body | ({"reaction": reaction} if reaction else {}) | others)


def wait(client, span: timedelta) -> dict:
    """Moves the agent's test clock; what was settled on the way."""
    answer = client.post("test/clock", {"advance_seconds": int(span.total_seconds())})
    return answer.json()["settled"]


def test_ad(**fields):
    """Whose click costs 50 cents, of which 35 are the agent's and 15 the platform's."""
    for bid in (60, 50):
        advertiser = AdvertiserFactory(environment="test", paid_in=0)
        unit = tax_ad(campaign__advertiser=advertiser, campaign__bid_cents=bid, **fields)
    return unit


test_ad.__test__ = False


def balances(client) -> tuple[int, int, int]:
    """Of the agent, the platform and the bonus reserve, in the agent's test book."""
    book = book_of(Environment.TEST, client.agent.pk)
    accounts = (ledger.agent_account(client.agent.pk), ledger.PLATFORM, ledger.BONUS)
    return tuple(ledger.balance(account, book=book) for account in accounts)


# --- the answer


@pytest.mark.parametrize(
    "reaction, bonus", [("positive", "20%"), ("neutral", "0%"), ("negative", "5%")], ids=str
)
def test_a_reaction(live, reaction, bonus):
    tax_ad()
    body = tell(live, decide(live), reaction).json()
    feedback = Feedback.objects.get()
    assert body == {
        "status": "received",
        "feedback_id": f"evt_{feedback.pk.hex}",
        "resolution_date": (timezone.now() + 7 * DAY).date().isoformat(),
        "potential_bonus": bonus,
        "message": "Feedback recorded. Bonus will be calculated after 7-day conversion window.",
        "sentiment_detected": reaction,
        "success": True,
        "potential_penalty": "0%",
    }
    assert not feedback.is_detected


@pytest.mark.parametrize(
    "text, detected",
    [
        ("That's exactly what I was looking for!", "positive"),
        ("no thanks, that is useless", "negative"),
        ("What time is it?", "neutral"),
    ],
)
def test_what_the_user_said_is_read(live, text, detected):
    tax_ad()
    history = ["I need a tax tool", "Here is CloudTax..."]
    body = tell(
        live, decide(live), None, user_response=text, conversation_history=history, context="chat"
    ).json()
    assert body["sentiment_detected"] == detected
    assert Feedback.objects.get().is_detected


def test_older_clients_send_both_sides(live):
    tax_ad()
    body = tell(
        live, decide(live), None, user_response="Perfect, thank you", agent_response="Here is an ad."
    ).json()
    assert body["sentiment_detected"] == "positive"


def test_the_reaction_wins(live):
    tax_ad()
    body = tell(live, decide(live), "negative", user_response="I love it, perfect!").json()
    assert (body["sentiment_detected"], body["potential_bonus"]) == ("negative", "5%")


def test_the_week_begins_with_the_impression(test):
    test_ad()
    shown = decide(test)
    wait(test, timedelta(minutes=50))
    report(test, shown, occurred_at=timezone.now().isoformat())
    wait(test, timedelta(hours=23, minutes=50))  # a day and 40 minutes after the decision
    tell(test, shown)
    seen_at = AdEvent.objects.get(kind="impression").occurred_at
    assert Feedback.objects.get().resolves_at == seen_at + 7 * DAY


# --- what is refused


@pytest.mark.parametrize(
    "change, field",
    [
        ({"reaction": None}, "reaction"),
        ({"reaction": None, "user_response": "  "}, "reaction"),
        ({"reaction": "great"}, "reaction"),
        ({"reaction": 1}, "reaction"),
        ({"reaction": ""}, "reaction"),
        ({"user_response": 5}, "user_response"),
        ({"user_response": "x" * 4_001}, "user_response"),
        ({"conversation_history": "text"}, "conversation_history"),
        ({"conversation_history": [1]}, "conversation_history.0"),
        ({"context": "x" * 1_001}, "context"),
        ({"context": ["x"]}, "context"),
        ({"tracking_token": ""}, "tracking_token"),
        ({"tracking_token": None}, "tracking_token"),
        ({"idempotency_key": 7}, "idempotency_key"),
        ({"idempotency_key": "a\nb"}, "idempotency_key"),
    ],
)
def test_what_is_no_feedback(live, change, field):
    tax_ad()
    shown = decide(live)
    body = {"tracking_token": shown["tracking_token"], "reaction": "positive"} | change
    assert list(error_of(live.post("feedback", body), 400, "invalid_field")["details"]) == [field]
    assert not Feedback.objects.exists()


def test_tokens_are_their_agents_own(live, test):
    tax_ad()
    shown = decide(live)
    error_of(tell(AdsClient(AgentFactory(), Environment.LIVE), shown), 403, "forbidden")
    error_of(tell(test, shown), 403, "forbidden")
    error_of(tell(live, shown, agent_id=AgentFactory().public_id), 403, "forbidden")
    error_of(tell(live, shown | {"tracking_token": "trk_abc"}), 404, "not_found")
    error_of(tell(live, shown | {"tracking_token": shown["tracking_token"] + "x"}), 404, "not_found")
    assert not Feedback.objects.exists()


def test_after_a_day_it_is_too_late(test):
    test_ad()
    shown = decide(test)
    report(test, shown)
    wait(test, timedelta(hours=24, minutes=1))
    body = error_of(tell(test, shown), 400, "invalid_field")
    assert list(body["details"]) == ["tracking_token"]


# --- repetition


def test_one_for_each_token(live):
    tax_ad()
    shown = decide(live)
    first = tell(live, shown).json()
    for again in (tell(live, shown), tell(live, shown, "negative"), tell(live, shown, idempotency_key="k")):
        details = error_of(again, 409, "duplicate_feedback")["details"]
        assert details == {name: first[name] for name in details}
        assert details["feedback_id"] == first["feedback_id"]
    assert Feedback.objects.count() == 1


def test_the_same_key_gets_the_first_answer_again(live):
    tax_ad()
    shown, other = decide(live), decide(live)
    first = tell(live, shown, idempotency_key="key 1")
    again = tell(live, shown, idempotency_key="key 1")
    assert (again.status_code, again.json()) == (200, first.json())
    error_of(tell(live, shown, "negative", idempotency_key="key 1"), 409, "idempotency_mismatch")
    error_of(tell(live, other, idempotency_key="key 1"), 409, "idempotency_mismatch")
    error_of(tell(live, shown, idempotency_key="key 2"), 409, "duplicate_feedback")
    assert Feedback.objects.count() == 1


def test_the_header_is_a_key_too_and_keys_are_ones_own(live):
    other = AdsClient(AgentFactory(), Environment.LIVE)
    tax_ad()
    shown = decide(live)
    body = {"tracking_token": shown["tracking_token"], "reaction": "positive"}
    for _ in range(2):
        assert live.post("feedback", body, headers={"Idempotency-Key": "key"}).status_code == 200
    assert tell(other, decide(other), idempotency_key="key").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_feedback_and_click_at_once_leave_one_bonus():
    """Whichever is later opens it: with neither does it stay closed, with both it is not opened twice."""
    client = AdsClient(AgentFactory(), Environment.LIVE)
    tax_ad(campaign__bid_cents=60)
    tax_ad(campaign__bid_cents=50)
    shown = [decide(client) for _ in range(6)]

    def act(number):
        try:
            each = shown[number // 4]
            return (
                click(each) if number % 2 else tell(client, each, idempotency_key="k" + str(number // 4))
            ).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(act, range(24))) == {200, 302}
    assert Bonus.objects.filter(state="open", amount_micros=7 * CENT).count() == 6
    assert ledger.balance(ledger.BONUS) == 6 * 7 * CENT
    assert_books_are_right()


# --- bonuses


@pytest.mark.parametrize("order", ["click first", "feedback first"])
@pytest.mark.parametrize(
    "reaction, is_converted, reserved, earned",
    [
        ("positive", True, 7, 7),  # 20 % of 35 cents
        ("positive", False, 7, 0),
        ("neutral", True, 0, 0),
        ("negative", False, 1.75, 1.75),  # 5 % of 35 cents
        ("negative", True, 1.75, 0),
    ],
)
def test_who_was_right_earns_a_bonus_after_a_week(test, order, reaction, is_converted, reserved, earned):
    test_ad()
    shown = decide(test)
    steps = [lambda: click(shown), lambda: tell(test, shown, reaction)]
    for step in steps if order == "click first" else reversed(steps):
        step()
    assert balances(test) == (35 * CENT, (15 - reserved) * CENT, reserved * CENT)
    wait(test, 5 * DAY)
    if is_converted:
        assert report(test, shown, "conversion").json()["accepted"]
    assert wait(test, DAY)["bonuses"] == 0
    assert wait(test, DAY)["bonuses"] == (1 if reserved else 0)
    assert balances(test) == ((35 + earned) * CENT, (15 - earned) * CENT, 0)
    assert wait(test, DAY)["bonuses"] == 0
    assert_books_are_right()


def test_a_conversion_after_the_week_comes_too_late(test):
    test_ad()
    shown = decide(test)
    click(shown)
    tell(test, shown)
    Agent.objects.update(test_clock_ahead=7 * DAY + timedelta(minutes=1))
    assert report(test, shown, "conversion").json()["reason"] == "late"
    wait(test, DAY)
    assert balances(test) == (35 * CENT, 15 * CENT, 0)


def test_without_a_billed_click_there_is_no_bonus(live):
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=600)
    shown = decide(live)
    click(shown)
    tell(live, shown)
    assert not Bonus.objects.exists()
    assert_books_are_right()


def test_a_bonus_is_never_more_than_the_platforms_fee(live):
    Agent.objects.update(share_bps=9_900)
    tax_ad()
    shown = decide(live)
    click(shown)
    tell(live, shown)
    assert Bonus.objects.get().amount_micros == 500  # of 5 cents the platform has 1 %
    assert ledger.balance(ledger.PLATFORM) == 0
    assert_books_are_right()


def test_with_nothing_for_the_platform_there_is_none(live):
    Agent.objects.update(share_bps=10_000)
    tax_ad()
    shown = decide(live)
    click(shown)
    assert tell(live, shown).status_code == 200
    assert not Bonus.objects.exists()


def settle_live(days: int) -> int:
    return settlements.settle_all(now=timezone.now() + timedelta(days=days)).bonuses


@pytest.fixture
def praised(live):
    """A live click with positive feedback on it: price 5 cents, 3.5 of them the agent's, 0.7 the bonus."""
    tax_ad()
    shown = decide(live)
    click(shown)
    tell(live, shown)
    return shown


def test_an_agents_own_report_proves_nothing_in_the_live_book(live, praised):
    report(live, praised, "conversion")
    assert (settle_live(6), settle_live(7)) == (0, 1)
    assert Bonus.objects.get().state == "returned"
    assert ledger.balance(ledger.agent_account(live.agent.pk)) == 35_000
    assert_books_are_right()


def test_by_setting_it_does(live, praised, settings):
    settings.PENGUIN_AD_REPORTED_CONVERSIONS_COUNT = True
    report(live, praised, "conversion")
    assert (settle_live(7), settle_live(7)) == (1, 0)
    assert ledger.balance(ledger.agent_account(live.agent.pk)) == 42_000
    assert_books_are_right()


def test_what_the_advertiser_confirms_counts(live, praised):
    unit = DecisionUnit.objects.get()
    named = {"decision_id": unit.decision_id, "unit_id": unit.unit_id, "source": Conversion.Source.API}
    with pytest.raises(NotFound):
        conversions.confirm(advertiser_id=AdvertiserFactory().pk, now=timezone.now(), **named)
    with pytest.raises(InvalidRequest):
        conversions.confirm(advertiser_id=unit.advertiser_id, now=timezone.now() + 8 * DAY, **named)
    for is_first in (True, False):
        _, is_new = conversions.confirm(advertiser_id=unit.advertiser_id, now=timezone.now(), **named)
        assert is_new is is_first
    assert settle_live(7) == 1
    assert Bonus.objects.get().state == "paid"
    assert ledger.balance(ledger.agent_account(live.agent.pk)) == 42_000
    assert_books_are_right()


@pytest.mark.parametrize("is_paid", [False, True], ids=["open", "paid"])
def test_a_click_that_is_taken_back_takes_its_bonus_along(live, praised, settings, is_paid):
    settings.PENGUIN_AD_REPORTED_CONVERSIONS_COUNT = True
    report(live, praised, "conversion")
    if is_paid:
        settle_live(7)
    booked = LedgerTransaction.objects.get(kind="click")
    unit = DecisionUnit.objects.select_related("agent").get()
    claim = Claim(unit.advertiser_id, unit.campaign_id, local_day(timezone.now(), "UTC"), 5 * CENT)
    charges.take_back(booked.pk, claim, note="invalid traffic", now=timezone.now())
    assert Bonus.objects.get().state == "returned"
    for account in (ledger.agent_account(live.agent.pk), ledger.PLATFORM, ledger.BONUS):
        assert ledger.balance(account) == 0
    assert settle_live(8) == 0
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_bonuses_resolved_by_two_at_once_are_paid_once(settings):
    settings.PENGUIN_AD_REPORTED_CONVERSIONS_COUNT = True
    client = AdsClient(AgentFactory(), Environment.LIVE)
    tax_ad()
    for _ in range(4):
        shown = decide(client)
        click(shown)
        tell(client, shown)
        report(client, shown, "conversion")

    def settle(_):
        try:
            return settlements.settle_due(LIVE, now=timezone.now() + 7 * DAY).bonuses
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(settle, range(4))) == 4
    assert ledger.balance(ledger.agent_account(client.agent.pk)) == 4 * 42_000
    assert_books_are_right()
