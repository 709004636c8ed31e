"""Finance in the admin: payments in, payouts and the bank's answers, traffic that is taken back, books to read."""

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ads import charges, chores, ledger, ledger_checks, payout_results, payouts, traffic_reversals, wallets
from ads.core.books import LIVE, account_id
from ads.core.csv_cells import as_cell
from ads.core.shown_money import dollars
from ads.invalid_traffic import Range
from ads.models import (
    Account,
    AdKey,
    Advertiser,
    InvalidMark,
    LedgerCheck,
    LedgerTransaction,
    Payout,
    PayoutBatch,
    PayoutResult,
    TrafficReversal,
)
from penguin_site.errors import DomainError
from tests.ads.factories import AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import DOLLAR, assert_books_are_right, sale_of
from tests.ads.staff_client import StaffClient, audited
from tests.ads.test_api_events import click, decide, earned, tax_ad
from tests.ads.test_races import at_once

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=8)


@pytest.fixture
def fin(db) -> StaffClient:
    return StaffClient(
        "fin", "view_advertiser", "add_advertiser", "change_advertiser", "top_up_wallet", "view_payoutbatch",
        "add_payoutbatch", "export_payoutbatch", "settle_payoutbatch", "view_account", "view_ledgertransaction",
        "view_ledgercheck", "add_ledgercheck", "view_trafficreversal", "add_trafficreversal", "view_invalidmark",
    )  # fmt: skip


def sold(agents, dollars_each: int = 50) -> None:
    """Each has earned 70 % of a sale, more than a week ago."""
    campaign, long_ago = CampaignFactory(), timezone.now() - WEEK
    for agent in agents:
        charges.take_payment(sale_of(campaign, agent, dollars_each * DOLLAR, now=long_ago), now=long_ago)


