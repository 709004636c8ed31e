"""Everything that can happen in the marketplace, in any order: the invariants hold after every step.

Live and test keys, all four pricings, budgets that run out, replays, late reports, services, sessions, feedback and its
bonuses, confirmed conversions, invalid traffic, payouts, days that are added up, and a clock that only goes forward.

The suite goes eight ways through it, always the same. `MARKETPLACE_EXAMPLES=300 .venv/bin/python -m pytest
tests/ads/test_whatever_happens.py` goes as many others, a second or two each, and makes a failure small.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ads import (
    campaigns,
    conversions,
    decisions,
    invalid_traffic,
    payouts,
    rollups,
    settlements,
    snapshot,
    wallets,
)
from ads.ad_tokens import read_tracking
from ads.core.books import LIVE
from ads.core.tokens import Environment
from ads.models import AdEvent, Agent, Campaign, Conversion, Posting
from penguin_site.errors import DomainError
from tests.ads.conftest import AdsClient
from tests.ads.factories import AdUnitFactory, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import CENT, DOLLAR, assert_books_are_right
from tests.ads.test_api_decide import TAX

BEGIN = datetime(2026, 3, 27, 22, 0, tzinfo=UTC)  # near a month's end, and a change of the clocks in Europe
TYPES = {"success": "service", "session": "dynamic_capability"}
EVENTS = ("impression", "click", "conversion", "dismiss", "report", "ad_shown")
EXAMPLES = int(os.environ.get("MARKETPLACE_EXAMPLES", "0"))
picks = st.integers(0, 1_000)


def marketplace() -> tuple[list[Campaign], list[Agent]]:
    """Six campaigns of three advertisers that compete for one question; two of them are test advertisers' own."""
    zones = ("Europe/Berlin", "America/New_York", "UTC")
    live = [AdvertiserFactory(paid_in=5, time_zone=zone) for zone in zones]
    test = [AdvertiserFactory(paid_in=0, environment="test", time_zone=zone) for zone in zones]
    made = []
    for number, pricing in enumerate(("cpc", "cpm", "success", "session", "cpc", "cpm")):
        for side in (live, test):
            campaign = CampaignFactory(
                advertiser=side[number % 3] if number < 3 else AdvertiserFactory(
                    paid_in=2 if side is live else 0, environment="live" if side is live else "test"
                ),
                pricing=pricing,
                bid_cents=900 if pricing == "cpm" else 60 + number,
                total_budget_micros=3 * DOLLAR,
                daily_budget_micros=DOLLAR,
                required_fields=["country"],
                created_at=BEGIN,
            )  # fmt: skip
            kind = TYPES.get(pricing, "static_offer")
            AdUnitFactory(
                campaign=campaign,
                ad_type=kind,
                service_endpoint="https://api.example.com/run" if kind == "service" else "",
                title="CloudTax",
                example_queries=["I need a tax accountant"],
                created_at=BEGIN,
            )
            made.append(campaign)
    return made, AgentFactory.create_batch(2)


