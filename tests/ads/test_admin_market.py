"""Staff looks after the market: agents, keys, campaigns, switches, feedback; decisions and events are there to read."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ads import agents, bonuses, features, feedback, keys, ledger, predictions
from ads.core.tokens import Environment
from ads.models import AdEvent, AdKey, Agent, Bonus, Campaign, CampaignBudget, Conversion, Decision, Feedback
from penguin_site.errors import DomainError
from tests.ads.factories import AdUnitFactory, AdvertiserFactory, AgentFactory, CampaignFactory
from tests.ads.money import CENT, DOLLAR, assert_books_are_right
from tests.ads.staff_client import StaffClient, audited
from tests.ads.test_api_decide import TAX
from tests.ads.test_api_events import click, decide, tax_ad
from tests.ads.test_api_feedback import tell
from tests.ads.test_races import at_once

pytestmark = pytest.mark.django_db
LISTS = (
    "adunit", "unitreview", "campaign", "advertiser", "agent", "adkey", "account", "ledgertransaction", "payoutbatch",
    "invalidmark", "trafficreversal", "feedback", "policyphrase", "blockedcategory", "featureswitch", "ledgercheck",
    "decision", "adevent",
)  # fmt: skip


@pytest.fixture
def root(db) -> StaffClient:
    return StaffClient("root")


def texts(response) -> str:
    assert response.status_code == 200, response
    return response.content.decode()


def test_an_agent_gets_live_access_once(root):
    agent = AgentFactory(status="pending_review", name="New <b>one</b>")
    assert "New &lt;b&gt;one" in texts(root.see("agent_changelist"))
    assert "New &lt;b&gt;one" in texts(root.see("agent_changelist", q="new"))
    assert "New &lt;b&gt;one" not in texts(root.see("agent_changelist", q="other"))
    assert (
        "agent is active now" in root.press("agent_set_status", agent.pk, to="active", note="Known").said[0]
    )
    assert "Somebody was faster" in root.press("agent_set_status", agent.pk, to="active").said[0]
    agent.refresh_from_db()
    assert agent.status == Agent.Status.ACTIVE
    chosen = {"action": "suspend_chosen", "_selected_action": [str(agent.pk)]}
    assert root.press("agent_changelist", **chosen).said == ["1 agents are suspended now; 0 were so before."]
    assert "Suspended" in texts(root.see("agent_change", agent.pk))
    assert audited() == [("root", "agent.approved"), ("root", "agent.suspended")]
    lee = StaffClient("lee", "view_agent")
    assert lee.press("agent_set_status", agent.pk, to="active").status_code == 403
    lee.press("agent_changelist", **chosen | {"action": "approve_chosen"})
    agent.refresh_from_db()
    assert agent.status == Agent.Status.SUSPENDED


def test_keys_are_shown_once_rotated_and_revoked(root):
    agent = AgentFactory()
    shown = root.press("adkey_add", holder=agent.public_id, environment="live")
    text = texts(shown).partition("data-key>")[2].partition("<")[0]
    assert text.startswith("am_live_") and "no-store" in shown.headers["Cache-Control"]
    key = AdKey.objects.get()
    assert f"{key.prefix}…" in texts(root.see("adkey_changelist", q=text))
    assert f"{key.prefix}…" not in texts(root.see("adkey_changelist", q="am_live_other"))
    api = Client(headers={"X-AM-API-Key": text})
    assert api.post("/functions/v1/decide", TAX, content_type="application/json").status_code == 200
    rotated = texts(root.press("adkey_rotate", key.pk))
    assert "goes on working for a day" in rotated and text not in rotated
    assert root.press("adkey_rotate", key.pk).said == ["This key is no longer in use."]
    assert root.press("adkey_revoke", key.pk).said == ["Revoked. Processes notice within seconds."]
    assert "revoked it already" in root.press("adkey_revoke", key.pk).said[0]
    chosen = {"action": "revoke_chosen", "_selected_action": list(AdKey.objects.values_list("pk", flat=True))}
    assert root.press("adkey_changelist", **chosen).said[0].startswith("1 keys revoked")
    assert "revoked" in texts(root.see("adkey_change", key.pk))
    tester = AdvertiserFactory(environment="test", paid_in=0)
    assert "test advertiser" in texts(root.press("adkey_add", holder=tester.pk, environment="live"))
    assert "neither" in texts(root.press("adkey_add", holder=AdUnitFactory().pk, environment="live"))
    assert [action for _, action in audited()] == [
        "ad_key.issued", "ad_key.rotated", "ad_key.issued", "ad_key.revoked", "ad_key.revoked",
    ]  # fmt: skip
    lee = StaffClient("lee", "view_adkey")
    assert (
        lee.press("adkey_rotate", key.pk).status_code == lee.press("adkey_revoke", key.pk).status_code == 403
    )
    assert lee.see("adkey_add").status_code == 403


def test_campaigns_show_their_budgets_and_can_be_stopped(root):
    campaign = CampaignFactory(name="Taxes", total_budget_micros=10 * DOLLAR)
    CampaignBudget.objects.create(
        book="live", campaign=campaign, cap_micros=10 * DOLLAR, spent_micros=4 * DOLLAR, held_micros=DOLLAR
    )
    page = texts(root.see("campaign_changelist"))
    assert "$4.00 spent of $10.00" in page and "width: 40%" in page and "width: 10%" in page
    assert root.press("campaign_move", campaign.pk, to="paused").said == ["The campaign is paused."]
    assert "cannot do that" in root.press("campaign_move", campaign.pk, to="ended").said[0]
    assert "Resume" in texts(root.see("campaign_change", campaign.pk))
    assert Campaign.objects.get().status == "paused" and audited() == [("root", "campaign.moved")]


def test_switches_answer_503(root, live):
    tax_ad()
    assert "Switch off" in texts(root.see("featureswitch_changelist"))
    assert (
        "Decide is off"
        in root.press("featureswitch_switch", feature="decide", to="off", note="Incident").said[0]
    )
    features.forget()
    refused = live.post("decide", TAX)
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert "already" in root.press("featureswitch_switch", feature="decide", to="off").said[0]
    assert "Incident" in texts(root.see("featureswitch_changelist"))
    root.press("featureswitch_switch", feature="decide", to="on")
    features.forget()
    assert live.post("decide", TAX).status_code == 200
    assert root.press("featureswitch_switch", feature="nonsense", to="off").said == [
        "There is no such switch."
    ]
    assert audited() == [("root", "ads.switched_off"), ("root", "ads.switched_on")]
    lee = StaffClient("lee", "view_featureswitch")
    assert lee.press("featureswitch_switch", feature="decide", to="off").status_code == 403


def test_predictions_beside_what_came_of_them(root, live):
    for bid in (60, 50):
        tax_ad(campaign__bid_cents=bid)
    for _ in range(4):
        shown = decide(live)
        click(shown)
        tell(live, shown)
    right, wrong, void, waits = Feedback.objects.order_by("pk")
    past = timezone.now() - timedelta(minutes=1)
    Feedback.objects.exclude(pk=waits.pk).update(resolves_at=past)
    Bonus.objects.exclude(pk=waits.pk).update(resolves_at=past)
    facts = {"decision_id": right.decision_id, "unit_id": right.unit_id, "book": "live", "source": "api"}
    advertiser_id = AdEvent.objects.filter(kind="click").first().advertiser_id
    Conversion.objects.create(advertiser_id=advertiser_id, confirmed_at=past - timedelta(minutes=1), **facts)
    bonuses.resolve_due(book="live", now=timezone.now())
    balance = ledger.balance(ledger.agent_account(live.agent.pk))
    said = root.press("feedback_void", void.pk, reason="A test of ours").said
    assert said[0].startswith("Void:")
    assert root.press("feedback_void", void.pk, reason="Again").said == [
        "This prediction was declared void before."
    ]
    assert "must say why" in root.press("feedback_void", wrong.pk, reason=" ").said[0]
    found = predictions.outcomes([right.pk, wrong.pk, void.pk, waits.pk], now=timezone.now())
    assert [found[each.pk].value for each in (right, wrong, void, waits)] == [
        "right",
        "wrong",
        "void",
        "waits",
    ]
    (row,) = predictions.accuracy(now=timezone.now())
    assert (row.predictions, row.right, row.percent, row.void, row.bonus_micros) == (2, 1, 50, 1, 7 * CENT)
    assert "50 %" in texts(root.see("feedback_accuracy"))
    assert "A test of ours" in texts(root.see("feedback_change", void.pk))
    assert "right" in texts(root.see("feedback_changelist", q=live.agent.public_id))
    # A paid bonus goes back, too; one that waits is not resolved any more.
    root.press("feedback_void", right.pk, reason="Fraud")
    root.press("feedback_void", waits.pk, reason="Fraud")
    assert ledger.balance(ledger.agent_account(live.agent.pk)) == balance - 7 * CENT
    assert set(Bonus.objects.values_list("state", flat=True)) == {"returned"}
    lee = StaffClient("lee", "view_feedback")
    assert lee.press("feedback_void", wrong.pk, reason="x").status_code == 403
    assert audited() == [("root", "ad_feedback.voided")] * 3
    assert_books_are_right()


def test_void_feedback_opens_no_bonus_when_its_click_comes(live):
    tax_ad()
    shown = decide(live)
    tell(live, shown)
    feedback.void(Feedback.objects.get(), reason="x", now=timezone.now())
    click(shown)
    assert AdEvent.objects.get(kind="click").is_billed and not Bonus.objects.exists()
    assert_books_are_right()


def test_decisions_and_events_are_read(root, live):
    tax_ad()
    click(decide(live))
    live.post("decide", TAX | {"context": "nothing like it", "min_relevance_score": 1.0})
    fill, empty = Decision.objects.get(reason=""), Decision.objects.exclude(reason="").get()
    page = texts(root.see("decision_changelist"))
    assert fill.id.hex[:13] in page and empty.reason.replace("_", " ") in page
    page = texts(root.see("decision_change", fill.id))
    assert "CloudTax" in page and "impression" in page and "$0.50" in page
    event = AdEvent.objects.get(kind="click")
    assert "billed" in texts(root.see("adevent_changelist", id=f"evt_{event.id.hex}"))
    assert texts(root.see("adevent_changelist", agent=live.agent.public_id)).count("<tr>") == 3
    assert "nothing here" in texts(root.see("decision_changelist", agent=AgentFactory().public_id))
    assert "nothing here" in texts(root.see("decision_changelist", day="2020-01-01"))
    assert fill.id.hex[:13] in texts(root.see("decision_changelist", day="2099-01-01"))
    for odd in ("x", "2026-13-45_zz", "9999-12-31_" + "f" * 32):
        assert root.see("decision_changelist", before=odd).status_code == 200
    assert root.see("decision_change", AdUnitFactory().pk).status_code == 404
    lee = StaffClient("lee", "view_agent")
    assert lee.see("decision_changelist").status_code == lee.see("adevent_changelist").status_code == 403


def test_pages_of_decisions_miss_none_and_repeat_none(root, live):
    tax_ad()
    for _ in range(3):
        decide(live)
    with connection.cursor() as cursor:  # three months of them
        cursor.execute(
            """CREATE TEMP TABLE one ON COMMIT DROP AS SELECT * FROM ad_decision LIMIT 1;
            CREATE TEMP TABLE more (LIKE one) ON COMMIT DROP;
            INSERT INTO more SELECT one.* FROM one, generate_series(1, 60);
            UPDATE more SET id = gen_random_uuid(),
                month = (month - make_interval(months => (random() * 2)::int))::date,
                decided_at = decided_at - make_interval(secs => (random() * 5)::int);
            INSERT INTO ad_decision SELECT * FROM more"""
        )
    for query in ({}, {"agent": live.agent.public_id}):
        seen, before = [], ""
        while True:
            found = root.see(
                "decision_changelist", **query, **({"before": before} if before else {})
            ).context_data["found"]
            seen += [row.id for row in found.rows]
            if found.next is None:
                break
            before = str(found.next)
        assert len(seen) == len(set(seen)) == 63


def test_lists_make_as_many_statements_for_many_rows_as_for_few_and_never_count(root, live):
    def happen() -> None:
        AdUnitFactory(campaign=CampaignFactory())
        agent = AgentFactory()
        keys.issue(agent, Environment.LIVE, now=timezone.now())
        shown = decide(live)
        click(shown)
        tell(live, shown)

    def looked(name: str) -> list[str]:
        with CaptureQueriesContext(connection) as statements:
            texts(root.see(f"{name}_changelist"))
        return [statement["sql"] for statement in statements]

    tax_ad()
    happen()
    texts(root.see("agent_changelist"))  # what is remembered from the first look on
    few = {name: looked(name) for name in LISTS}
    for _ in range(4):
        happen()
    for name in LISTS:
        many = looked(name)
        assert len(many) <= len(few[name]) + 1, (name, many)
        assert not [text for text in many if "COUNT(*)" in text.upper().partition(" FROM ")[0]], name


@pytest.mark.django_db(transaction=True)
def test_agents_are_approved_once_however_many_press():
    agent = AgentFactory(status="pending_review")
    changed = at_once(lambda _: agents.set_status(agent, Agent.Status.ACTIVE), range(8), threads=8)
    assert changed.count(True) == 1 and len(audited()) == 1
    tax_ad()
    one = Feedback.objects.create(
        id=agent.pk, agent=agent, book="live", decision_id=agent.pk, unit_id=agent.pk, reaction="positive",
        is_detected=False, content_hash=b"x", resolves_at=timezone.now(), created_at=timezone.now(),
    )  # fmt: skip

    def void(_: int) -> bool:
        try:
            feedback.void(one, reason="x", now=timezone.now())
        except DomainError:
            return False
        return True

    assert at_once(void, range(8), threads=8).count(True) == 1
