"""Reports that come at once share a statement; each is answered as if it had been alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import DataError, connection, connections, transaction
from django.utils import timezone

from ads import ad_tokens, event_records, holds
from ads.core.micros import Pricing
from ads.core.tokens import Environment, TokenFacts, sign_tracking_token
from ads.event_batches import Batches
from ads.event_records import Stored, TokenReport
from ads.models import AdEvent, CampaignBudget, EventId, LedgerTransaction
from tests.ads.conftest import AdsClient
from tests.ads.factories import AgentFactory
from tests.ads.money import assert_books_are_right
from tests.ads.test_api_decide import TAX
from tests.ads.test_api_events import report, tax_ad
from tests.ads.test_races import at_once as at_once_in_threads
from tests.processes import eventually

SECONDS = 30


def facts(unit: str = "") -> TokenFacts:
    return TokenFacts(
        environment=Environment.LIVE,
        agent_id="a" * 32,
        decision_id="d" * 32,
        unit_id=unit or uuid4().hex,
        pricing=Pricing.CPM,
        price_cents=10,
        issued_at=0,
    )


def token_report(name: str, *, unit: str = "") -> TokenReport:
    return TokenReport(
        event_id=name,
        body_hash=b"",
        kind=AdEvent.Kind.IMPRESSION,
        occurred_at=datetime(2026, 5, 1, tzinfo=UTC),
        refusal="",
        metadata=None,
        facts=facts(unit),
    )


class Store:
    """Keeps the first batch waiting until it is let go; refuses every batch that has a `bad` report in it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.let_go = threading.Event()

    def __call__(self, reports, book):
        names = [each.event_id for each in reports]
        self.batches.append([*names, book])
        if len(self.batches) == 1:
            assert self.let_go.wait(SECONDS)
        if "bad" in names:
            raise DataError("bad")
        return [Stored(is_billed=True, reason=name, is_first=True) for name in names]


def at_once(store: Store, first: TokenReport, others: list[tuple[TokenReport, str]]) -> dict[str, object]:
    """What became of each by its name, where all others came, in this order, while `first` was being stored."""
    batches, outcomes = Batches(store), {}

    def send(each: TokenReport, book: str) -> None:
        try:
            outcomes[each.event_id, each.unit] = batches.store(each, book=book)
        except DataError as error:
            outcomes[each.event_id, each.unit] = error

    threads = [threading.Thread(target=send, args=(first, "live"))]
    threads[0].start()
    eventually(lambda: store.batches, seconds=SECONDS)
    for number, (each, book) in enumerate(others, 1):
        threads.append(threading.Thread(target=send, args=(each, book)))
        threads[-1].start()
        eventually(lambda number=number: len(batches._waiting) == number, seconds=SECONDS)
    store.let_go.set()
    for thread in threads:
        thread.join(SECONDS)
    assert not batches._is_busy
    assert not batches._waiting
    return outcomes


def test_who_comes_while_another_is_stored_is_stored_with_the_others():
    store, unit = Store(), uuid4().hex
    others = [
        (token_report("b", unit=unit), "live"),
        (
            token_report("c", unit=unit),
            "live",
        ),  # the same unit: of two reports of it, one has to find the other
        (token_report("b"), "live"),  # the same event id
        (token_report("d"), "test:1"),  # another book
        (token_report("e"), "live"),
    ]
    outcomes = at_once(store, token_report("a"), others)
    assert store.batches == [["a", "live"], ["b", "e", "live"], ["c", "b", "live"], ["d", "test:1"]]
    assert {name: outcome.reason for (name, _), outcome in outcomes.items()} == {
        name: name for name in "abcde"
    }


def test_what_one_report_does_wrong_hits_no_other_of_its_batch():
    store = Store()
    outcomes = at_once(store, token_report("a"), [(token_report(name), "live") for name in ("b", "bad", "c")])
    assert store.batches[:2] == [["a", "live"], ["b", "bad", "c", "live"]]
    assert sorted(store.batches[2:]) == [["b", "live"], ["bad", "live"], ["c", "live"]]
    by_name = {name: outcome for (name, _), outcome in outcomes.items()}
    assert isinstance(by_name.pop("bad"), DataError)
    assert {name: outcome.reason for name, outcome in by_name.items()} == {name: name for name in "abc"}