class Marketplace(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()  # each example starts with an empty marketplace
        self.world.__enter__()
        # The inventory's version began anew with the example, and would be taken for the one before it.
        snapshot.forget()
        self.now = BEGIN
        self.clock = patch("django.utils.timezone.now", lambda: self.now)
        self.clock.start()
        self.patience = patch.object(decisions, "LONGEST_WAIT_SECONDS", 60.0)  # on a busy machine too
        self.patience.start()
        self.campaigns, agents_ = marketplace()
        self.clients = [AdsClient(agent, environment) for agent in agents_ for environment in Environment]
        self.shown: list[tuple[AdsClient, dict]] = []
        self.sent: list[tuple[AdsClient, str, dict]] = []
        self.sessions: list[tuple[AdsClient, str]] = []
        self.numbers = count()

    def teardown(self) -> None:
        self.clock.stop()
        self.patience.stop()
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    @initialize()
    def begin(self):
        for client in range(4):
            self.decide(client=client, results=6, is_named=True)
        assert len({client for client, _ in self.shown}) == 4
        for _, unit in self.shown[::2]:
            self.follow(unit, "Mozilla/5.0")

    def one(self, pick: int, rows: list) -> Any:
        """Small numbers are drawn most: the counter spreads them over all that there is."""
        return rows[(pick + 7 * next(self.numbers)) % len(rows)]

    def send(self, client: AdsClient, path: str, body: dict):
        self.sent.append((client, path, body))
        response = client.post(path, body)
        assert response.status_code < 500, response.content
        return response

    # --- advertisers

    @rule(pick=picks, cents=st.integers(1, 300))
    def top_up(self, pick, cents):
        advertiser = self.one(pick, self.campaigns).advertiser
        if advertiser.environment == Environment.LIVE:
            wallets.top_up(
                advertiser_id=advertiser.pk,
                amount_micros=cents * CENT,
                reference=f"payment {next(self.numbers)}",
                now=self.now,
            )

    @rule(pick=picks, bid_cents=st.integers(5, 120))
    def create(self, pick, bid_cents):
        advertiser = self.one(pick, self.campaigns).advertiser
        campaign = campaigns.create(
            advertiser, pricing="cpc", now=self.now, name=f"new {next(self.numbers)}", bid_cents=bid_cents
        )
        campaigns.move(campaign, "running")
        AdUnitFactory(campaign=campaign, title="CloudTax", example_queries=["I need a tax accountant"])
        self.campaigns.append(campaign)

    @rule(pick=picks, status=st.sampled_from(["paused", "running"]))
    def pause(self, pick, status):
        campaigns.move(self.one(pick, self.campaigns), status)

    @rule(pick=picks, total=st.none() | st.integers(0, 300), daily=st.none() | st.integers(0, 100))
    def limit(self, pick, total, daily):
        campaigns.change(
            self.one(pick, self.campaigns),
            total_budget_micros=None if total is None else total * CENT,
            daily_budget_micros=None if daily is None else daily * CENT,
        )

    # --- agents

    @rule(client=st.integers(0, 3), results=st.integers(1, 6), is_named=st.booleans())
    def decide(self, client, results, is_named):
        client = self.clients[client]
        body = TAX | {"max_results": results}
        if is_named:
            body["request_id"] = f"r{next(self.numbers)}"
        for unit in self.send(client, "decide", body).json()["units"]:
            self.shown.append((client, unit))

    @precondition(lambda self: self.shown)
    @rule(pick=picks, user_agent=st.sampled_from(["Mozilla/5.0", "Mozilla/5.0", "Googlebot"]))
    def click(self, pick, user_agent):
        self.follow(self.one(pick, self.shown)[1], user_agent)

    @precondition(lambda self: self.shown)
    @rule(pick=picks, kind=st.sampled_from(EVENTS))
    def event(self, pick, kind):
        client, unit = self.one(pick, self.shown)
        body = {
            "event_id": f"evt_{next(self.numbers)}",
            "occurred_at": self.now.isoformat(),
            "agent_id": client.agent.public_id,
            "event_type": kind,
            "tracking_token": unit["tracking_token"],
        }
        self.send(client, "event", body)

    @precondition(lambda self: self.shown)
    @rule(pick=picks, reaction=st.sampled_from(["positive", "negative", "neutral"]))
    def feedback(self, pick, reaction):
        client, unit = self.one(pick, self.shown)
        self.send(client, "feedback", {"tracking_token": unit["tracking_token"], "reaction": reaction})

    @rule(pick=picks, success=st.booleans())
    def service(self, pick, success):
        services = [each for each in self.shown if "transaction_id" in each[1]]
        if services:
            client, unit = self.one(pick, services)
            body = {"transaction_id": unit["transaction_id"], "success": success}
            self.send(client, "service-result", body)

    @rule(pick=picks)
    def start_session(self, pick):
        rooms = [each for each in self.shown if each[1]["ad_type"] == "dynamic_capability"]
        if rooms:
            client, unit = self.one(pick, rooms)
            response = self.send(client, "api-v1/session/start", {"capability_id": unit["tracking_token"]})
            if "session_id" in response.json():
                self.sessions.append((client, response.json()["session_id"]))

    @rule(pick=picks, what=st.sampled_from(["message", "end", "feedback"]))
    def go_on_with_session(self, pick, what):
        if self.sessions:
            client, session_id = self.one(pick, self.sessions)
            body = {
                "message": {"message": "Canada"},
                "end": {},
                "feedback": {"feedback_text": "That was great, thank you!"},
            }[what]
            path = "api-v1/feedback" if what == "feedback" else f"api-v1/session/{what}"
            self.send(client, path, {"session_id": session_id} | body)

    # --- once more

    @rule()
    def replay(self):
        """I15: all that was sent, sent again, moves no money and bills nothing."""
        before = self.state()
        for client, path, body in list(self.sent):
            if path in ("event", "feedback", "service-result") or "request_id" in body:
                assert client.post(path, body).status_code < 500
        for _, unit in self.shown:
            facts = read_tracking(unit["tracking_token"])
            if AdEvent.objects.filter(
                kind="click", is_billed=True, decision_id=facts.decision_id, unit_id=facts.unit_id
            ).exists():
                self.follow(unit, "Mozilla/5.0")
        assert self.state() == before

    def follow(self, unit: dict, user_agent: str) -> None:
        path = unit["click_url"].removeprefix("http://testserver")
        assert Client(headers={"User-Agent": user_agent}).get(path).status_code == 302

    def state(self):
        return (
            # A test book's copy of a wallet is filled when somebody looks into it first, a replay for instance.
            sorted(Posting.objects.exclude(transaction__kind="top_up").values_list("id", "amount_micros")),
            AdEvent.objects.filter(is_billed=True).count(),
        )

    # --- the house

    @precondition(lambda self: self.shown)
    @rule(pick=picks)
    def confirm_conversion(self, pick):
        unit = self.one(pick, self.shown)[1]
        facts = read_tracking(unit["tracking_token"])
        with suppress(DomainError):  # a week has passed
            conversions.confirm(
                advertiser_id=UUID(unit["advertiser_id"]),
                decision_id=UUID(facts.decision_id),
                unit_id=UUID(facts.unit_id),
                source=Conversion.Source.API,
                now=self.now,
            )

    @rule(pick=picks)
    def reverse(self, pick):
        events = list(AdEvent.objects.filter(book=LIVE, decision_id__isnull=False).order_by("id"))
        if events:
            event = self.one(pick, events)
            invalid_traffic.mark([event], rule=invalid_traffic.Rule.STAFF, note="", now=self.now)

    @rule(minimum=st.sampled_from([1, DOLLAR // 10]))
    def pay_out(self, minimum):
        payouts.pay_out(minimum_micros=minimum, now=self.now)

    @rule()
    def add_up(self):
        rollups.roll_up_due(now=self.now)

    @rule()
    def expire_and_resolve(self):
        settlements.settle_all(now=self.now)

    @rule(hours=st.sampled_from([1, 2, 23, 25, 24 * 8]))
    def wait(self, hours):
        self.now += timedelta(hours=hours)

    @rule(agent=st.integers(0, 1), hours=st.sampled_from([1, 25, 24 * 8]))
    def move_test_clock(self, agent, hours):
        client = self.clients[2 * agent + 1]
        assert client.post("test/clock", {"advance_seconds": hours * 3_600}).status_code == 200

    # --- what holds

    @invariant()
    def everything_adds_up(self):
        connection.check_constraints()
        assert_books_are_right()


@pytest.mark.django_db
def test_money_adds_up_in_the_whole_marketplace():
    run_state_machine_as_test(
        Marketplace,
        settings=settings(
            max_examples=EXAMPLES or 8,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not EXAMPLES,
            # A failure of the suite is told at once: to make it small would take minutes.
            phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
        ),
    )
