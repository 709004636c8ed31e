"""What users say is in no table and in no log: a text is sent in every field that can carry it, and looked for."""

import logging

import pytest
from django.db import connection

from ads.models import Decision, Feedback
from tests.ads.factories import AdUnitFactory
from tests.ads.test_api_events import click, tax_ad

pytestmark = pytest.mark.django_db
CANARY = "zwitscherkanarie 4711"
SAID = f"I need a tax accountant {CANARY}"


def tables_with(text: str) -> list[str]:
    """Every table of which some row has the text anywhere, as text or as the bytes of one."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE %s OR t::text ILIKE %s',
                [f"%{text}%", f"%{text.encode().hex()}%"],
            )
            if cursor.fetchone()[0]:
                found.append(table)
    return found


@pytest.fixture
def logged(caplog, capfd):
    """All that was logged or written, in text."""
    caplog.set_level(logging.DEBUG)

    def read() -> str:
        written = capfd.readouterr()
        return "\n".join([written.out, written.err, *(record.getMessage() for record in caplog.records)])

    return read


def assert_nowhere(logged) -> None:
    assert tables_with(CANARY) == []
    assert tables_with(CANARY.split()[0]) == []
    assert CANARY.split()[0] not in logged()


def decide(client, **others) -> dict:
    response = client.post("decide", {"context": SAID} | others)
    assert response.status_code == 200, response.content
    return response.json()


def test_the_search_for_it_finds_what_is_there(agent):
    agent.name = f"Agent {CANARY}"
    agent.save()
    assert tables_with(CANARY) == ["ad_agent"]


def test_decisions(live, logged):
    tax_ad()
    body = decide(
        live,
        user_intent=CANARY,
        blocked_categories=[CANARY],
        blocked_advertisers=[CANARY],
        placement_id=CANARY,
        request_id=CANARY,
        user_ref=CANARY,
        session_context={CANARY: CANARY},
        something_else=CANARY,
    )
    assert (body["status"], body["request_id"]) == ("fill", CANARY)
    decide(live, categories=[CANARY])
    named = {"headers": {"Idempotency-Key": f"{CANARY} header"}}
    first = live.post("decide", {"context": SAID}, **named).json()
    assert live.post("decide", {"context": SAID}, **named).json() == first
    assert Decision.objects.count() == 3
    assert_nowhere(logged)


def test_older_requests(live, logged):
    tax_ad()
    about = {"country": CANARY, "language": CANARY, "platform": CANARY}
    opportunity = {"intent": {"taxonomy": CANARY, "query": SAID}, "context": about, "constraints": {}}
    for response_format in ({}, {"response_format": "minimal"}):
        body = live.post(
            "decide",
            {
                "opportunity": opportunity,
                "placement": {"surface": CANARY},
                "request_id": f"{CANARY} {response_format}",
            }
            | response_format,
        ).json()
        assert body["status"] == "filled"
    assert_nowhere(logged)


def test_what_is_refused(live, logged):
    for path, field in (
        ("decide", "response_format"),
        ("decide", "max_results"),
        ("decide", "agent_id"),
        ("feedback", "reaction"),
        ("feedback", "tracking_token"),
        ("api-v1/search", "max_results"),
        ("api-v1/session/start", "capability_id"),
    ):
        body = {"context": SAID, "query": SAID, "tracking_token": "trk_x", "user_response": CANARY}
        assert live.post(path, body | {field: CANARY}).status_code in (400, 403, 404)
    assert_nowhere(logged)


def test_a_fault_is_logged_without_it(live, logged):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ad_decision RENAME TO ad_decision_gone")
    assert live.post("decide", {"context": SAID, "user_intent": CANARY}).status_code == 500
    assert "A request to the ads API failed." in (written := logged())
    assert CANARY.split()[0] not in written


def test_searches(live, logged):
    tax_ad()
    for context in (CANARY, {"country": CANARY, CANARY: CANARY}):
        named = {"headers": {"Idempotency-Key": f"{CANARY} {type(context).__name__}"}}
        body = live.post("api-v1/search", {"query": SAID, "user_context": context}, **named).json()
        assert len(body["capabilities"]) == 1
    assert_nowhere(logged)


@pytest.mark.parametrize("path", ["feedback", "api-v1/feedback"])
def test_feedback(live, logged, path):
    tax_ad()
    shown = decide(live)["units"][0]
    click(shown)
    body = {
        "tracking_token": shown["tracking_token"],
        "user_response": f"Perfect, thank you {CANARY}",
        "agent_response": CANARY,
        "conversation_history": [CANARY, CANARY],
        "context": CANARY,
        "idempotency_key": CANARY,
    }
    for _ in range(2):
        assert live.post(path, body).status_code == 200
    assert live.post(path, body | {"idempotency_key": f"{CANARY} 2"}).status_code == 409
    assert Feedback.objects.get().reaction == "positive"
    assert_nowhere(logged)


def test_feedback_on_a_session(live, logged):
    AdUnitFactory(
        ad_type="dynamic_capability",
        example_queries=["I need a tax accountant"],
        campaign__pricing="session",
    )
    found = live.post("api-v1/search", {"query": SAID}).json()["capabilities"][0]
    session = live.post("api-v1/session/start", {"capability_id": found["capability_id"]}).json()[
        "session_id"
    ]
    live.post("api-v1/session/end", {"session_id": session})
    told = live.post(
        "api-v1/feedback",
        {"session_id": session, "feedback_text": f"Great help {CANARY}", "idempotency_key": CANARY},
    )
    assert told.status_code == 200
    assert_nowhere(logged)


def test_the_moment_of_a_click_keeps_no_address(live, logged):
    tax_ad()
    shown = decide(live)["units"][0]
    click(shown, **{"X-Forwarded-For": "203.0.113.77", "User-Agent": f"Mozilla/5.0 {CANARY}"})
    assert tables_with("203.0.113.77") == []
    assert tables_with("127.0.0.1") == []
    assert_nowhere(logged)
