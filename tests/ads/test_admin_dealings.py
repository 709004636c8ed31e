"""Staff reads what agents have done with ads beyond showing them: sessions, services, ratings."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ads.models import DecisionUnit, Rating, ServiceTransaction, Session
from penguin_site.models import AuditEntry
from tests.ads.factories import AdUnitFactory, AgentFactory, CampaignFactory
from tests.ads.staff_client import StaffClient
from tests.ads.test_api_developers import finish, rate, service_of
from tests.ads.test_api_events import click, decide, tax_ad
from tests.ads.test_api_sessions import end, find, start

pytestmark = pytest.mark.django_db
LISTS = ("session", "servicetransaction", "rating")


@pytest.fixture
def root(db) -> StaffClient:
    return StaffClient("root")


@pytest.fixture
def market(db) -> None:
    """An ad to rate, a service, and a business to speak with."""
    tax_ad()
    AdUnitFactory(
        ad_type="service",
        service_endpoint="https://api.example.com/run",
        example_queries=["translate this contract into German"],
        campaign__pricing="success",
        campaign__bid_cents=80,
        campaign__name="Translations",
    )
    AdUnitFactory(
        ad_type="dynamic_capability",
        example_queries=["best CRM for startups"],
        campaign__pricing="session",
        campaign__bid_cents=80,
        campaign__required_fields=["team_size"],
        campaign__name="CRM <b>for all</b>",
    )


def deal(live) -> None:
    """One of each. The session is completed, the service has succeeded."""
    finish(live, service_of(live), metadata={"pages": "<b>5</b>"})
    end(live, start(live, find(live), initial_data={"team_size": 12, "mood": "<i>glad</i>"}).json())
    shown = decide(live)
    click(shown)
    assert rate(live, shown, context="Fast <u>reply</u> \u202e").status_code == 201


def texts(response) -> str:
    assert response.status_code == 200, response
    return response.content.decode()


def test_they_are_found_and_lead_to_agent_campaign_and_decision(root, live, market):
    deal(live)
    rows = (Session.objects.get(), ServiceTransaction.objects.get(), Rating.objects.get())
    for name, row in zip(LISTS, rows, strict=True):
        page = texts(root.see(f"{name}_changelist"))
        for address in (f"agent/{live.agent.pk}/change/", f"agent/decisions/{row.decision_id}/"):
            assert f"/admin/ads/{address}" in page, (name, address)
        decision = f"dec_{row.decision_id.hex}"
        for term in (str(row) if name != "rating" else str(row.pk), live.agent.public_id, decision):
            assert decision[:17] in texts(root.see(f"{name}_changelist", q=term)), (name, term)
        for term in (AgentFactory().public_id, "dec_" + "0" * 32, "other"):
            assert decision[:17] not in texts(root.see(f"{name}_changelist", q=term)), (name, term)
    for name, row in zip(LISTS[:2], rows[:2], strict=True):
        assert f"/admin/ads/campaign/{row.campaign_id}/change/" in texts(root.see(f"{name}_changelist"))
        of_campaign = root.see(f"{name}_changelist", campaign__id__exact=str(row.campaign_id))
        assert row.decision_id.hex[:13] in texts(of_campaign)
        other = root.see(f"{name}_changelist", campaign__id__exact=str(CampaignFactory().pk))
        assert row.decision_id.hex[:13] not in texts(other)
        for made, is_there in (("1", True), ("2020-05-04", False)):
            assert (row.decision_id.hex[:13] in texts(root.see(f"{name}_changelist", made=made))) is is_there
    for name, query, other in (
        ("session", {"state": "completed"}, {"state": "aborted"}),
        ("servicetransaction", {"state": "succeeded"}, {"state": "open"}),
        ("rating", {"rating": 4}, {"rating": 1}),
    ):
        found = [texts(root.see(f"{name}_changelist", **each)).count("…</bdi>") for each in (query, other)]
        assert found == [1, 0], name
    page = texts(root.see("rating_changelist"))
    assert "Fast &lt;u&gt;reply" in page and "4 of 5" in page and "<u>" not in page


def test_a_session_s_words_are_for_those_who_may_read_them(root, live, market):
    deal(live)
    session = Session.objects.get()
    page = texts(root.see("session_change", session.pk))
    words = session.messages.get().text
    assert words in page and "team_size" in page and "&lt;i&gt;glad" in page and "CRM &lt;b&gt;for" in page
    looks = AuditEntry.objects.filter(action="staff.looked", object=f"ads.session:{session.pk}")
    assert [entry.after for entry in looks] == [{"part": "messages"}]
    assert "$0.05" in page
    DecisionUnit.objects.all().delete()  # with its partition, after a while
    assert "not kept any more" in texts(root.see("session_change", session.pk))
    lee = StaffClient("lee", "view_session")
    page = texts(lee.see("session_change", session.pk))
    assert "not shown" in page and words not in page and "glad" not in page
    assert looks.order_by("id").last().after is None


def test_a_service_s_page_says_what_was_paid(root, live, market):
    deal(live)
    service = ServiceTransaction.objects.get()
    page = texts(root.see("servicetransaction_change", service.pk))
    assert "succeeded" in page and "$0.05" in page and "$0.035" in page
    assert "&lt;b&gt;5&lt;/b&gt;" in page and "Translations" in page


def test_nobody_changes_them_and_strangers_see_none(root, live, market):
    deal(live)
    lee = StaffClient("lee", "view_agent")
    for name, row in zip(LISTS, (Session, ServiceTransaction, Rating), strict=True):
        pk = row.objects.get().pk
        assert lee.see(f"{name}_changelist").status_code == lee.see(f"{name}_change", pk).status_code == 403
        assert root.see(f"{name}_add").status_code == root.see(f"{name}_delete", pk).status_code == 403
        assert root.press(f"{name}_change", pk, state="open").status_code == 403
    sidebar = texts(lee.get("/admin/"))
    assert all(f"/admin/ads/{name}/" not in sidebar for name in LISTS)
    sidebar = texts(root.get("/admin/"))
    assert all(f"/admin/ads/{name}/" in sidebar for name in LISTS)


def test_lists_make_as_many_statements_for_many_rows_as_for_few_and_never_count(root, live, market):
    def looked(name: str) -> list[str]:
        with CaptureQueriesContext(connection) as statements:
            texts(root.see(f"{name}_changelist"))
        return [statement["sql"] for statement in statements]

    deal(live)
    texts(root.see("agent_changelist"))  # what is remembered from the first look on
    few = {name: looked(name) for name in LISTS}
    for _ in range(4):
        deal(live)
    assert [model.objects.count() for model in (Session, ServiceTransaction, Rating)] == [5, 5, 5]
    for name in LISTS:
        many = looked(name)
        assert len(many) == len(few[name]), (name, many)
        assert not [text for text in many if "COUNT(*)" in text.upper().partition(" FROM ")[0]], name
