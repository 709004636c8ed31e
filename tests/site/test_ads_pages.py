"""The developer page: agents are seen by whoever has shown a key, and for everybody else they are not there."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from ads import agents, clicks, features, keys, snapshot
from ads.core.tokens import Environment
from ads.models import AdKey, Agent, Decision, FeatureSwitch
from penguin_site import agent_links, embeddings
from penguin_site.core.rate_limits import parse_limits
from penguin_site.errors import NotFound
from penguin_site.models import AgentLink, AuditEntry
from tests.ads.conftest import embed_once
from tests.ads.factories import AdUnitFactory, AgentFactory
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_marketplace(monkeypatch) -> None:
    features.forget()
    snapshot.forget()
    monkeypatch.setattr(snapshot, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "INLINE_SECONDS", 3600.0)
    monkeypatch.setattr(embeddings, "embed", embed_once)


def browser_of(user) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


@pytest.fixture
def agent() -> Agent:
    return AgentFactory(name="Helper <i>\u202eof")


def key_text(agent, environment=Environment.TEST) -> str:
    return keys.issue(agent, environment, now=timezone.now())[1]


def send(browser: Client, address: str, **fields):
    page = browser.get("/ads").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    return browser.post(address, {**fields, "csrfmiddlewaretoken": token})


def link(browser: Client, agent: Agent, environment=Environment.TEST) -> str:
    """The address of the agent's page, now that its key was pasted."""
    address = f"/ads/agents/{agent.pk}"
    response = send(browser, "/ads/link", key=f" {key_text(agent, environment)}\n")
    assert (response.status_code, response.headers.get("Location")) == (302, address)
    return address


def test_an_agent_is_seen_with_its_key_and_by_nobody_else(browser, person, agent):
    address, other = f"/ads/agents/{agent.pk}", browser_of(UserFactory(email=agent.owner_email))
    assert browser.get(address).status_code == 404
    link(browser, agent)
    page = browser.get(address).content.decode()
    assert "Helper &lt;i&gt;of" in page and "\u202e" not in page
    assert "Helper" in browser.get("/ads").content.decode()
    # An e-mail address proves nothing; and whatever is not one's own is not there, by any way.
    assert "Helper" not in other.get("/ads").content.decode()
    key = AgentLink.objects.get().key_id
    for unknown in (address, f"/ads/agents/{uuid4()}"):
        assert other.get(unknown).status_code == 404
        for rest in ("/console", "/unlink", f"/keys/{key}/replace", f"/keys/{key}/revoke"):
            assert send(other, unknown + rest, context="hello", max_results=1).status_code == 404
    assert AdKey.objects.get(pk=key).revoked_at is None
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object) == (
        person.username,
        "agent.linked",
        f"ads.agent:{agent.pk}",
    )


def test_only_good_developer_keys_link(browser, agent):
    now = timezone.now()
    revoked, expired = (keys.issue(agent, Environment.TEST, now=now) for _ in range(2))
    keys.revoke(revoked[0], now=now)
    AdKey.objects.filter(pk=expired[0].pk).update(expires_at=now)
    advertisers = keys.issue(AdUnitFactory().campaign.advertiser, Environment.LIVE, now=now)[1]
    for text in (revoked[1], expired[1], advertisers, "am_test_" + "x" * 49, "nonsense", "é\u202e", ""):
        response = send(browser, "/ads/link", key=text)
        assert response.status_code == 400
        assert text not in response.content.decode() or len(text) < 3
    assert not AgentLink.objects.exists()


def test_a_link_opens_its_environment_and_ends_with_its_key(browser, person, agent):
    address = link(browser, agent)
    assert "book=live" not in browser.get(address).content.decode()
    assert "test book" in browser.get(address + "?book=live").content.decode()
    link(browser, agent, Environment.LIVE)
    assert "Of it payable" in browser.get(address + "?book=live&days=7").content.decode()
    for wrong in ("?book=x&days=9999", "?days=-1", "?days=1e9"):
        assert browser.get(address + wrong).status_code == 200
    for key in AdKey.objects.all():
        keys.revoke(key, now=timezone.now())
    assert browser.get(address).status_code == 404
    assert "Helper" not in browser.get("/ads").content.decode()


def test_keys_are_replaced_and_revoked_by_those_who_have_shown_them(browser, person, agent):
    foreign = keys.issue(agent, Environment.TEST, now=timezone.now())[0]
    address = link(browser, agent)
    mine = AgentLink.objects.get().key
    listed = browser.get(address).content.decode()
    assert foreign.prefix in listed and mine.prefix in listed
    for what in ("replace", "revoke"):
        assert f"/keys/{foreign.pk}/{what}" not in listed
        assert send(browser, f"{address}/keys/{foreign.pk}/{what}").status_code == 404
    replaced = send(browser, f"{address}/keys/{mine.pk}/replace")
    text = re.search(r"am_test_\w{49}", replaced.content.decode())[0]
    assert text not in browser.get(address).content.decode()
    assert keys.find(text, keys.KeyHolder.AGENT, now=timezone.now())
    assert send(browser, f"{address}/keys/{mine.pk}/replace").status_code == 409
    # The new key keeps the link when the old one has ended.
    assert browser.get(address).status_code == 200
    assert send(browser, f"{address}/keys/{mine.pk}/revoke").status_code == 302
    new = AgentLink.objects.order_by("-id").first().key
    assert browser.get(address).status_code == 200
    assert send(browser, f"{address}/keys/{new.pk}/revoke").headers["Location"] == "/ads"
    assert browser.get(address).status_code == 404
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["agent.linked", "agent_key.replaced", "agent_key.revoked", "agent_key.revoked"]


