"""Reports over HTTP for both sides, losses, the bid simulator, and receipts that anybody can check."""

import base64
import csv
import io
import json
from datetime import UTC, date, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from ads import auction_records, rollups
from ads.core import receipts
from ads.core.auction import Candidate, run_auction
from ads.core.tokens import Environment
from ads.models import Campaign, Decision
from tests.ads.advertiser_client import AdvertiserClient
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdvertiserFactory, AgentFactory
from tests.ads.test_api_decide import TAX, error_of
from tests.ads.test_api_events import click, decide, tax_ad

pytestmark = pytest.mark.django_db


def today() -> str:
    return timezone.now().astimezone(UTC).date().isoformat()


def reports(client, **query):
    return client.get("/functions/v1/reports", query)


@pytest.fixture
def owner() -> AdvertiserClient:
    return AdvertiserClient(AdvertiserFactory())


# --- reports


def test_a_developers_report(live, owner):
    campaign = owner.running()
    shown = [
        live.post("decide", TAX | {"placement_id": place}).json()["units"][0]
        for place in ("chat", "chat", "sidebar")
    ]
    click(shown[0])
    click(shown[0])
    body = reports(live, by="day,placement,campaign").json()
    base = {"day": today(), "campaign": str(campaign.pk)}
    assert body["rows"] == [
        base | {
            "placement": "chat", "shown": 2, "impressions": {"gross": 1, "invalid": 0, "net": 1},
            "clicks": {"gross": 2, "invalid": 1, "net": 1}, "conversions": {"gross": 0, "invalid": 0, "net": 0},
            "earnings": {"gross": 0.035, "invalid": 0.0, "net": 0.035},
        },
        base | {
            "placement": "sidebar", "shown": 1, "impressions": {"gross": 0, "invalid": 0, "net": 0},
            "clicks": {"gross": 0, "invalid": 0, "net": 0}, "conversions": {"gross": 0, "invalid": 0, "net": 0},
            "earnings": {"gross": 0.0, "invalid": 0.0, "net": 0.0},
        },
    ]  # fmt: skip
    assert body["total"]["shown"] == 3
    assert (body["until"], body["currency"], body["is_cut"]) == (today(), "USD", False)
    assert [row["day"] for row in reports(live).json()["rows"]] == [today()]
    assert reports(live, by="").json()["rows"] == [body["total"]]
    text = reports(live, by="placement", format="csv")
    assert text.headers["Content-Type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(text.content.decode())))
    assert lines[0][:3] == ["placement", "shown", "impressions_gross"]
    assert [line[0] for line in lines[1:]] == ["chat", "sidebar"]
    assert lines[1][-3:] == ["0.035", "0.0", "0.035"]


def test_an_advertisers_report_shows_the_whole_price(live, owner):
    campaign = owner.running()
    click(decide(live))
    body = owner.look("reports", {"by": "campaign"}).json()
    assert [(row["campaign"], row["spend"]) for row in body["rows"]] == [
        (str(campaign.pk), {"gross": 0.05, "invalid": 0.0, "net": 0.05})
    ]
    assert owner.look("reports", {"format": "csv"}).content.decode().startswith("day,shown,")
    error_of(owner.look("reports", {"by": "placement"}), 400, "invalid_field")


def test_nobody_reads_anothers_figures(live, owner):
    owner.running()
    click(decide(live))
    assert reports(AdsClient(AgentFactory(), Environment.LIVE)).json()["rows"] == []
    assert AdvertiserClient(AdvertiserFactory()).look("reports").json()["rows"] == []


def test_test_keys_report_what_they_tried_by_their_own_clock(live, test):
    owner = AdvertiserClient(AdvertiserFactory(environment="test", paid_in=0))
    owner.running()
    test.post("test/clock", {"advance_seconds": 2 * 86_400})
    click(decide(test))
    day = (timezone.now() + timedelta(days=2)).astimezone(UTC).date().isoformat()
    assert [(row["day"], row["clicks"]["net"]) for row in reports(test).json()["rows"]] == [(day, 1)]
    assert reports(live).json()["rows"] == []
    other = AdsClient(AgentFactory(), Environment.TEST)
    assert reports(other, **{"from": day, "until": day}).json()["rows"] == []
    assert owner.look("reports", {"from": day, "until": day}).json()["total"]["spend"]["net"] == 0.05


@pytest.mark.parametrize(
    "query, field",
    [
        ({"from": "yesterday"}, "from"),
        ({"until": "2026-02-30"}, "until"),
        ({"from": "2026-05-02", "until": "2026-05-01"}, "from"),
        ({"from": "2026-01-01", "until": "2026-12-31"}, "from"),
        ({"by": "agent"}, "by"),
        ({"by": "day,day"}, "by"),
        ({"format": "xml"}, "format"),
    ],
    ids=str,
)
def test_what_no_report_can_be(live, query, field):
    assert field in error_of(reports(live, **query), 400, "invalid_field")["details"]


def test_the_edges_of_the_calendar(live):
    for day in ("0001-01-01", "9999-12-31"):
        assert reports(live, **{"from": day, "until": day}).json()["rows"] == []
    assert reports(live, until="0001-01-05").json()["from"] == "0001-01-01"


def test_long_reports_cost_no_more_statements(live, owner):
    owner.running()
    click(decide(live))

    def statements(**query):
        with CaptureQueriesContext(connection) as queries:
            assert reports(live, **query).status_code == 200
        return sum("ad_rollup" in query["sql"] for query in queries)

    short = statements()
    for back in range(3):
        rollups.roll_up(timezone.now().date() - timedelta(days=back), now=timezone.now())
    since = date.fromisoformat(today()) - timedelta(days=80)
    assert statements(**{"from": since.isoformat(), "by": "day,placement,campaign"}) == short


# --- losses and the simulator


@pytest.fixture
def rivals(live) -> tuple[AdvertiserClient, Campaign]:
    """One that bids 40 against 50 for a single place, in three auctions, of which the rival pays one."""
    rival, own = AdvertiserClient(AdvertiserFactory()), AdvertiserClient(AdvertiserFactory())
    rival.running(bid_cents=50)
    campaign = own.running(bid_cents=40)
    shown = [live.post("decide", TAX | {"max_results": 1}).json()["units"][0] for _ in range(3)]
    click(shown[0])
    return own, campaign


def test_a_loss_names_the_bid_that_would_have_won(rivals, live):
    own, campaign = rivals
    body = own.look(f"campaigns/{campaign.pk}/auctions").json()
    assert body == {
        "campaign_id": str(campaign.pk), "days": 7, "auctions": 3, "is_sample": False, "won": 0, "win_rate": 0.0,
        "average_position": None, "average_price_cents": None,
        "lost": {"outbid": 3, "budget": 0, "frequency_cap": 0},
        "minimum_to_win": {"least_cents": 51, "median_cents": 51, "nine_tenths_cents": 51},
    }  # fmt: skip
    own.change(f"campaigns/{campaign.pk}", {"bid_cents": 51})
    live.post("decide", TAX | {"max_results": 1})
    after = own.look(f"campaigns/{campaign.pk}/auctions").json()
    assert (after["won"], after["average_price_cents"], after["lost"]["outbid"]) == (1, 51.0, 3)


@pytest.mark.parametrize(
    "change, user, loss",
    [({"total_budget_cents": 0}, "", "budget"), ({"frequency_cap": 1}, "somebody", "frequency_cap")],
    ids=["budget", "frequency_cap"],
)
def test_losses_that_no_bid_prevents(live, owner, change, user, loss):
    campaign = owner.running(**change)
    for _ in range(2):
        live.post("decide", TAX | ({"user_ref": user} if user else {}))
    body = owner.look(f"campaigns/{campaign.pk}/auctions").json()
    assert (body["lost"][loss], body["minimum_to_win"]) == (2 - body["won"], None)
    assert body["won"] == (1 if user else 0)


def simulate(client, campaign, **body):
    return client.make(f"campaigns/{campaign.pk}/simulate", body)


def test_what_another_bid_would_have_won(rivals):
    own, campaign = rivals
    none = {"wins": 0, "win_rate": 0.0, "average_position": None, "average_price_cents": None}
    assert simulate(own, campaign, bid_cents=50).json() == {
        "campaign_id": str(campaign.pk), "bid_cents": 50, "days": 7, "auctions": 3, "is_sample": False,
        "current": none, "simulated": none, "estimated_cost": None,
    }  # fmt: skip
    enough = simulate(own, campaign, bid_cents=90).json()
    assert enough["simulated"] == {
        "wins": 3,
        "win_rate": 1.0,
        "average_position": 1.0,
        "average_price_cents": 51.0,
    }


def test_the_cost_follows_from_how_many_were_paid_for(rivals):
    _, campaign = rivals
    rival = Campaign.objects.exclude(pk=campaign.pk).get()
    trial = auction_records.try_bid(rival, bid_cents=60, days=7, now=timezone.now())
    assert (trial.current.wins, trial.simulated.wins, trial.simulated.price_cents) == (3, 3, 120)
    assert trial.estimated_micros == 400_000  # one of three was clicked


def test_the_newest_auctions_are_looked_at(rivals, monkeypatch):
    own, campaign = rivals
    monkeypatch.setattr(auction_records, "MOST", 2)
    body = own.look(f"campaigns/{campaign.pk}/auctions").json()
    assert (body["auctions"], body["is_sample"]) == (2, True)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"bid_cents": 0}, {"bid_cents": "50"}, {"bid_cents": 50, "days": 31}, {"bid_cents": 1_000_001}],
    ids=str,
)
def test_what_cannot_be_simulated(owner, wrong):
    campaign = owner.running()
    error_of(simulate(owner, campaign, **wrong), 400, "invalid_field")
    error_of(owner.look(f"campaigns/{campaign.pk}/auctions", {"days": "0"}), 400, "invalid_field")


