"""Token usage, models, capabilities, system state and feedback over REST."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import MessageFeedback
from tests.factories import (
    ConversationFactory,
    FeedbackFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    WorkerFactory,
)

USAGE = "/api/v1/token-usage"


@pytest.fixture(autouse=True)
def _model(settings, monkeypatch) -> None:
    settings.PENGUIN_MODEL = "openai-chat:gpt-4o-mini"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-server")


def call(conversation, model="openai-chat:gpt-4o-mini", **values):
    return ModelCallFactory(run=RunFactory(conversation=conversation), model=model, **values)


# --- usage


def test_usage_sums_every_call_of_ones_own(api, person):
    conversation = ConversationFactory(owner=person)
    call(conversation, input_tokens=100, output_tokens=20, reasoning_tokens=5, cost_micros=150)
    call(conversation, input_tokens=10, output_tokens=2, cache_read_tokens=3, cost_micros=None)
    call(conversation, model="local", input_tokens=7, output_tokens=1, cost_micros=0)
    call(ConversationFactory(), input_tokens=1_000_000)
    usage = api.get(USAGE).json()["usage"]
    assert usage["main_model"] == {"prompt": 110, "completion": 22, "total": 132}
    assert usage["models"]["openai-chat:gpt-4o-mini"] == {
        "prompt": 110,
        "completion": 22,
        "total": 132,
        "reasoning": 5,
        "cache_read": 3,
        "cache_write": 0,
        "calls": 2,
        "cost_usd": 0.00015,
    }
    assert usage["models"]["local"]["total"] == 8
    assert (usage["total"], usage["prompt"], usage["completion"], usage["calls"]) == (140, 117, 23, 3)
    assert (usage["cost_usd"], usage["today"], usage["today_cost_usd"]) == (0.00015, 140, 0.00015)


def test_without_calls_all_is_zero(api):
    usage = api.get(USAGE).json()["usage"]
    assert usage["main_model"] == {"prompt": 0, "completion": 0, "total": 0}
    assert (usage["models"], usage["total"], usage["cost_usd"], usage["today"]) == ({}, 0, 0, 0)


def test_usage_of_a_time_and_of_a_conversation(api, person):
    conversation, other = ConversationFactory.create_batch(2, owner=person)
    for tokens, day in ((1, 9), (2, 10), (4, 11)):
        call(
            conversation,
            input_tokens=tokens,
            output_tokens=0,
            started_at=datetime(2024, 3, day, 12, tzinfo=UTC),
        )
    call(other, input_tokens=8, output_tokens=0, started_at=datetime(2024, 3, 10, tzinfo=UTC))

    def total(**query: str) -> int:
        return api.get(USAGE, query).json()["usage"]["total"]

    assert total() == 15
    assert api.get(USAGE).json()["usage"]["today"] == 0
    assert total(session_id=conversation.session_id) == 7
    assert total(**{"from": "2024-03-10"}) == 14
    assert total(to="2024-03-10T00:00:00Z") == 1  # not included
    assert total(**{"from": "2024-03-10T00:00:00Z", "to": "2024-03-11T14:00:00+02:00"}) == 10
    assert total(**{"from": "2024-03-10", "session_id": conversation.session_id}) == 6


@pytest.mark.parametrize("field", ["from", "to"])
@pytest.mark.parametrize(
    "value", ["", "yesterday", "2024-13-01", "2024-02-30", "1711800000", "0001-01-01T00:00:00+23:00"]
)
def test_a_wrong_time_is_refused(api, field, value):
    response = api.get(USAGE, {field: value})
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", field]


def test_usage_of_what_is_not_ones_own_is_not_found(api):
    foreign = ConversationFactory()
    assert api.get(USAGE, {"session_id": foreign.session_id}).status_code == 404
    assert api.get(f"/api/v1/sessions/{foreign.session_id}/token-usage").status_code == 404


def test_usage_is_one_statement(api, person):
    for _ in range(3):
        call(ConversationFactory(owner=person))
    api.get(USAGE)
    with CaptureQueriesContext(connection) as captured:
        api.get(USAGE)
    assert sum("model_call" in query["sql"] for query in captured) == 1


def test_a_session_tells_how_full_its_window_is(api, person):
    conversation = ConversationFactory(owner=person)
    now = datetime.now(UTC)
    call(conversation, input_tokens=5000, output_tokens=100, started_at=now - timedelta(minutes=1))
    call(conversation, input_tokens=6000, output_tokens=400, started_at=now)
    call(conversation, input_tokens=9000, purpose="compaction", started_at=now + timedelta(seconds=1))
    call(
        conversation, input_tokens=0, output_tokens=0, status="failed", started_at=now + timedelta(seconds=2)
    )
    body = api.get(f"/api/v1/sessions/{conversation.session_id}/token-usage").json()
    assert body["context_window"] == {
        "model": "openai-chat:gpt-4o-mini",
        "used": 6400,
        "limit": 128_000,
        "fraction": 0.05,
        "estimated": False,
    }
    assert body["usage"]["prompt"] == 20_000


def test_an_empty_session_and_a_model_that_is_gone(api, person):
    conversation = ConversationFactory(owner=person)
    window = api.get(f"/api/v1/sessions/{conversation.session_id}/token-usage").json()["context_window"]
    assert (window["used"], window["limit"], window["fraction"]) == (0, 128_000, 0)
    call(conversation, model="nobody:gone")
    window = api.get(f"/api/v1/sessions/{conversation.session_id}/token-usage").json()["context_window"]
    assert (window["model"], window["used"], window["limit"], window["fraction"]) == (
        "nobody:gone",
        120,
        None,
        None,
    )


# --- models, capabilities, system


def test_models_are_those_that_can_be_asked(api, monkeypatch):
    body = api.get("/api/v1/models").json()
    default = body["models"][0]
    assert (default["id"], default["is_default"], default["provider"]) == (
        "openai-chat:gpt-4o-mini",
        True,
        "openai-chat",
    )
    assert (body["default"], body["default_problem"]) == ("openai-chat:gpt-4o-mini", None)
    monkeypatch.delenv("OPENAI_API_KEY")
    body = api.get("/api/v1/models").json()
    assert "openai-chat:gpt-4o-mini" not in [model["id"] for model in body["models"]]
    assert "OPENAI_API_KEY" in body["default_problem"]


@pytest.mark.parametrize("route", ["models", "capabilities", "system/info", "system/status"])
def test_no_answer_about_the_system_holds_a_key(api, route):
    response = api.get(f"/api/v1/{route}")
    assert response.status_code == 200
    assert b"sk-of-the-server" not in response.content


def test_capabilities_claim_nothing_that_is_not_there(api, settings, monkeypatch):
    body = api.get("/api/v1/capabilities").json()
    assert (body["model_usable"], body["vision"], body["streaming"]) == (True, True, True)
    assert (body["tools"], body["approvals"]) == (True, True)
    assert {"read_file", "execute_command", "ask_user"} <= set(body["tool_names"])
    assert "fetch_url" not in body["tool_names"]  # the web is off until it is asked for
    monkeypatch.delenv("OPENAI_API_KEY")
    body = api.get("/api/v1/capabilities").json()
    assert (body["model_usable"], body["vision"], body["context_window"]) == (False, False, None)
    settings.PENGUIN_MODEL = "local"
    body = api.get("/api/v1/capabilities").json()
    assert (body["model"], body["vision"], body["tools"]) == ("local", False, False)
    assert body["tool_names"] == []


def test_capabilities_tell_how_commands_are_confined(api, settings):
    settings.PENGUIN_SANDBOX = "off"
    body = api.get("/api/v1/capabilities").json()
    assert body["sandbox"] == {"level": "none", "shell_tools": False, "limits": None}
    settings.PENGUIN_SANDBOX = "auto"
    sandbox = api.get("/api/v1/capabilities").json()["sandbox"]
    assert sandbox["shell_tools"] == (sandbox["level"] != "none")
    assert (sandbox["limits"] is not None) == sandbox["shell_tools"]


def test_status_counts_living_workers_and_ones_own_runs(api, person):
    assert api.get("/api/v1/system/status").json()["status"] == "degraded"
    WorkerFactory(concurrency=7)
    WorkerFactory(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    WorkerFactory(draining=True)
    conversation = ConversationFactory(owner=person)
    RunFactory(conversation=conversation, status="running")
    RunFactory(conversation=conversation, status="queued")
    RunFactory(status="queued")
    body = api.get("/api/v1/system/status").json()
    assert (body["status"], body["workers"], body["runs"]) == (
        "ok",
        {"alive": 1, "slots": 7},
        {"queued": 1, "active": 1},
    )


def test_info_names_versions_and_ones_own_workspace(api, person, settings):
    body = api.get("/api/v1/system/info").json()
    assert body["name"] == "Penguin"
    assert int(body["postgres"].split(".")[0]) >= 15
    assert body["workspace"] == str(settings.PENGUIN_WORKSPACE / "users" / str(person.pk))


# --- feedback


def url(message) -> str:
    return f"/api/v1/messages/{message.id}/feedback"


def rate(api, message, **body):
    return api.post(url(message), body, "application/json")


def test_the_last_word_counts_and_is_reviewed_again(api, person):
    message = MessageFactory(conversation__owner=person, role="assistant")
    assert rate(api, message, rating="up").json()["rating"] == "up"
    MessageFeedback.objects.update(review_status="done")
    body = rate(api, message, rating="down", comment="Wrong.", tags=["facts"]).json()
    assert (body["rating"], body["comment"], body["tags"]) == ("down", "Wrong.", ["facts"])
    stored = MessageFeedback.objects.get()
    assert (stored.rating, stored.review_status, stored.user) == ("down", "new", person)


def test_saying_the_same_again_changes_nothing(api, person):
    message = MessageFactory(conversation__owner=person, role="assistant")
    first = rate(api, message, rating="up", tags=["kind"])
    MessageFeedback.objects.update(review_status="done")
    assert rate(api, message, rating="up", tags=["kind"]).json() == first.json()
    assert MessageFeedback.objects.get().review_status == "done"


def test_only_ones_own_messages_are_rated(api):
    foreign = FeedbackFactory()
    assert rate(api, foreign.message, rating="down").status_code == 404
    assert (
        api.post(f"/api/v1/messages/{uuid4()}/feedback", {"rating": "up"}, "application/json").status_code
        == 404
    )
    assert api.post("/api/v1/messages/x/feedback", {"rating": "up"}, "application/json").status_code == 404
    foreign.refresh_from_db()
    assert foreign.rating == "up"


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["rating"]),
        ({"rating": "sideways"}, ["rating"]),
        ({"rating": 1}, ["rating"]),
        ({"rating": True}, ["rating"]),
        ({"rating": None}, ["rating"]),
        ({"rating": ["up"]}, ["rating"]),
        ({"rating": "up", "comment": 5}, ["comment"]),
        ({"rating": "up", "comment": None}, ["comment"]),
        ({"rating": "up", "comment": "x" * 4001}, ["comment"]),
        ({"rating": "up", "tags": "kind"}, ["tags"]),
        ({"rating": "up", "tags": {"a": 1}}, ["tags"]),
        ({"rating": "up", "tags": ["x"] * 21}, ["tags"]),
        ({"rating": "up", "tags": ["ok", 5]}, ["tags", 1]),
        ({"rating": "up", "tags": [""]}, ["tags", 0]),
        ({"rating": "up", "tags": ["x" * 65]}, ["tags", 0]),
    ],
)
def test_wrong_feedback_is_refused(api, person, body, loc):
    response = rate(api, MessageFactory(conversation__owner=person), **body)
    assert response.status_code == 400
    found = response.json()["errors"][0]["loc"]
    assert [str(step) for step in found] == ["body", *map(str, loc)]
