"""The advertisers' API: campaigns, units and their review, keys, the wallet; and nothing of anybody else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ads import units, wallets
from ads.models import AdKey, AdUnit, Advertiser, Campaign, CampaignBudget, FeatureSwitch
from tests.ads.advertiser_client import TEXTS, AdvertiserClient, approve
from tests.ads.factories import NOW, AdUnitFactory, AdvertiserFactory, CampaignFactory
from tests.ads.money import DOLLAR, assert_books_are_right
from tests.ads.test_api_decide import TAX, error_of
from tests.ads.test_api_events import click, decide

pytestmark = pytest.mark.django_db
SPRING = {"name": "Spring", "bid_cents": 50}


@pytest.fixture
def owner() -> AdvertiserClient:
    return AdvertiserClient(AdvertiserFactory(time_zone="America/Toronto"))


# --- who asks


def test_the_account(owner):
    assert owner.look().json() == {
        "advertiser_id": str(owner.advertiser.pk),
        "name": owner.advertiser.name,
        "organisation": owner.advertiser.organisation,
        "environment": "live",
        "time_zone": "America/Toronto",
        "currency": "USD",
    }


def test_only_advertisers_keys_open_it(owner, live):
    for headers in ({}, {"X-AM-API-Key": live.key}, {"X-AM-API-Key": "av_live_" + "x" * 40}):
        response = Client(headers=headers).get("/functions/v1/advertiser")
        error_of(response, 401, "authentication_failed")
        assert response.headers["WWW-Authenticate"]
    agents_side = Client(headers={"X-AM-API-Key": owner.key}).get("/functions/v1/balance")
    error_of(agents_side, 401, "authentication_failed")
    Advertiser.objects.update(is_active=False)
    error_of(owner.look(), 403, "forbidden")


def test_it_can_be_switched_off(owner):
    FeatureSwitch.objects.create(feature="advertisers", is_on=False)
    error_of(owner.look(), 503, "service_unavailable")


def test_a_key_is_rotated_with_a_day_of_grace(owner):
    rotated = owner.make("keys/rotate").json()
    new = Client(headers={"X-AM-API-Key": rotated["api_key"]})
    assert new.get("/functions/v1/advertiser").status_code == 200
    listed = new.get("/functions/v1/advertiser/keys").json()["keys"]
    assert [(key["prefix"], key["is_this_one"]) for key in listed] == [
        (rotated["prefix"], True),
        (owner.key[:16], False),
    ]
    assert listed[1]["expires_at"] == rotated["old_key_expires_at"]
    assert not AdKey.objects.filter(prefix=rotated["api_key"]).exists()  # only its hash is kept
    assert owner.look().status_code == 200
    error_of(owner.make("keys/rotate"), 409, "key_not_active")
    AdKey.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now())
    error_of(owner.look(), 401, "authentication_failed")


# --- campaigns


def test_a_campaign_is_made_changed_started_paused_and_ended(owner):
    given = {
        "name": "Spring",
        "pricing": "cpm",
        "bid_cents": 600,
        "total_budget_cents": 100_000,
        "daily_budget_cents": None,
        "starts_at": "2026-05-01T00:00:00Z",
        "ends_at": "2030-01-01T00:00:00Z",
        "countries": ["CA"],
        "languages": [],
        "platforms": ["web"],
        "placements": ["chat"],
        "frequency_cap": 3,
        "frequency_window_seconds": 3_600,
        "required_fields": ["country"],
    }
    response = owner.make("campaigns", given)
    made = response.json()
    assert response.status_code == 201
    assert {name: made[name] for name in given} == given
    assert (made["status"], made["spent"], made["held"]) == ("draft", 0.0, 0.0)
    path = f"campaigns/{made['campaign_id']}"
    assert owner.look(path).json() == made
    error_of(owner.change(path, {"status": "paused"}), 409, "illegal_move")
    for status in ("running", "paused", "running", "ended"):
        assert owner.change(path, {"status": status}).json()["status"] == status
    error_of(owner.change(path, {"status": "running", "bid_cents": 5}), 409, "illegal_move")
    assert Campaign.objects.get().bid_cents == 600  # both or neither
    changed = owner.change(
        path, {"bid_cents": 700, "countries": [], "frequency_cap": None, "ends_at": None}
    ).json()
    assert changed == made | {
        "status": "ended", "bid_cents": 700, "countries": [], "frequency_cap": None, "ends_at": None,
    }  # fmt: skip


WRONG_CAMPAIGNS = [
    ({"name": ""}, "name"),
    ({"name": 5}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"bid_cents": 0}, "bid_cents"),
    ({"bid_cents": 1_000_001}, "bid_cents"),
    ({"bid_cents": 0.5}, "bid_cents"),
    ({"bid_cents": "50"}, "bid_cents"),
    ({"bid_cents": None}, "bid_cents"),
    ({"total_budget_cents": -1}, "total_budget_cents"),
    ({"daily_budget_cents": 10**13}, "daily_budget_cents"),
    ({"starts_at": "soon"}, "starts_at"),
    ({"starts_at": 5}, "starts_at"),
    ({"starts_at": "2026-05-02T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z"}, "ends_at"),
    ({"countries": "CA"}, "countries"),
    ({"countries": ["x" * 65]}, "countries.0"),
    ({"languages": [5]}, "languages.0"),
    ({"frequency_cap": 0}, "frequency_cap"),
    ({"frequency_window_seconds": 59}, "frequency_window_seconds"),
    ({"frequency_window_seconds": None}, "frequency_window_seconds"),
    ({"required_fields": ["x"] * 21}, "required_fields"),
]


@pytest.mark.parametrize("wrong, field", WRONG_CAMPAIGNS, ids=str)
def test_what_a_campaign_cannot_be(owner, wrong, field):
    campaign = CampaignFactory(advertiser=owner.advertiser)
    for response in (
        owner.make("campaigns", SPRING | wrong),
        owner.change(f"campaigns/{campaign.pk}", wrong),
    ):
        assert field in error_of(response, 400, "invalid_field")["details"]
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize("status", ["draft", "stopped", None, 5], ids=str)
def test_what_a_campaign_cannot_become(owner, status):
    campaign = CampaignFactory(advertiser=owner.advertiser)
    response = owner.change(f"campaigns/{campaign.pk}", {"status": status})
    assert "status" in error_of(response, 400, "invalid_field")["details"]


def test_pricing_is_for_good(owner):
    error_of(owner.make("campaigns", SPRING | {"pricing": "cpa"}), 400, "invalid_field")
    campaign = CampaignFactory(advertiser=owner.advertiser)
    assert owner.change(f"campaigns/{campaign.pk}", {"pricing": "cpm"}).json()["pricing"] == "cpc"


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "spring-1"}], ids=["by content", "by key"])
def test_a_repeated_request_makes_one_campaign(owner, headers):
    first = owner.make("campaigns", SPRING, headers=headers).json()
    body = error_of(owner.make("campaigns", SPRING, headers=headers), 409, "duplicate_campaign")
    assert body["details"] == first
    other = owner.make("campaigns", SPRING | {"bid_cents": 60}, headers=headers)
    if headers:
        error_of(other, 409, "idempotency_mismatch")
    else:
        assert other.status_code == 201
    assert AdvertiserClient(AdvertiserFactory()).make("campaigns", SPRING, headers=headers).status_code == 201
    error_of(owner.make("campaigns", SPRING, headers={"Idempotency-Key": "x" * 151}), 400, "invalid_field")


def test_what_could_not_be_made_can_be_tried_again(owner):
    wrong = SPRING | {"starts_at": "2026-05-02T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z"}
    headers = {"Idempotency-Key": "spring-1"}
    error_of(owner.make("campaigns", wrong, headers=headers), 400, "invalid_field")
    assert owner.make("campaigns", SPRING, headers=headers).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_one_request_three_times_at_once_makes_one_campaign():
    owner = AdvertiserClient(AdvertiserFactory())

    def make(_):
        try:
            return owner.make("campaigns", SPRING).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(make, range(3))) == [201, 409, 409]
    assert Campaign.objects.count() == 1


def test_lists_have_pages_and_a_constant_number_of_statements(owner):
    moments = [NOW, NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)]
    campaigns = [CampaignFactory(advertiser=owner.advertiser, created_at=moment) for moment in moments]
    CampaignFactory()
    for campaign in campaigns:
        AdUnitFactory(campaign=campaign)
    names, before = [], None
    while True:
        page = owner.look("campaigns", {"limit": 3} | ({"before": before} if before else {})).json()
        names += [campaign["campaign_id"] for campaign in page["campaigns"]]
        if not (before := page["next"]):
            break
    assert len(names) == 4
    assert set(names) == {str(campaign.pk) for campaign in campaigns}
    assert names[0] == str(campaigns[3].pk)
    for path, wrong in (
        ("campaigns", {"limit": 0}),
        ("campaigns", {"limit": "x"}),
        ("campaigns", {"before": uuid4()}),
    ):
        error_of(owner.look(path, wrong), 400, "invalid_field")

    def statements(limit):
        with CaptureQueriesContext(connection) as queries:
            owner.look("campaigns", {"limit": limit})
        return len(queries)

    assert statements(1) == statements(4)


# --- units


@pytest.fixture
def campaign(owner) -> Campaign:
    return CampaignFactory(advertiser=owner.advertiser)


def test_a_unit_goes_through_review(owner, campaign, live):
    draft = owner.make(f"campaigns/{campaign.pk}/units", TEXTS).json()
    path = f"units/{draft['unit_id']}"
    assert (draft["review"], draft["quality"], draft["ad_type"]) == ("draft", 0.5, "static_offer")
    assert owner.look(path).json() == draft
    assert owner.look(f"campaigns/{campaign.pk}/units").json() == {"units": [draft], "next": None}
    assert live.post("decide", TAX).json()["status"] == "no_fill"
    assert owner.make(f"{path}/submit").json()["review"] == "pending_review"
    assert owner.make(f"{path}/submit").json()["review"] == "pending_review"
    units.reject(AdUnit.objects.get(), reason="Says nothing.", now=NOW)
    rejected = owner.look(path).json()
    assert (rejected["review"], rejected["review_reason"]) == ("rejected", "Says nothing.")
    assert owner.change(path, {"body": "Files your taxes in minutes."}).json()["review"] == "pending_review"
    approve(draft["unit_id"])
    assert len(live.post("decide", TAX).json()["units"]) == 1
    assert owner.change(path, {"is_paused": True}).json()["review"] == "approved"
    assert live.post("decide", TAX).json()["status"] == "no_fill"
    assert owner.change(path, {"is_paused": False}).json()["is_paused"] is False
    assert owner.change(path, {"intents": ["file taxes"]}).json()["review"] == "approved"


@pytest.mark.parametrize(
    "change",
    [{"title": "Other"}, {"body": "Other."}, {"cta": "Go"}, {"landing_url": "https://other.example/"}],
    ids=lambda change: next(iter(change)),
)
def test_every_edit_of_words_or_address_goes_back_to_review(owner, campaign, live, change):
    unit = AdUnitFactory(campaign=campaign, **TEXTS)
    assert owner.change(f"units/{unit.pk}", change).json()["review"] == "pending_review"
    assert live.post("decide", TAX).json()["status"] == "no_fill"


WRONG_UNITS = [
    ({"title": " "}, "title"),
    ({"title": "x" * 101}, "title"),
    ({"body": 5}, "body"),
    ({"cta": ""}, "cta"),
    ({"landing_url": "http://cloudtax.ca"}, "landing_url"),
    ({"landing_url": "https://127.0.0.1/"}, "landing_url"),
    ({"landing_url": "https://user@cloudtax.ca/"}, "landing_url"),
    ({"service_endpoint": "https://localhost/run"}, "service_endpoint"),
    ({"intents": ["x"] * 21}, "intents"),
    ({"intents": "file taxes"}, "intents"),
    ({"categories": ["nonsense"]}, "categories"),
]


@pytest.mark.parametrize("wrong, field", WRONG_UNITS, ids=str)
def test_what_a_unit_cannot_be(owner, campaign, wrong, field):
    unit = AdUnitFactory(campaign=campaign, **TEXTS)
    for response in (
        owner.make(f"campaigns/{campaign.pk}/units", TEXTS | wrong),
        owner.change(f"units/{unit.pk}", wrong),
    ):
        assert field in error_of(response, 400, "invalid_field")["details"]
    unit.refresh_from_db()
    assert (unit.title, unit.review, AdUnit.objects.count()) == ("CloudTax", "approved", 1)


@pytest.mark.parametrize(
    "pricing, unit, is_right",
    [
        ("success", {"ad_type": "service", "service_endpoint": "https://api.cloudtax.ca/run"}, True),
        ("success", {"ad_type": "service"}, False),
        ("success", {}, False),
        ("cpc", {"ad_type": "service", "service_endpoint": "https://api.cloudtax.ca/run"}, False),
        ("session", {"ad_type": "dynamic_capability"}, True),
        ("session", {}, False),
        ("cpc", {"ad_type": "banner"}, False),
    ],
    ids=str,
)
def test_pricing_and_kind_of_unit_belong_together(owner, pricing, unit, is_right):
    campaign = CampaignFactory(advertiser=owner.advertiser, pricing=pricing)
    response = owner.make(f"campaigns/{campaign.pk}/units", TEXTS | unit)
    if is_right:
        assert response.status_code == 201
    else:
        error_of(response, 400, "invalid_field")


def test_a_repeated_request_makes_one_unit(owner, campaign):
    path = f"campaigns/{campaign.pk}/units"
    first = owner.make(path, TEXTS).json()
    assert error_of(owner.make(path, TEXTS), 409, "duplicate_unit")["details"] == first
    other = CampaignFactory(advertiser=owner.advertiser)
    assert owner.make(f"campaigns/{other.pk}/units", TEXTS).status_code == 201


def test_the_campaign_that_an_advertiser_makes_is_shown_and_paid(owner, live):
    campaign = owner.running(total_budget_cents=500)
    click(decide(live))
    shown = owner.look(f"campaigns/{campaign.pk}").json()
    assert (shown["spent"], shown["held"]) == (0.05, 0.0)
    assert (
        owner.change(f"campaigns/{campaign.pk}", {"total_budget_cents": 3}).json()["total_budget_cents"] == 3
    )
    assert CampaignBudget.objects.get().cap_micros == 50_000  # what is spent stays allowed, and nothing more
    assert live.post("decide", TAX).json()["reason"] == "budget"
    assert_books_are_right()


def test_test_advertisers_are_shown_to_test_keys(live, test):
    owner = AdvertiserClient(AdvertiserFactory(environment="test", paid_in=0))
    assert owner.key.startswith("av_test_")
    campaign = owner.running()
    assert live.post("decide", TAX).json()["status"] == "no_fill"
    click(decide(test))
    assert owner.look(f"campaigns/{campaign.pk}").json()["spent"] == 0.05
    wallet = owner.look("wallet").json()
    assert (wallet["paid_in"], wallet["balance"], wallet["spent"]) == (10_000.0, 9_999.95, 0.05)


# --- the wallet


def test_the_statement_shows_every_movement(owner, live):
    owner.running()
    for _ in range(2):
        click(decide(live))
    wallets.top_up(advertiser_id=owner.advertiser.pk, amount_micros=DOLLAR, reference="invoice 7", now=NOW)
    body = owner.look("wallet").json()
    assert {name: body[name] for name in ("currency", "balance", "held", "available", "paid_in", "spent")} == {
        "currency": "USD", "balance": 1_000.9, "held": 0.0, "available": 1_000.9, "paid_in": 1_001.0, "spent": 0.1,
    }  # fmt: skip
    kinds = [(entry["kind"], entry["amount"]) for entry in body["entries"]]
    assert kinds == [("top_up", 1.0), ("click", -0.05), ("click", -0.05), ("top_up", 1_000.0)]
    first = owner.look("wallet", {"limit": 3}).json()
    second = owner.look("wallet", {"limit": 3, "before": first["next"]}).json()
    assert first["entries"] + second["entries"] == body["entries"]
    assert second["next"] is None
    for wrong in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"before": "x"}, {"before": -1}):
        error_of(owner.look("wallet", wrong), 400, "invalid_field")


def test_what_is_held_cannot_be_spent_otherwise(owner, live):
    owner.running(
        {"ad_type": "service", "service_endpoint": "https://api.cloudtax.ca/run"},
        pricing="success",
        bid_cents=80,
    )
    decide(live)
    body = owner.look("wallet").json()
    assert (body["paid_in"], body["balance"], body["held"], body["available"]) == (
        1_000.0,
        999.95,
        0.05,
        999.95,
    )
    assert [entry["kind"] for entry in body["entries"]] == ["escrow", "top_up"]