# --- receipts


def receipt(client, decision_id):
    return client.get(f"/functions/v1/decisions/{decision_id}/receipt")


def test_a_receipt_is_signed_and_its_prices_can_be_computed_again(live):
    for bid in (50, 50, 40):
        tax_ad(campaign__bid_cents=bid)
    decision = live.post("decide", TAX).json()
    body = receipt(live, decision["decision_id"]).json()
    published = Client().get("/functions/v1/receipts/keys").json()["keys"]
    key = next(each for each in published if each["key_id"] == body["key_id"])
    public = Ed25519PublicKey.from_public_bytes(unpadded(key["public_key"]))
    public.verify(unpadded(body["signature"]), body["signed_text"].encode())
    with pytest.raises(InvalidSignature):
        public.verify(unpadded(body["signature"]), body["signed_text"].replace("50", "49").encode())
    told = json.loads(body["signed_text"])
    assert told == body["receipt"]
    assert [unit["unit_id"] for unit in told["units"]] == [
        unit["_meta"]["unit_id"] for unit in decision["units"]
    ]
    assert len({unit["price_cents"] for unit in told["units"]}) == 3
    for unit, shown in zip(told["units"], decision["units"], strict=True):
        # As docs/ads.md has it, with nothing but the receipt.
        score_of_a_cent = unit["relevance"] * unit["quality"] * unit["weight"]
        price = -(-unit["pivotal_score"] // score_of_a_cent)
        if (
            unit["pivotal_score"]
            and price * score_of_a_cent == unit["pivotal_score"]
            and not unit["wins_tie"]
        ):
            price += 1
        reserve = -(-told["reserve_cents"] * 10 // unit["weight"])
        assert max(price, reserve) == unit["price_cents"] == shown["_meta"]["clearing_price_cents"]
        assert unit["payout_micros"] / 10_000 == shown["payout"]
        assert not set(unit) & {"title", "advertiser_id", "sponsor_name"}


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_receipt_is_for_its_agent_and_environment(live, test):
    tax_ad()
    decision_id = live.post("decide", TAX).json()["decision_id"]
    assert receipt(live, decision_id).status_code == 200
    for client in (test, AdsClient(AgentFactory(), Environment.LIVE)):
        error_of(receipt(client, decision_id), 404, "not_found")
    for unknown in ("dec_" + "0" * 32, "dec_" + "f" * 32, "dec_x", decision_id.upper(), "x"):
        error_of(receipt(live, unknown), 404, "not_found")
    assert Client().get(f"/functions/v1/decisions/{decision_id}/receipt").status_code == 401


def test_no_fill_has_a_receipt_too(live):
    body = live.post("decide", TAX).json()
    told = receipt(live, body["decision_id"]).json()["receipt"]
    assert (told["reason"], told["units"]) == ("no_match", [])


def test_old_keys_are_published_beside_the_new_one(live, settings):
    decision_id = live.post("decide", TAX).json()["decision_id"]
    old = receipt(live, decision_id).json()
    settings.PENGUIN_AD_SIGNING_KEYS = ["another secret", *settings.PENGUIN_AD_SIGNING_KEYS]
    assert receipt(live, decision_id).json()["key_id"] != old["key_id"]
    published = Client().get("/functions/v1/receipts/keys").json()["keys"]
    assert [key["key_id"] for key in published][1] == old["key_id"]
    assert Decision.objects.count() == 1


candidates = st.lists(
    st.tuples(
        st.integers(1, 10_000),
        st.integers(1, 10_000),
        st.integers(1, 300),
        st.sampled_from([1, 10]),
    ),
    min_size=1,
    max_size=6,
)


@given(candidates, st.integers(1, 60))
def test_every_price_follows_from_its_receipt(rows, reserve_cents):
    field = [
        Candidate(f"{number}", f"{number}", number % 3, relevance, quality, bid, weight)
        for number, (relevance, quality, bid, weight) in enumerate(rows)
    ]
    for placement in run_auction(field, reserve_cents=reserve_cents, max_results=6):
        facts = {
            "relevance": placement.candidate.relevance,
            "quality": placement.candidate.quality,
            "weight": placement.candidate.weight,
            "pivotal_score": placement.pivotal_score,
        }
        wins_tie = receipts.wins_tie(**facts, price_cents=placement.price_cents)
        assert (
            receipts.price_from(**facts, wins_tie=wins_tie, reserve_cents=reserve_cents)
            == placement.price_cents
        )


def test_a_signature_is_for_one_text_and_one_key():
    key, other = receipts.ReceiptKey.of("one"), receipts.ReceiptKey.of("two")
    text = receipts.as_text({"b": 1, "a": [2]})
    assert text == '{"a":[2],"b":1}'
    assert receipts.is_signed(text, key.sign(text), key.public)
    assert not receipts.is_signed(text, key.sign(text), other.public)
    assert not receipts.is_signed(text + " ", key.sign(text), key.public)
    assert not receipts.is_signed(text, "nonsense", key.public)
    assert receipts.ReceiptKey.of("one").key_id == key.key_id
