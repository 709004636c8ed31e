"""Wallet, campaign and day: never a micro too much, in a row and in parallel; holds end once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ads import budgets, charges, holds, ledger, wallets
from ads.core.books import LIVE, book_of
from ads.core.tokens import Environment
from ads.holds import HoldWish
from ads.models import Campaign, CampaignBudget, CampaignDay, Hold, Wallet
from tests.ads.factories import NOW, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import CENT, DOLLAR, assert_books_are_right, claim_of, sale_of

HOUR = timedelta(hours=1)


def wish_of(campaign, amount, *, decision_id=None, unit_id=None, now=NOW, lasts=HOUR) -> HoldWish:
    return HoldWish(decision_id or uuid4(), unit_id or uuid4(), claim_of(campaign, amount, now), now + lasts)


def place(wish, *, book=LIVE, now=NOW) -> bool:
    with transaction.atomic():
        return holds.place([wish], book=book, now=now)[0]


def row(campaign) -> tuple[int, int]:
    budget = CampaignBudget.objects.get(campaign=campaign, book=LIVE)
    return budget.held_micros, budget.spent_micros


# --- one after another


@pytest.mark.django_db
def test_a_budget_of_350_cents_pays_ten_clicks_of_35():
    campaign, agent = CampaignFactory(total_budget_micros=350 * CENT), AgentFactory()
    paid = [charges.take_payment(sale_of(campaign, agent, 35 * CENT), now=NOW) for _ in range(15)]
    assert [bool(each) for each in paid] == [True] * 10 + [False] * 5
    assert ledger.balance(ledger.agent_account(agent.pk)) == 10 * 245_000
    assert_books_are_right()


@pytest.mark.django_db
def test_a_day_of_five_dollars_pays_five_today_and_five_tomorrow():
    campaign = CampaignFactory(daily_budget_micros=5 * DOLLAR, advertiser__time_zone="America/New_York")
    agent = AgentFactory()

    def clicks_at(moment):
        return sum(
            bool(charges.take_payment(sale_of(campaign, agent, DOLLAR, now=moment), now=moment))
            for _ in range(7)
        )

    before_midnight = datetime(2026, 5, 21, 3, 59, 59, tzinfo=UTC)
    assert clicks_at(before_midnight - timedelta(hours=23)) == 5
    assert clicks_at(before_midnight) == 0
    assert clicks_at(before_midnight + timedelta(seconds=1)) == 5
    assert CampaignDay.objects.filter(campaign=campaign).count() == 2
    assert_books_are_right()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "limits, paid_in",
    [({"total_budget_micros": 99}, 1), ({"daily_budget_micros": 99}, 1), ({}, 0)],
    ids=["total", "day", "wallet"],
)
def test_each_limit_refuses_alone_and_then_nothing_is_taken(limits, paid_in):
    campaign = CampaignFactory(advertiser=AdvertiserFactory(paid_in=paid_in), **limits)
    assert not place(wish_of(campaign, 100))
    assert charges.take_payment(sale_of(campaign, AgentFactory(), 100), now=NOW) is None
    assert not Hold.objects.exists()
    for rows in (Wallet, CampaignBudget, CampaignDay):
        assert rows.objects.get().held_micros == rows.objects.get().spent_micros == 0
    assert_books_are_right()


@pytest.mark.django_db
def test_of_several_claims_each_is_granted_alone(django_assert_num_queries):
    rich, poor = CampaignFactory(), CampaignFactory(total_budget_micros=99)
    claims = [claim_of(rich, 100), claim_of(poor, 100)]
    assert budgets.hold(claims, book=LIVE, now=NOW) == [True, False]
    with django_assert_num_queries(1):
        assert budgets.hold(claims, book=LIVE, now=NOW) == [True, False]
    assert row(rich) == (200, 0)
    assert row(poor) == (0, 0)


@pytest.mark.django_db
def test_a_hold_is_captured_once():
    campaign, agent = CampaignFactory(total_budget_micros=100), AgentFactory()
    sale = sale_of(campaign, agent, 100)
    assert place(wish_of(campaign, 100, decision_id=sale.decision_id, unit_id=sale.unit_id))
    assert row(campaign) == (100, 0)
    assert not place(wish_of(campaign, 1))
    assert charges.take_held_payment(sale, now=NOW)
    assert row(campaign) == (0, 100)
    assert charges.take_held_payment(sale, now=NOW) is None
    assert holds.release(decision_id=sale.decision_id, unit_id=sale.unit_id) is None
    assert_books_are_right()


@pytest.mark.django_db
def test_a_released_hold_is_free_again():
    campaign = CampaignFactory(total_budget_micros=100)
    wish = wish_of(campaign, 100)
    assert place(wish)
    assert holds.release(decision_id=wish.decision_id, unit_id=wish.unit_id)
    assert row(campaign) == (0, 0)
    assert holds.release(decision_id=wish.decision_id, unit_id=wish.unit_id) is None
    assert place(wish_of(campaign, 100))
    assert_books_are_right()


@pytest.mark.django_db
def test_expired_holds_return_once_and_pay_nothing():
    campaign, agent = CampaignFactory(total_budget_micros=300), AgentFactory()
    sale = sale_of(campaign, agent, 100)
    assert place(wish_of(campaign, 100, decision_id=sale.decision_id, unit_id=sale.unit_id))
    assert place(wish_of(campaign, 100, lasts=2 * HOUR))
    after = NOW + HOUR
    assert charges.take_held_payment(sale, now=after) is None
    assert holds.release_expired(book="test:other", now=after) == 0
    assert holds.release_expired(book=LIVE, now=after) == 1
    assert holds.release_expired(book=LIVE, now=after) == 0
    assert row(campaign) == (100, 0)
    assert_books_are_right()


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["state = 'open'", "state = 'captured'", "amount_micros = 1"])
def test_the_database_lets_a_hold_end_once(change):
    wish = wish_of(CampaignFactory(), 100)
    place(wish)
    holds.release(decision_id=wish.decision_id, unit_id=wish.unit_id)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE ad_hold SET {change}")


@pytest.mark.django_db
def test_each_test_key_spends_from_its_own_copy():
    campaign = CampaignFactory(total_budget_micros=100, advertiser=AdvertiserFactory(paid_in=0))
    agents = AgentFactory.create_batch(2)
    for agent in agents:
        book = book_of(Environment.TEST, agent.pk)
        paid = [charges.take_payment(sale_of(campaign, agent, 50, book=book), now=NOW) for _ in range(3)]
        assert [bool(each) for each in paid] == [True, True, False]
        assert ledger.balance(ledger.agent_account(agent.pk), book=book) == 70
        assert ledger.balance(ledger.agent_account(agent.pk)) == 0
    assert charges.take_payment(sale_of(campaign, agents[0], 50), now=NOW) is None  # nothing was paid in
    assert_books_are_right()


@pytest.mark.django_db
def test_changed_limits_hold_at_once_and_never_below_what_is_used():
    campaign, agent = CampaignFactory(total_budget_micros=1_000), AgentFactory()
    charges.take_payment(sale_of(campaign, agent, 600), now=NOW)
    Campaign.objects.filter(pk=campaign.pk).update(total_budget_micros=500, daily_budget_micros=700)
    budgets.apply_caps(Campaign.objects.get(pk=campaign.pk))
    assert CampaignBudget.objects.get().cap_micros == 600
    assert CampaignDay.objects.get().cap_micros == 700
    assert charges.take_payment(sale_of(campaign, agent, 1), now=NOW) is None
    Campaign.objects.filter(pk=campaign.pk).update(total_budget_micros=None)
    budgets.apply_caps(Campaign.objects.get(pk=campaign.pk))
    assert charges.take_payment(sale_of(campaign, agent, 100), now=NOW)
    assert charges.take_payment(sale_of(campaign, agent, 1), now=NOW) is None  # the day is full
    assert_books_are_right()


# --- in parallel

THREADS = 16


def in_parallel(work, arguments) -> list:
    def alone(argument):
        try:
            return work(argument)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(alone, arguments))


@pytest.mark.django_db(transaction=True)
def test_sixteen_clickers_on_one_budget():
    campaign, agent = CampaignFactory(total_budget_micros=350 * CENT), AgentFactory()
    paid = in_parallel(
        lambda _: charges.take_payment(sale_of(campaign, agent, 35 * CENT), now=NOW), range(4 * THREADS)
    )
    assert sum(map(bool, paid)) == 10
    assert ledger.balance(ledger.agent_account(agent.pk)) == 10 * 245_000
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_sixteen_clickers_on_one_wallet_over_many_campaigns():
    advertiser = AdvertiserFactory(paid_in=3)
    campaigns = CampaignFactory.create_batch(4, advertiser=advertiser)
    agents = AgentFactory.create_batch(3)

    def click(number):
        return charges.take_payment(sale_of(campaigns[number % 4], agents[number % 3], 30 * CENT), now=NOW)

    assert sum(map(bool, in_parallel(click, range(5 * THREADS)))) == 10
    assert ledger.balance(ledger.wallet_of(advertiser.pk)) == 0
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_sixteen_clickers_in_the_first_moment_of_a_test_book():
    campaign, agent = CampaignFactory(total_budget_micros=5 * CENT), AgentFactory()
    book = book_of(Environment.TEST, agent.pk)
    paid = in_parallel(
        lambda _: charges.take_payment(sale_of(campaign, agent, CENT, book=book), now=NOW), range(2 * THREADS)
    )
    assert sum(map(bool, paid)) == 5
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_many_claims_in_any_order_do_not_block_each_other():
    campaigns, agent = CampaignFactory.create_batch(6, total_budget_micros=100), AgentFactory()

    def hold_some(number):
        chosen = [campaigns[(number * step) % 6] for step in (1, 2, 3)]
        claims = [
            claim_of(campaign, 10) for campaign in {campaign.pk: campaign for campaign in chosen}.values()
        ]
        with transaction.atomic():
            return sum(budgets.hold(claims[:: 1 if number % 2 else -1], book=LIVE, now=NOW))

    assert sum(in_parallel(hold_some, range(6 * THREADS))) <= 60
    assert all(budget.held_micros <= 100 for budget in CampaignBudget.objects.all())
    assert CampaignBudget.objects.filter(held_micros=100).count() >= 5
    assert agent


@pytest.mark.django_db(transaction=True)
def test_a_late_event_and_the_sweeper_do_not_both_get_the_hold():
    campaign, agent = CampaignFactory(), AgentFactory()
    sales = [sale_of(campaign, agent, 100) for _ in range(12)]
    for sale in sales:
        place(wish_of(campaign, 100, decision_id=sale.decision_id, unit_id=sale.unit_id))
    late, swept = NOW + HOUR - timedelta(seconds=1), NOW + HOUR

    def capture_or_sweep(sale):
        if sale is None:
            return holds.release_expired(book=LIVE, now=swept)
        return int(bool(charges.take_held_payment(sale, now=late)))

    work = [each for sale in sales for each in (sale, None)]
    assert sum(in_parallel(capture_or_sweep, work)) == len(sales)
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()
    held, spent = row(campaign)
    assert held == 0
    assert spent == 100 * Hold.objects.filter(state=Hold.State.CAPTURED).count()
    assert_books_are_right()


# --- whatever happens


class Money(RuleBasedStateMachine):
    """Payments, clicks, holds, captures, releases, sweeps, reversals and new limits in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()  # each example starts with empty books
        self.world.__enter__()
        self.now = NOW
        advertisers = [AdvertiserFactory(paid_in=0) for _ in range(2)]
        self.campaigns = [CampaignFactory(advertiser=advertisers[n % 2]) for n in range(3)]
        self.agents = AgentFactory.create_batch(2)
        self.paid, self.held, self.payments = [], [], 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    def sale(self, campaign, agent, amount, is_test):
        agent = self.agents[agent]
        book = book_of(Environment.TEST if is_test else Environment.LIVE, agent.pk)
        return sale_of(self.campaigns[campaign], agent, amount, now=self.now, book=book)

    campaigns_ = st.integers(0, 2)
    agents_ = st.integers(0, 1)
    amounts = st.integers(1, 400)

    @rule(campaign=campaigns_, amount=st.integers(1, 1_000))
    def pay_in(self, campaign, amount):
        self.payments += 1
        wallets.top_up(
            advertiser_id=self.campaigns[campaign].advertiser_id,
            amount_micros=amount,
            reference=f"payment {self.payments}",
            now=self.now,
        )

    @rule(campaign=campaigns_, agent=agents_, amount=amounts, is_test=st.booleans())
    def click(self, campaign, agent, amount, is_test):
        sale = self.sale(campaign, agent, amount, is_test)
        booked = charges.take_payment(sale, now=self.now)
        if booked:
            self.paid.append((booked, sale.claim))

    @rule(campaign=campaigns_, agent=agents_, amount=amounts, is_test=st.booleans())
    def decide(self, campaign, agent, amount, is_test):
        sale = self.sale(campaign, agent, amount, is_test)
        wish = HoldWish(sale.decision_id, sale.unit_id, sale.claim, self.now + HOUR)
        if place(wish, book=sale.book, now=self.now):
            self.held.append(sale)

    @rule(data=st.data())
    def capture(self, data):
        if self.held:
            sale = data.draw(st.sampled_from(self.held))
            booked = charges.take_held_payment(sale, now=self.now)
            if booked:
                self.paid.append((booked, sale.claim))

    @rule(data=st.data())
    def release(self, data):
        if self.held:
            sale = data.draw(st.sampled_from(self.held))
            holds.release(decision_id=sale.decision_id, unit_id=sale.unit_id)

    @rule(data=st.data())
    def reverse(self, data):
        if self.paid:
            booked, claim = self.paid.pop(data.draw(st.integers(0, len(self.paid) - 1)))
            charges.take_back(booked, claim, note="invalid", now=self.now)

    @rule(campaign=campaigns_, total=st.none() | st.integers(0, 500), daily=st.none() | st.integers(0, 500))
    def limit(self, campaign, total, daily):
        campaign = self.campaigns[campaign]
        campaign.total_budget_micros, campaign.daily_budget_micros = total, daily
        campaign.save()
        budgets.apply_caps(campaign)

    @rule(hours=st.sampled_from([1, 11, 30]))
    def wait(self, hours):
        self.now += timedelta(hours=hours)
        for book in set(Hold.objects.values_list("book", flat=True)):
            holds.release_expired(book=book, now=self.now)

    @invariant()
    def money_adds_up(self):
        connection.check_constraints()
        assert_books_are_right()


@pytest.mark.django_db
def test_money_adds_up_whatever_happens():
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
