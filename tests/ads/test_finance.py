"""`manage.py ads_finance`: what finance does by hand."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from ads import charges, ledger
from ads.models import Payout
from tests.ads.factories import AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import DOLLAR, assert_books_are_right, sale_of
from tests.ads.test_api_events import click, decide, earned, tax_ad

pytestmark = pytest.mark.django_db


def finance(*arguments) -> str:
    out = io.StringIO()
    call_command("ads_finance", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_an_advertiser_is_made_and_pays_in():
    identifier, key = finance("advertiser", "CloudTax", "--time-zone", "America/Toronto").split()
    client = Client(headers={"X-AM-API-Key": key})
    assert client.get("/functions/v1/advertiser").json()["advertiser_id"] == identifier
    finance("top-up", identifier, 5_000, "invoice 7")
    with pytest.raises(CommandError, match="booked before"):
        finance("top-up", identifier, 5_000, "invoice 7")
    wallet = client.get("/functions/v1/advertiser/wallet").json()
    assert (wallet["balance"], [entry["kind"] for entry in wallet["entries"]]) == (50.0, ["top_up"])
    _, test_key = finance("advertiser", "Tryout", "--test").split()
    assert test_key.startswith("av_test_")
    for wrong in (
        ("advertiser", "X", "--time-zone", "Mars/Olympus"),
        ("top-up", AdvertiserFactory(environment="test", paid_in=0).pk, 5, "r"),
        ("top-up", identifier, 0, "r"),
        ("top-up", "00000000-0000-0000-0000-000000000000", 5, "r"),
    ):
        with pytest.raises(CommandError):
            finance(*wrong)
    assert_books_are_right()


def test_what_is_settled_is_paid_out_as_csv(settings):
    campaign, rich, poor = CampaignFactory(), *AgentFactory.create_batch(2)
    long_ago = timezone.now() - timedelta(days=8)
    for agent, amount in ((rich, 50 * DOLLAR + 1), (poor, DOLLAR)):
        charges.take_payment(sale_of(campaign, agent, amount, now=long_ago), now=long_ago)
    lines = list(csv.DictReader(io.StringIO(finance("pay-out"))))
    assert [(line["agent"], line["owner_email"], line["amount_usd"]) for line in lines] == [
        (rich.public_id, rich.owner_email, "35.000000")
    ]
    (line,) = csv.DictReader(io.StringIO(finance("pay-out", "--minimum-cents", 50)))
    assert line["amount_usd"] == "0.700000"
    assert (
        finance("pay-out", "--minimum-cents", 1).count("\n") == 1
    )  # nothing is left but the names of columns
    assert (Payout.objects.count(), ledger.balance(ledger.agent_account(rich.pk))) == (2, 0)
    assert_books_are_right()


def test_traffic_is_taken_back(live):
    tax_ad()
    click(decide(live))
    now = timezone.now()
    span = ((now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat())
    assert earned(live) == 35_000
    assert "2 events" in finance("take-back", *span, "--agent", live.agent.pk, "--note", "one hand")
    assert earned(live) == 0
    for wrong in ((*span, "--note", "x"), ("yesterday", span[1], "--agent", live.agent.pk, "--note", "x")):
        with pytest.raises(CommandError):
            finance("take-back", *wrong)
    assert_books_are_right()
