"""The marketplace's staff in Chromium: reviewing by keyboard, two at once, hostile names, and how the pages hold up."""

import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import Visitor, looks_finished
from tests.processes import ROOT
from tests.stack import Stack, clean_environment

HOSTILE = "<img src=x onerror=alert(1)> \u202eevil\u200b " + "W" * 60
MAKE = f"""
import django, sys
from uuid import UUID
django.setup()
from datetime import timedelta
from django.utils import timezone
from ads import charges, keys, payouts
from ads.core.ids import new_id
from ads.core.tokens import Environment
from ads.models import Rating, ServiceTransaction, Session
from tests.ads.factories import AdUnitFactory, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import DOLLAR, sale_of
now, mark = timezone.now(), sys.argv[1]
if mark == "market":
    hostile = {HOSTILE!r}[:100]
    campaign = CampaignFactory(
        name=hostile, status="paused", advertiser=AdvertiserFactory(name=hostile), total_budget_micros=100 * DOLLAR)
    agent = AgentFactory(name=hostile)
    keys.issue(agent, Environment.LIVE, now=now)
    then = now - timedelta(days=8)
    charges.take_payment(sale_of(campaign, agent, 40 * DOLLAR, now=then), now=then)
    payouts.pay_out(minimum_micros=DOLLAR, now=now)
    AdUnitFactory(
        title=hostile, campaign=campaign, review="pending_review", approved_content={{"title": "Once <b>tame</b>"}})
    unit = AdUnitFactory(title=hostile, campaign=campaign)
    facts = dict(book="live", agent=agent, decision_id=new_id(now), unit_id=unit.pk)
    session = Session.objects.create(
        **facts, id=UUID(int=1), campaign=campaign, required_fields=[hostile], structured_data={{hostile: hostile}},
        started_at=now, expires_at=now)
    session.messages.create(position=1, speaker="user", text=hostile, created_at=now)
    ServiceTransaction.objects.create(
        **facts, id=UUID(int=1), campaign=campaign, advertiser=campaign.advertiser, amount_micros=DOLLAR,
        share_bps=7000, opened_at=now, expires_at=now, metadata={{hostile: hostile}})
    Rating.objects.create(**facts, rating=4, text=hostile, created_at=now)
else:
    for number in range(int(sys.argv[2])):
        AdUnitFactory(
            title=f"{{mark}} {{number}}", review="pending_review", approved_content=None, campaign__status="paused",
            changed_at=now - timedelta(days=300 - number))
"""
PAGES = (
    "unitreview/queue/", "adunit/", "campaign/", "advertiser/", "agent/", "adkey/add/", "payoutbatch/earnings/",
    "payoutbatch/", "trafficreversal/add/", "featureswitch/", "ledgercheck/", "account/", "session/",
    "servicetransaction/", "rating/", f"session/{UUID(int=1)}/change/", f"servicetransaction/{UUID(int=1)}/change/",
)  # fmt: skip


def make(stack: Stack, *arguments: str) -> None:
    env = clean_environment() | {
        "DATABASE_URL": stack.database_url,
        "DJANGO_SETTINGS_MODULE": "penguin_site.settings",
        "PENGUIN_DATA_DIR": str(stack.directory / "data"),
    }
    subprocess.run([sys.executable, "-c", MAKE, *arguments], cwd=ROOT, env=env, check=True)


def reviews(stack: Stack, mark: str) -> list[str]:
    rows = stack.sql("SELECT review FROM ad_unit WHERE title LIKE %s ORDER BY title", f"{mark} %")
    return [review for (review,) in rows]


def current(page: Page) -> Any:
    return page.locator(".ads-item.is-current h2")


@pytest.fixture
def mark() -> str:
    return f"Offer {uuid4().hex[:8]}"


def test_a_reviewer_needs_one_key_for_each_ad(visitor: Visitor, stack: Stack, mark: str) -> None:
    make(stack, mark, "5")
    page = visitor.page("/admin/ads/unitreview/queue/")
    expect(current(page)).to_have_text(f"{mark} 0")
    page.keyboard.press("a")
    expect(page.get_by_text("1 ad approved.")).to_be_visible()
    expect(current(page)).to_have_text(f"{mark} 1")
    page.keyboard.press("r")
    page.keyboard.type("The claim needs proof.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 ad rejected.")).to_be_visible()
    # Past one, which stays: the next decision is about the one behind it.
    page.keyboard.press("j")
    expect(current(page)).to_have_text(f"{mark} 3")
    page.keyboard.press("a")
    expect(page.get_by_text("1 ad approved.")).to_be_visible()
    assert reviews(stack, mark) == ["approved", "rejected", "pending_review", "approved", "pending_review"]
    # Undone, it stands first again; two are chosen and approved together.
    page.keyboard.press("u")
    expect(current(page)).to_have_text(f"{mark} 3")
    for key in ("x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("[data-count]")).to_have_text("2")
    page.get_by_role("button", name="Approve chosen").click()
    expect(page.get_by_text("2 ads approved.")).to_be_visible()
    assert reviews(stack, mark) == ["approved", "rejected", "approved", "approved", "pending_review"]


def test_of_two_reviewers_the_second_is_told(visitor: Visitor, stack: Stack, mark: str) -> None:
    make(stack, mark, "1")
    ann, bob = (visitor.page("/admin/ads/unitreview/queue/") for _ in range(2))
    for page in (ann, bob):
        expect(current(page)).to_have_text(f"{mark} 0")
    ann.keyboard.press("a")
    expect(ann.get_by_text("1 ad approved.")).to_be_visible()
    bob.keyboard.press("r")
    bob.keyboard.type("No.")
    bob.keyboard.press("Enter")
    expect(bob.get_by_text("has approved this ad already")).to_be_visible()
    assert reviews(stack, mark) == ["approved"]


def test_pages_hold_up_with_names_that_mean_harm(visitor: Visitor, stack: Stack) -> None:
    """Nothing of a name runs (the visitor looks), nothing overflows, and everybody can use the pages."""
    make(stack, "market")
    page = visitor.page()
    for place in PAGES:
        response = page.goto(f"{stack.webs[0].http}/admin/ads/{place}")
        assert response is not None and response.ok, place
        expect(page.locator("#content")).to_be_visible()
        looks_finished(page, is_admin=True)
