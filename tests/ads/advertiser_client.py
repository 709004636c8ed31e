"""A client of one advertiser, and campaigns as its API makes them."""

from uuid import UUID

from django.test import Client
from django.utils import timezone

from ads import keys, units
from ads.core.tokens import Environment
from ads.models import AdUnit, Advertiser, Campaign

TEXTS = {
    "title": "CloudTax",
    "body": "Files your taxes.",
    "cta": "Start Free",
    "landing_url": "https://cloudtax.ca/",
    "example_queries": ["I need a tax accountant"],
}


class AdvertiserClient(Client):
    """Sends and reads JSON under `/functions/v1/advertiser`."""

    def __init__(self, advertiser: Advertiser) -> None:
        _, self.key = keys.issue(advertiser, Environment(advertiser.environment), now=timezone.now())
        self.advertiser = advertiser
        super().__init__(headers={"X-AM-API-Key": self.key})

    def look(self, path: str = "", query: dict | None = None):
        return self.get(address(path), query or {})

    def make(self, path: str, data: dict | None = None, **others):
        return self.post(address(path), data or {}, content_type="application/json", **others)

    def change(self, path: str, data: dict):
        return self.patch(address(path), data, content_type="application/json")

    def running(self, unit: dict | None = None, **campaign) -> Campaign:
        """A running campaign with one approved unit, made as an advertiser makes it."""
        made = self.make("campaigns", {"name": "Taxes", "bid_cents": 50} | campaign)
        assert made.status_code == 201, made.content
        campaign_id = made.json()["campaign_id"]
        drafted = self.make(f"campaigns/{campaign_id}/units", TEXTS | (unit or {}))
        assert drafted.status_code == 201, drafted.content
        unit_id = drafted.json()["unit_id"]
        assert self.make(f"units/{unit_id}/submit").json()["review"] == "pending_review"
        approve(unit_id)
        assert self.change(f"campaigns/{campaign_id}", {"status": "running"}).json()["status"] == "running"
        return Campaign.objects.get(pk=campaign_id)


def approve(unit_id: str | UUID) -> None:
    """As a reviewer does in the admin."""
    units.approve(AdUnit.objects.get(pk=unit_id), now=timezone.now())


def address(path: str) -> str:
    return f"/functions/v1/advertiser/{path}".rstrip("/")