@pytest.mark.django_db(transaction=True)
def test_a_statement_of_many_reports_answers_and_bills_each():
    for _ in range(5):
        tax_ad(campaign__pricing="cpm", campaign__bid_cents=500)
    client = AdsClient(AgentFactory(), Environment.LIVE)
    shown = [unit for _ in range(2) for unit in client.post("decide", TAX).json()["units"]]
    assert len(shown) == 10
    assert report(client, shown[0], "impression").json() == {"accepted": True, "billable": True}
    now = timezone.now()

    def row(unit: dict, kind: str = "impression", *, refusal: str = "", name: str = "") -> TokenReport:
        return TokenReport(
            event_id=name or f"live:{uuid4().hex}",
            body_hash=b"\0" * 32,
            kind=AdEvent.Kind(kind),
            occurred_at=now,
            refusal=refusal,
            metadata={"place": "top"},
            facts=ad_tokens.read_tracking(unit["tracking_token"]),
        )

    used = EventId.objects.get().event_id
    outcomes = event_records.store(
        [
            row(shown[0]),
            row(shown[1], name=used),
            row(shown[2], refusal="late"),
            row(shown[3], "ad_shown"),
            *[row(unit) for unit in shown[4:]],
        ],
        book="live",
    )
    assert outcomes == [
        Stored(False, "duplicate", True),
        Stored(True, "", False),  # nothing was stored of it
        Stored(False, "late", True),
        Stored(False, "", True),
        *[Stored(True, "", True)] * 6,
    ]
    assert AdEvent.objects.filter(is_billed=True).count() == 7
    assert AdEvent.objects.filter(metadata={"place": "top"}).count() == 9
    assert LedgerTransaction.objects.filter(kind="impression").count() == 7
    prices = sum(AdEvent.objects.filter(is_billed=True).values_list("price_micros", flat=True))
    assert sum(CampaignBudget.objects.values_list("spent_micros", flat=True)) == prices > 0
    assert event_records.store([row(shown[1]), row({"tracking_token": _foreign()})], book="live") == [
        Stored(True, "", True),
        None,
    ]
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_sixteen_threads_report_the_same_impressions():
    for _ in range(4):
        tax_ad(campaign__pricing="cpm", campaign__bid_cents=500)
    client = AdsClient(AgentFactory(), Environment.LIVE)
    shown = [unit for _ in range(3) for unit in client.post("decide", TAX).json()["units"]]
    named = {"event_id": "evt_the_same", "occurred_at": timezone.now().isoformat()}
    # Of each unit four reports at once; of one of them all four are the same report, sent again.
    answers = at_once_in_threads(
        lambda unit: report(client, unit, "impression", **(named if unit is shown[0] else {})), shown * 4
    )
    assert {answer.status_code for answer in answers} == {200}
    assert AdEvent.objects.filter(is_billed=True).count() == len(shown) == 12
    assert [answer.json() for answer in answers[:: len(shown)]] == [{"accepted": True, "billable": True}] * 4
    assert AdEvent.objects.filter(reason="duplicate").count() == 3 * 11
    assert_books_are_right()


@pytest.mark.django_db(transaction=True)
def test_a_report_that_goes_the_long_way_does_not_cross_with_itself(monkeypatch):
    """The same report twice: one came before the books had the accounts, the other is in a batch by now."""
    tax_ad(campaign__pricing="cpm", campaign__bid_cents=500)
    client = AdsClient(AgentFactory(), Environment.LIVE)
    before, shown = (client.post("decide", TAX).json()["units"][0] for _ in range(2))
    assert report(client, before, "impression").json()["billable"]  # opens the accounts
    named = {"event_id": "evt_the_same", "occurred_at": timezone.now().isoformat()}
    known = ad_tokens.read_tracking(shown["tracking_token"])

    def long_way(*args, **kwargs):
        raise event_records.TakeTheLongWay

    def once_more() -> int:
        try:
            return report(client, shown, "impression", **named).status_code
        finally:
            connections.close_all()

    monkeypatch.setattr("ads.event_batches.store", long_way)
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            holds.lock(decision_id=UUID(known.decision_id), unit_id=UUID(known.unit_id))
            answer = threads.submit(once_more)
            eventually(_somebody_waits, seconds=SECONDS)
            batched = TokenReport(
                event_id="live:evt_the_same", body_hash=b"\0" * 32, kind=AdEvent.Kind.IMPRESSION,
                occurred_at=timezone.now(), refusal="", metadata=None, facts=known,
            )  # fmt: skip
            assert event_records.store([batched], book="live") == [Stored(True, "", True)]
        # The batch has written another hash of the content: so the second is told that it is not the same.
        assert answer.result(SECONDS) == 409
    assert AdEvent.objects.filter(is_billed=True).count() == 2
    assert_books_are_right()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def _foreign() -> str:
    """Of a decision that was never stored."""
    return sign_tracking_token(facts(), ad_tokens.signing_keys())