def file_of(*lines: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("bank.csv", "\n".join(["payout,outcome,bank_reference", *lines]).encode())


@pytest.mark.parametrize(
    "micros, shown",
    [(0, "$0.00"), (1, "$0.000001"), (1_234_560_000, "$1,234.56"), (-350_000, "-$0.35"), (35_100, "$0.0351")],
)
def test_money_is_shown_to_the_micro(micros, shown):
    assert dollars(micros) == shown


@pytest.mark.parametrize("text, cell", [("=1+1", "'=1+1"), ("@a", "'@a"), ("a=b", "a=b"), ("", "")])
def test_spreadsheets_compute_nothing_of_ours(text, cell):
    assert as_cell(text) == cell


def test_an_advertiser_is_made_paid_in_and_changed(fin):
    made = fin.press("advertiser_add", name="CloudTax", time_zone="America/Toronto", environment="live")
    advertiser = Advertiser.objects.get()
    assert (
        f"{AdKey.objects.get().prefix}" in made.content.decode()
        and "no-store" in made.headers["Cache-Control"]
    )
    wrong = fin.press("advertiser_add", name="X", time_zone="Mars/Olympus", environment="live")
    assert "no such time zone" in wrong.content.decode()
    assert fin.press("advertiser_top_up", advertiser.pk, amount="50.00", reference="invoice 7").said == [
        "$50.00 booked."
    ]
    twice = fin.press("advertiser_top_up", advertiser.pk, amount="50.00", reference="invoice 7")
    assert "This payment was booked before." in twice.content.decode()
    for amount in ("0", "-1", "1.001", "NaN", ""):
        assert fin.press("advertiser_top_up", advertiser.pk, amount=amount, reference="x").status_code == 200
    assert ledger.balance(ledger.wallet_of(advertiser.pk)) == 50 * DOLLAR
    fin.press("advertiser_edit", advertiser.pk, name="CloudTax Inc", time_zone="UTC")
    advertiser.refresh_from_db()
    assert (advertiser.name, advertiser.is_active) == ("CloudTax Inc", False)
    page = fin.see("advertiser_change", advertiser.pk).content.decode()
    assert "$50.00" in page and "top up" in page
    assert [action for _, action in audited()] == [
        "advertiser.created", "ad_key.issued", "advertiser.topped_up", "advertiser.changed",
    ]  # fmt: skip
    assert_books_are_right()


def test_a_batch_goes_to_the_bank_and_its_answer_comes_back(fin):
    rich, poor, other = AgentFactory(owner_email="=cmd@x.example"), AgentFactory(), AgentFactory()
    sold([rich, other])
    sold([poor], dollars_each=1)
    page = fin.see("payoutbatch_earnings").content.decode()
    assert "$70.00" in page and "$0.70" in page
    batch_id = uuid4()
    said = fin.press("payoutbatch_pay_out", minimum="10.00", batch=batch_id).said
    assert said == ["2 payouts, $70.00."]
    assert fin.press("payoutbatch_pay_out", minimum="10.00", batch=batch_id).said == [
        "This batch was made before."
    ]
    assert "nothing was paid out" in fin.press("payoutbatch_pay_out", minimum="10.00", batch=uuid4()).said[0]
    batch = PayoutBatch.objects.get()
    assert (batch.pk, batch.made_by) == (batch_id, fin.user)

    lines = list(csv.DictReader(io.StringIO(fin.see("payoutbatch_export", batch.pk).content.decode())))
    assert {line["amount_usd"] for line in lines} == {"35.000000"}
    assert "'=cmd@x.example" in {line["owner_email"] for line in lines}

    of_rich, of_other = Payout.objects.get(agent=rich), Payout.objects.get(agent=other)
    answer = file_of(f"{of_rich.pk},paid,TX1", f"{of_other.pk},returned,TX2", f"{uuid4()},paid,TX3")
    said = fin.press("payoutbatch_import", batch.pk, file=answer).said
    assert (
        said[0].startswith("Line 4: this batch has no payout")
        and said[1] == "1 paid, 1 returned, 0 known before."
    )
    assert ledger.balance(ledger.agent_account(other.pk)) == 35 * DOLLAR
    assert payouts.payable(other.pk, now=timezone.now()) == 35 * DOLLAR  # at once: it had been settled
    assert payouts.payable(rich.pk, now=timezone.now()) == 0
    answer = file_of(f"{of_rich.pk},paid,TX1", f"{of_other.pk},paid,TX2")
    said = fin.press("payoutbatch_import", batch.pk, file=answer).said
    assert "was returned before" in said[0] and said[1] == "0 paid, 0 returned, 1 known before."
    assert "TX2" in fin.see("payoutbatch_change", batch.pk).content.decode()
    assert "2 of 2" in fin.see("payoutbatch_changelist").content.decode()
    # What was paid may still come back, once; the next batch pays it again.
    fin.press("payoutbatch_import", batch.pk, file=file_of(f"{of_rich.pk},failed,TX9"))
    assert fin.press("payoutbatch_pay_out", minimum="10.00", batch=uuid4()).said == ["2 payouts, $70.00."]
    assert LedgerTransaction.objects.filter(kind="reversal").count() == 2
    actions = [action for _, action in audited()]
    assert actions.count("payouts.results_imported") == 3 and "payouts.batch_exported" in actions
    assert_books_are_right()


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"\xff\xfe", "UTF-8"),
        (b"payout,amount\n", "no column outcome"),
        (b"payout,outcome\nx,paid", "line 2: payout is no id"),
        (b"payout;outcome\n%s;lost" % str(uuid4()).encode(), "line 2: outcome must be"),
        (b"payout,outcome,amount_usd\n%s,paid,1e999" % str(uuid4()).encode(), "line 2: amount_usd"),
        (b"payout,outcome,amount_usd\n%s,paid,nan" % str(uuid4()).encode(), "line 2: amount_usd"),
    ],
    ids=["binary", "columns", "id", "outcome", "huge", "no number"],
)
def test_a_file_that_cannot_be_read_changes_nothing(data, problem):
    with pytest.raises(DomainError, match=problem):
        payout_results.read(data)