def test_a_key_that_is_gone_meanwhile_is_a_conflict(person, agent):
    now = timezone.now()
    agent_links.link(user=person, key_text=key_text(agent), now=now)
    linked = agent_links.find(person, agent.pk, now=now)
    key = linked.shown_keys[0]
    agent_links.revoke_key(user=person, linked=linked, key_id=key.pk, now=now)
    with pytest.raises(keys.KeyNotActive):
        agent_links.revoke_key(user=person, linked=linked, key_id=key.pk, now=now)
    with pytest.raises(keys.KeyNotActive):
        agent_links.replace_key(user=person, linked=linked, key_id=key.pk, now=now)
    with pytest.raises(NotFound):
        agent_links.find(person, agent.pk, now=now)


def test_an_agent_is_registered_and_unlinked(browser, person, settings):
    made = send(browser, "/ads/register", name=" My bot ", owner_email="dev@example.com")
    assert made.status_code == 200
    text = made.content.decode()
    assert re.search(r"am_test_\w{49}", text) and re.search(r"am_live_\w{49}", text)
    agent = Agent.objects.get(name="My bot")
    assert agent.status == Agent.Status.PENDING_REVIEW
    address = f"/ads/agents/{agent.pk}"
    assert "waits for review" in browser.get(address).content.decode()
    again = send(browser, "/ads/register", name="my BOT", owner_email="dev@example.com")
    assert again.status_code == 409 and "exists already" in again.content.decode()
    assert send(browser, "/ads/register", name="x", owner_email="nobody").status_code == 400
    assert send(browser, f"{address}/unlink").headers["Location"] == "/ads"
    assert browser.get(address).status_code == 404
    assert not agent.keys.exclude(revoked_at=None).exists()
    FeatureSwitch.objects.create(feature="sign_up", is_on=False)
    features.forget()
    assert send(browser, "/ads/register", name="y", owner_email="a@b.example").status_code == 503
    FeatureSwitch.objects.all().delete()
    features.forget()
    settings.PENGUIN_RATE_LIMITS = parse_limits("signup=1/min")
    answers = [send(browser, "/ads/register", name=f"z{n}", owner_email="a@b.example") for n in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


def test_the_console_decides_in_the_test_book_and_the_figures_show_it(browser, agent):
    AdUnitFactory(
        title="<script>alert(1)</script> tax\u202e", campaign__advertiser__environment="test",
        example_queries=["I need a tax accountant"],
    )  # fmt: skip
    address = link(browser, agent)
    asked = {"context": "I need a tax accountant", "max_results": "3", "placement_id": "side"}
    answer = send(browser, f"{address}/console", **asked)
    text = answer.content.decode()
    assert answer.status_code == 200, text
    assert "<script>" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; tax" in text
    assert "Sponsored" in text and "&quot;status&quot;: &quot;fill&quot;" in text
    decision = Decision.objects.get()
    assert decision.book == agents.test_book(agent)
    token = re.search(r"track-click/([\w.-]+)", text)[1]
    clicks.follow(token, automatic="", now=timezone.now())
    empty = send(browser, f"{address}/console", context="zzzz", max_results="1")
    assert "No ad has to do with what was said." in empty.content.decode()
    page = browser.get(address + "?days=7").content.decode()
    assert re.search(r"Fill</dt><dd>50.0 %", page)
    assert re.search(r"Clicks</dt><dd>1<", page)
    assert "no_match" in page and "1 shown" in page
    for wrong in (
        {"context": ""},
        {"max_results": "0"},
        {"min_quality_score": "2"},
        {"min_quality_score": "nan"},
    ):
        assert send(browser, f"{address}/console", **(asked | wrong)).status_code == 400
    agents.set_status(agent, Agent.Status.SUSPENDED)
    assert send(browser, f"{address}/console", **asked).status_code == 403
    FeatureSwitch.objects.create(feature="decide", is_on=False)
    features.forget()
    assert send(browser, f"{address}/console", **asked).status_code == 503


def test_a_test_clock_that_was_moved_moves_the_days(browser, agent):
    agents.move_test_clock(agent, timedelta(days=20))
    address = link(browser, agent)
    ahead = timezone.now() + timedelta(days=20)
    assert f"{ahead:%-d %b}" in browser.get(address).content.decode()
