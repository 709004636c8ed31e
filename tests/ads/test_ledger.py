"""The ledger: what it books, and what the database refuses whoever asks."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from ads import charges, ledger, payouts, wallets
from ads.core.books import LIVE, account_id, book_of
from ads.core.micros import split_price
from ads.core.tokens import Environment
from ads.ledger_health import ledger_health
from ads.models import Account, CampaignBudget, LedgerTransaction, Payout, Posting, Wallet
from penguin_site.errors import InvalidField, NotFound
from tests.ads.factories import NOW, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import CENT, DOLLAR, assert_books_are_right, claim_of, sale_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return CampaignFactory()


@pytest.fixture
def agent():
    return AgentFactory()


def movement(amounts, reference="test:1", **others) -> ledger.Movement:
    return ledger.Movement(kind=ledger.Kind.CLICK, reference=reference, amounts=amounts, **others)


def test_a_click_moves_its_price_to_agent_and_platform(campaign, agent):
    booked = charges.take_payment(sale_of(campaign, agent, 35 * CENT), now=NOW)
    assert LedgerTransaction.objects.get(pk=booked).postings_count == 3
    assert ledger.balance(ledger.wallet_of(campaign.advertiser_id)) == 1_000 * DOLLAR - 350_000
    assert ledger.balance(ledger.agent_account(agent.pk)) == 245_000
    assert ledger.balance(ledger.PLATFORM) == 105_000
    assert ledger.balance(ledger.CASH) == -1_000 * DOLLAR
    assert ledger.balance(ledger.BONUS) == 0
    assert_books_are_right()


def test_a_share_of_nothing_is_no_posting(campaign):
    agent = AgentFactory(share_bps=0)
    booked = charges.take_payment(sale_of(campaign, agent, CENT), now=NOW)
    assert Posting.objects.filter(transaction_id=booked).count() == 2
    assert_books_are_right()


def test_a_payment_in_counts_once(campaign):
    pay = {
        "advertiser_id": campaign.advertiser_id,
        "amount_micros": 5 * DOLLAR,
        "reference": "invoice 7",
        "now": NOW,
    }
    wallets.top_up(**pay)
    with pytest.raises(wallets.AlreadyPaidIn):
        wallets.top_up(**pay)
    assert ledger.balance(ledger.wallet_of(campaign.advertiser_id)) == 1_005 * DOLLAR
    assert Wallet.objects.get(advertiser=campaign.advertiser).cap_micros == 1_005 * DOLLAR
    for amount in (0, -1):
        with pytest.raises(InvalidField):
            wallets.top_up(**pay | {"amount_micros": amount})
    assert_books_are_right()


def test_a_cause_is_booked_once(campaign, agent):
    sale = sale_of(campaign, agent, CENT)
    charges.take_payment(sale, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        charges.take_payment(sale, now=NOW)
    assert ledger.balance(ledger.agent_account(agent.pk)) == 7_000
    assert_books_are_right()


def test_a_reversal_gives_everything_back_once(campaign, agent):
    sale = sale_of(campaign, agent, 35 * CENT)
    booked = charges.take_payment(sale, now=NOW)
    reversal = charges.take_back(booked, sale.claim, note="invalid traffic", now=NOW)
    assert LedgerTransaction.objects.get(pk=reversal).reverses_id == booked
    assert ledger.balance(ledger.wallet_of(campaign.advertiser_id)) == 1_000 * DOLLAR
    assert ledger.balance(ledger.agent_account(agent.pk)) == ledger.balance(ledger.PLATFORM) == 0
    assert CampaignBudget.objects.get(campaign=campaign).spent_micros == 0
    with pytest.raises(ledger.AlreadyReversed):
        charges.take_back(booked, sale.claim, note="again", now=NOW)
    with pytest.raises(NotFound):
        charges.take_back(uuid4(), sale.claim, note="of nothing", now=NOW)
    assert_books_are_right()


def test_several_movements_are_one_statement(campaign, agent, django_assert_num_queries):
    split = split_price(CENT)
    movements = [
        movement(
            ledger.charge(advertiser_id=campaign.advertiser_id, agent_id=agent.pk, split=split),
            f"test:{number}",
        )
        for number in range(5)
    ]
    with django_assert_num_queries(1):
        ledger.post(movements, book=LIVE, now=NOW)
    assert ledger.balance(ledger.agent_account(agent.pk)) == 5 * 7_000


# --- what the database refuses


@pytest.mark.parametrize(
    "amounts",
    [
        {ledger.CASH: -5, ledger.PLATFORM: 4},
        {ledger.CASH: -5},
        {},
    ],
    ids=["sum not zero", "one side", "nothing"],
)
def test_what_does_not_balance_is_not_committed(amounts):
    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.post([movement(amounts)], book=LIVE, now=NOW)
        if not amounts:  # an empty transaction is refused for its number of postings
            LedgerTransaction.objects.create(
                id=uuid4(), book=LIVE, kind="click", reference="test:empty", postings_count=2, occurred_at=NOW
            )
        connection.check_constraints()


def test_nobody_adds_to_a_transaction_of_the_past(campaign, agent):
    booked = charges.take_payment(sale_of(campaign, agent, CENT), now=NOW)
    connection.check_constraints()
    with pytest.raises(IntegrityError), transaction.atomic():
        for kind, amount in ((Account.Kind.CASH, -5), (Account.Kind.BONUS, 5)):
            account = Account.objects.get_or_create(
                id=account_id(LIVE, kind, None), defaults={"book": LIVE, "kind": kind}
            )[0]
            Posting.objects.create(
                transaction_id=booked, account=account, amount_micros=amount, occurred_at=NOW
            )
        connection.check_constraints()


def test_books_are_kept_apart(campaign, agent):
    charges.take_payment(sale_of(campaign, agent, CENT), now=NOW)
    test_book = book_of(Environment.TEST, agent.pk)
    booked = LedgerTransaction.objects.create(
        id=uuid4(),
        book=test_book,
        kind="click",
        reference="test:two books",
        postings_count=2,
        occurred_at=NOW,
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        for kind, owner, amount in (("agent", agent.pk, 5), ("platform", None, -5)):
            Posting.objects.create(
                transaction=booked,
                account_id=account_id(LIVE, kind, owner),
                amount_micros=amount,
                occurred_at=NOW,
            )
        connection.check_constraints()
    for kind, amount in ((Account.Kind.CASH, -5), (Account.Kind.BONUS, 5)):
        Account.objects.create(id=account_id(test_book, kind, None), book=test_book, kind=kind)
        Posting.objects.create(
            transaction=booked,
            account_id=account_id(test_book, kind, None),
            amount_micros=amount,
            occurred_at=NOW,
        )
    connection.check_constraints()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ad_posting SET amount_micros = amount_micros + 1",
        "DELETE FROM ad_posting",
        "UPDATE ad_ledger_transaction SET note = 'x'",
        "DELETE FROM ad_ledger_transaction",
        "UPDATE ad_account SET balance_micros = 0 WHERE balance_micros IS NOT NULL",
        "DELETE FROM ad_account",
        "UPDATE ad_payout SET amount_micros = 1",
        "DELETE FROM ad_payout",
        "UPDATE ad_wallet SET spent_micros = cap_micros + 1",
        "UPDATE ad_wallet SET held_micros = -1",
        "UPDATE ad_campaign_budget SET cap_micros = 0",
        "UPDATE ad_campaign_day SET cap_micros = 0",
    ],
)
def test_the_database_refuses(statement, campaign, agent):
    charges.take_payment(sale_of(campaign, agent, 100 * CENT), now=NOW)
    payouts.pay_out(minimum_micros=1, now=NOW + 2 * payouts.SETTLES_AFTER)
    assert Payout.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_wallet_is_never_negative_in_the_ledger_either(agent):
    advertiser = AdvertiserFactory(paid_in=0)
    split = split_price(CENT)
    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.post(
            [movement(ledger.charge(advertiser_id=advertiser.pk, agent_id=agent.pk, split=split))],
            book=LIVE,
            now=NOW,
        )


# --- payouts


def test_only_what_is_settled_is_paid_out(campaign, agent):
    old = NOW - payouts.SETTLES_AFTER
    charges.take_payment(sale_of(campaign, agent, 10 * DOLLAR, now=old), now=old)
    charges.take_payment(sale_of(campaign, agent, 1 * DOLLAR), now=NOW)
    assert payouts.payable(agent.pk, now=NOW) == 7 * DOLLAR
    assert payouts.pay_out(minimum_micros=7 * DOLLAR + 1, now=NOW) == []
    (payout,) = payouts.pay_out(minimum_micros=7 * DOLLAR, now=NOW)
    assert (payout.agent_id, payout.amount_micros) == (agent.pk, 7 * DOLLAR)
    assert payouts.pay_out(minimum_micros=0, now=NOW) == []
    assert ledger.balance(ledger.agent_account(agent.pk)) == 700_000
    assert ledger.balance(ledger.CASH) == -993 * DOLLAR
    assert_books_are_right()


def test_what_was_taken_back_is_not_paid_out(campaign, agent):
    old = NOW - payouts.SETTLES_AFTER
    sale = sale_of(campaign, agent, 10 * DOLLAR, now=old)
    booked = charges.take_payment(sale, now=old)
    charges.take_payment(sale_of(campaign, agent, 5 * DOLLAR, now=old), now=old)
    charges.take_back(booked, sale.claim, note="invalid traffic", now=NOW)
    assert payouts.payable(agent.pk, now=NOW) == int(3.5 * DOLLAR)


def test_an_agent_may_owe_after_a_reversal_and_gets_nothing_until_it_is_even(campaign, agent):
    old = NOW - payouts.SETTLES_AFTER
    sale = sale_of(campaign, agent, 10 * DOLLAR, now=old)
    booked = charges.take_payment(sale, now=old)
    payouts.pay_out(minimum_micros=1, now=NOW)
    charges.take_back(booked, sale.claim, note="invalid traffic", now=NOW)
    assert ledger.balance(ledger.agent_account(agent.pk)) == -7 * DOLLAR
    assert payouts.payable(agent.pk, now=NOW) == 0
    assert payouts.pay_out(minimum_micros=0, now=NOW) == []
    assert_books_are_right()


# --- health


# Those of events and reports are broken in test_reports.py.
BREAKING = {
    "I1": "UPDATE ad_posting SET amount_micros = amount_micros + 1 WHERE id = (SELECT max(id) FROM ad_posting)",
    "I2": "UPDATE ad_posting SET amount_micros = amount_micros + 1 WHERE id = (SELECT max(id) FROM ad_posting)",
    "I3": "UPDATE ad_campaign_day SET cap_micros = 1",
    "I3b": "UPDATE ad_campaign_budget SET held_micros = 1",
    "I4": "UPDATE ad_account SET balance_micros = balance_micros + 1 WHERE kind = 'agent'",
    "I5": "UPDATE ad_campaign_budget SET spent_micros = spent_micros - 1",
    "I11": "UPDATE ad_account SET kind = 'bonus' WHERE kind = 'platform'",
    "I12": "UPDATE ad_account SET kind = 'escrow' WHERE kind = 'platform'",
    "I10": "UPDATE ad_account SET book = 'test:x' WHERE kind = 'platform'",
}


@pytest.mark.parametrize("code", BREAKING)
def test_health_sees_what_is_wrong(code, campaign, agent):
    """Each invariant is broken behind the guards' back; its own check finds it."""
    charges.take_payment(sale_of(campaign, agent, CENT), now=NOW)
    connection.check_constraints()
    assert_books_are_right()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ad_campaign_day DROP CONSTRAINT ad_campaign_day_within_cap")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(BREAKING[code])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    finding = next(finding for finding in ledger_health() if finding.code == code)
    assert not finding.is_ok
    assert finding.examples


def test_claims_of_one_advertiser_are_asked_one_by_one(campaign):
    from ads import budgets

    other = CampaignFactory(advertiser=campaign.advertiser)
    with pytest.raises(ValueError):
        budgets.hold([claim_of(campaign, 1), claim_of(other, 1)], book=LIVE, now=NOW)