@pytest.mark.django_db(transaction=True)
def test_batches_and_answers_at_once_count_once():
    agents = AgentFactory.create_batch(3)
    sold(agents)
    made = at_once(lambda _: payouts.pay_out(minimum_micros=1, now=timezone.now()), range(6), threads=6)
    assert sorted(len(batch) for batch in made) != [] and sum(len(batch) for batch in made) == 3
    assert all(batch.payouts.exists() for batch in PayoutBatch.objects.all())

    def answer(number: int) -> bool:
        payout = Payout.objects.all().order_by("pk")[number % 3]
        outcome = payout_results.Outcome.PAID if number < 6 else payout_results.Outcome.RETURNED
        line = payout_results.Line(2, payout.pk, outcome, "", "", None)
        try:
            return payout_results.settle(payout, line, now=timezone.now())
        except payout_results.AlreadyReported:
            return False

    at_once(answer, range(24), threads=8)
    assert PayoutResult.objects.filter(outcome="returned").count() == 3
    assert LedgerTransaction.objects.filter(kind="reversal").count() == 3
    assert {ledger.balance(ledger.agent_account(agent.pk)) for agent in agents} == {35 * DOLLAR}
    assert_books_are_right()


def test_a_range_is_looked_at_before_it_is_taken_back(fin, live):
    tax_ad()
    for _ in range(2):
        click(decide(live))
    now = timezone.now()
    form = {
        "since": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"),
        "until": (now + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M"),
        "agent": live.agent.public_id,
        "campaign": "",
        "note": "one hand",
    }
    assert "must not lie in the future" in fin.see("trafficreversal_add", **form).content.decode()
    found = Range(now - timedelta(hours=1), timezone.now(), live.agent.pk)
    seen = traffic_reversals.preview(found)
    assert (seen.events, seen.billed, seen.charged_micros, seen.earned_micros) == (
        {"click": 2, "impression": 2}, 2, 100_000, 70_000,
    )  # fmt: skip
    ended = form | {"until": (now + timedelta(minutes=-1)).strftime("%Y-%m-%dT%H:%M")}
    assert "There is nothing in this range" in fin.see("trafficreversal_add", **ended).content.decode()
    for wrong in ({"agent": ""}, {"agent": "nobody"}, {"note": ""}, {"until": form["since"]}):
        assert "data-preview" not in fin.see("trafficreversal_add", **ended | wrong).content.decode()
    with pytest.raises(traffic_reversals.PreviewChanged):
        traffic_reversals.ask(found, note="x", expected_count=3, now=timezone.now())
    pressed = fin.press("trafficreversal_add", **ended, expected=0)
    assert pressed.status_code == 302 and pressed.said[0].startswith("Asked for")
    traffic_reversals.ask(found, note="one hand", expected_count=4, now=timezone.now(), actor=fin.user)
    assert earned(live) == 70_000
    chores.take_back_ad_traffic(0)
    assert earned(live) == 0
    assert traffic_reversals.preview(found).count == 0
    chores.take_back_ad_traffic(0)
    assert InvalidMark.objects.count() == 4
    reversal = TrafficReversal.objects.latest("asked_at")
    assert (reversal.marked_count, reversal.finished_at is not None) == (4, True)
    assert "4 of 4" in fin.see("trafficreversal_changelist").content.decode()
    assert "one hand" in fin.see("invalidmark_changelist").content.decode()
    assert audited() == [("fin", "invalid_traffic.taken_back")] * 2
    assert_books_are_right()


def test_the_books_are_read_and_never_written(fin):
    advertiser = AdvertiserFactory()
    agent = AgentFactory(name="Payee")
    sold([agent])
    movement = LedgerTransaction.objects.get(kind="click")
    account = account_id(LIVE, Account.Kind.AGENT, agent.pk)
    assert movement.reference in fin.see("ledgertransaction_changelist").content.decode()
    assert "$35.00" in fin.see("ledgertransaction_change", movement.pk).content.decode()
    assert str(movement.pk) in fin.see("ledgertransaction_changelist", q=movement.reference).content.decode()
    assert "Payee" in fin.see("account_changelist").content.decode()
    assert "Payee" in fin.see("account_changelist", q=agent.public_id).content.decode()
    assert "$35.00" in fin.see("account_change", account).content.decode()
    platform = account_id(LIVE, Account.Kind.PLATFORM, None)
    assert "Add it up" in fin.see("account_change", platform).content.decode()
    assert "$15.00" in fin.see("account_change", platform, add_up=1).content.decode()
    saved = b"".join(fin.see("account_csv", account).streaming_content).decode()
    assert [line["amount_usd"] for line in csv.DictReader(io.StringIO(saved))] == ["35.00"]
    days = {"from": "2020-01-01", "to": "2020-12-31"}
    assert "Nothing moved" in fin.see("account_change", account, **days).content.decode()
    for name, pk in (("ledgertransaction", movement.pk), ("account", account)):
        root = StaffClient(f"root-{name}")
        assert root.press(f"{name}_change", pk, kind="click", note="x").status_code in (200, 403)
        assert root.press(f"{name}_delete", pk, post="yes").status_code == 403
        assert root.see(f"{name}_add").status_code == 403
    movement.refresh_from_db()
    assert movement.note == "" and advertiser


def test_a_long_statement_comes_in_pages(fin):
    advertiser = AdvertiserFactory(paid_in=0)
    moment = timezone.now()
    for number in range(103):
        wallets.top_up(
            advertiser_id=advertiser.pk, amount_micros=DOLLAR + number, reference=f"r{number}", now=moment
        )
    address = account_id(LIVE, Account.Kind.WALLET, advertiser.pk)
    with CaptureQueriesContext(connection) as statements:
        page = fin.see("account_change", address)
    context = page.context_data
    assert (len(context["lines"]), len(statements) < 12) == (100, True)
    rest = fin.see("account_change", address, before=context["older"]).context_data
    assert (len(rest["lines"]), rest["older"]) == (3, "")
    assert len({line.pk for line in [*context["lines"], *rest["lines"]]}) == 103


def test_health_is_looked_at_kept_and_shown(fin, live):
    for bid in (50, 40, 30):
        tax_ad(campaign__bid_cents=bid)
    click(decide(live))
    assert "Nobody has looked yet" in fin.see("ledgercheck_changelist").content.decode()
    assert fin.press("ledgercheck_check").said == ["Everything adds up."]
    page = fin.see("ledgercheck_changelist").content.decode()
    for code in (*(f"I{number}" for number in range(1, 16)), "I3b"):
        assert f"<strong>{code}</strong>" in page
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ad_wallet SET spent_micros = spent_micros + 1 WHERE spent_micros > 0")
    assert fin.press("ledgercheck_check").said == ["Something does not add up: see below."]
    assert "I5" in [finding["code"] for finding in ledger_checks.last().findings if not finding["is_ok"]]
    assert LedgerCheck.objects.count() == 2


def test_who_has_no_permission_does_nothing():
    advertiser, nobody = AdvertiserFactory(), StaffClient("lee", "view_advertiser")
    agent = AgentFactory()
    sold([agent])
    (payout,) = payouts.pay_out(minimum_micros=1, now=timezone.now())
    before = LedgerTransaction.objects.count()
    assert nobody.press("advertiser_top_up", advertiser.pk, amount="5", reference="x").status_code == 403
    assert nobody.press("advertiser_edit", advertiser.pk, name="x", time_zone="UTC").status_code == 403
    assert nobody.press("payoutbatch_pay_out", minimum="1", batch=uuid4()).status_code == 403
    assert nobody.press("payoutbatch_import", payout.batch_id, file=file_of()).status_code == 403
    assert nobody.press("trafficreversal_add", note="x").status_code == 403
    assert nobody.press("ledgercheck_check").status_code == 403
    for name, *arguments in (
        ("payoutbatch_earnings",), ("payoutbatch_export", payout.batch_id), ("account_changelist",),
        ("ledgertransaction_changelist",), ("ledgercheck_changelist",), ("invalidmark_changelist",),
    ):  # fmt: skip
        assert nobody.see(name, *arguments).status_code == 403, name
    assert LedgerTransaction.objects.count() == before
