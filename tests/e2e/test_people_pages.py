"""The dashboard, the developer page, sign-in and start page in Chromium: what a person sees and does there."""

import re
import subprocess
import sys
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Visitor, login_link, looks_finished
from tests.e2e.tool_runs import call, new_session, say
from tests.processes import ROOT, eventually
from tests.stack import Stack

HOSTILE = "<img src=x onerror=alert(1)>\u202egpj.exe\u200b" + "W" * 60


MAKE_AD = """
import django
django.setup()
from tests.ads.factories import AdUnitFactory
AdUnitFactory(title="Walrus tax office", example_queries=["I need a walrus to do my taxes"],
              campaign__advertiser__environment="test")
"""


@pytest.fixture
def market(stack: Stack) -> Stack:
    """The stack with an ad that test keys are shown."""
    environment = stack.environment() | {"DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
    subprocess.run([sys.executable, "-c", MAKE_AD], cwd=ROOT, env=environment, check=True)
    return stack


def test_the_dashboard_shows_what_one_has_and_keys_are_made_and_revoked(
    visitor: Visitor, stack: Stack
) -> None:
    session = new_session()
    say(stack, "Count [[usage input=1200 output=300]]", session_id=session)
    stack.request("PATCH", f"/api/v1/conversations/{session}", {"title": HOSTILE})
    body = {"name": HOSTILE, "description": call("ask_user", 0, question="?"), "budget_tokens": 5000}
    assert stack.request("POST", "/api/v1/tasks/execute", body)[0] == 200
    waiting = "SELECT 1 FROM execution WHERE status = 'waiting' AND budget_tokens = 5000"
    eventually(lambda: stack.sql(waiting), seconds=60)
    # The owner is the same in all files.
    assert stack.request("PATCH", "/api/v1/sponsored", {"enabled": False})[0] == 200
    page = visitor.page("/")
    looks_finished(page)
    page.get_by_role("main").get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("heading", name="Usage by day and model")).to_be_visible()
    expect(page.locator("svg[role=img] rect.series-1").first).to_be_visible()
    expect(page.locator("figcaption")).to_contain_text("openai-chat:scripted")
    page.get_by_text("As a table").click()
    expect(page.get_by_role("table").first).to_contain_text("openai-chat:scripted")
    page.get_by_role("link", name="Cost").click()
    expect(page.get_by_role("link", name="Cost")).to_have_attribute("aria-current", "true")
    shown = "<img src=x onerror=alert(1)>gpj.exeWWW"
    for name in ("Recent conversations", "Recent tasks", "Budgets of tasks under way"):
        expect(page.get_by_role("region", name=name)).to_contain_text(shown)
    expect(page.get_by_role("meter").first).to_be_visible()
    assert page.locator("main img").count() == 0

    # A key, by keyboard alone.
    keys = page.get_by_role("region", name="API keys")
    name = f"{uuid4().hex[:8]}{HOSTILE}"[:100]
    page.get_by_text("Make a key").focus()
    page.keyboard.press("Enter")
    page.get_by_label("What it is for").fill(name)
    page.keyboard.press("Enter")
    secret = page.locator(".secret")
    expect(secret).to_have_text(re.compile(r"^pk_[0-9a-f]{8}_[\w-]{43}$"))
    looks_finished(page)
    text = secret.inner_text()
    page.get_by_role("link", name="I have it").click()
    assert text not in page.content()
    row = keys.get_by_role("row").filter(has_text=name[:8])
    expect(row).to_contain_text("chat, read")
    row.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    # Suggestions are switched on, and off again.
    suggestions = page.get_by_role("region", name="Sponsored suggestions")
    for button, state in (("Switch on", "On"), ("Switch off", "Off")):
        suggestions.get_by_role("button", name=button).click()
        expect(suggestions.locator("strong")).to_have_text(f"{state}.")


def test_a_developer_registers_tries_and_replaces_a_key(visitor: Visitor, market: Stack) -> None:
    page = visitor.page("/ads")
    looks_finished(page)
    page.get_by_label("Developer key").fill("am_test_not_a_key_of_anybody")
    page.get_by_role("button", name="Link it").click()
    expect(page.get_by_role("alert")).to_contain_text("no developer key")
    page.get_by_label("Name of the agent").fill(HOSTILE)
    page.get_by_label("E-mail for payouts").fill(f"{uuid4().hex[:8]}@example.com")
    page.get_by_role("button", name="Register").click()
    secrets = page.locator(".secret")
    expect(secrets).to_have_count(2)
    test_key = secrets.first.inner_text()
    assert test_key.startswith("am_test_")
    page.get_by_role("link", name="I have them").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=alert(1)>gpj.exe")
    expect(page.locator(".head .state")).to_have_text("waits for review")

    # The console answers as the API does. A process that has just begun to load its model may be late once.
    def decided() -> bool:
        page.get_by_label("What the user said").fill("I need a walrus to do my taxes")
        page.get_by_role("button", name="Decide").click()
        expect(page.locator(".outcome")).to_be_visible()
        return page.locator(".outcome .ads li").count() > 0

    eventually(decided, seconds=90)
    expect(page.locator(".outcome .label").first).to_have_text("Sponsored")
    looks_finished(page)
    page.get_by_label("What the user said").fill("qqqq zzzz \u202e <script>alert(1)</script>")
    page.get_by_role("button", name="Decide").click()
    expect(page.locator(".outcome")).to_contain_text("no_match")
    page.goto(page.url.partition("/console")[0])
    expect(page.get_by_role("region", name="Why nothing was shown")).to_contain_text("no_match")
    expect(page.get_by_role("region", name="Last decisions")).to_contain_text("shown")
    expect(page.locator("dt", has_text="Fill").locator("+ dd")).to_contain_text("%")
    looks_finished(page)

    # A new key in the place of the old one; the agent is linked again by pasting it.
    address = page.url
    keys = page.get_by_role("region", name="Keys", exact=True)
    keys.get_by_role("row").filter(has_text=test_key[:16]).get_by_role("button", name="Replace").click()
    expect(page.locator(".secret")).to_have_text(re.compile(r"^am_test_\w+$"))
    new_key = page.locator(".secret").inner_text()
    assert new_key != test_key
    page.goto(address)
    page.get_by_role("button", name="Unlink").click()
    expect(page).to_have_url(re.compile(r"/ads$"))
    page.goto(address)
    expect(page.get_by_role("main")).to_contain_text("shown none of its keys")
    page.goto(f"{market.webs[0].http}/ads")
    page.get_by_label("Developer key").fill(new_key)
    page.get_by_role("button", name="Link it").click()
    expect(page).to_have_url(re.compile(r"/ads/agents/"))
    expect(page.get_by_role("link", name="Live", exact=True)).to_have_count(0)


def test_signing_in_and_out_in_every_colour(stack: Stack, browser: Browser) -> None:
    visitor = Visitor(browser, stack)
    page = visitor.page("/dashboard")
    expect(page).to_have_url(re.compile(r"/login\?next=/dashboard$"))
    looks_finished(page)
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    page.goto(login_link(stack))
    page.goto(f"{stack.webs[0].http}/password")
    looks_finished(page)
    expect(page.get_by_role("main")).to_contain_text("has no password")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/login"))
    page.goto(f"{stack.webs[0].http}/authorize?token=wrong")
    looks_finished(page)
    visitor.context.close()
    assert visitor.wrong == []
