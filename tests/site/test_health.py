"""What load balancers and scrapers see."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from conversations.core.run_states import RunStatus
from conversations.core.tool_calls import CallStatus
from conversations.sandbox import Level
from penguin_site import health, startup_token
from tests.factories import (
    ApprovalFactory,
    ConversationFactory,
    ModelCallFactory,
    QuestionFactory,
    RunFactory,
    ToolCallFactory,
    UserFactory,
    WorkerFactory,
)

# Health asks over a connection of its own: what it reads must be committed.
pytestmark = pytest.mark.django_db(transaction=True)


def ask():
    health.forget()
    return Client(REMOTE_ADDR="203.0.113.9").get("/api/v1/health")


def test_all_is_well(settings):
    settings.PENGUIN_SANDBOX = "off"  # which of the others works depends on the machine
    WorkerFactory()
    response = ask()
    body = response.json()
    assert response.status_code == 200, body
    assert body["status"] == "ok"
    assert body["version"] == "1.0.0"
    assert {name: part["status"] for name, part in body["components"].items()} == {
        "database": "ok",
        "worker": "ok",
        "queue": "ok",
        "model": "ok",
        "sandbox": "ok",
    }


def test_health_names_the_level_of_the_sandbox(settings, monkeypatch):
    settings.PENGUIN_SANDBOX = "off"
    assert ask().json()["components"]["sandbox"] == {"status": "ok", "level": "none"}
    settings.PENGUIN_SANDBOX = "auto"
    monkeypatch.setattr("conversations.sandbox.level", lambda: Level.NONE)
    WorkerFactory()
    body = ask().json()
    assert (body["status"], body["components"]["sandbox"]["status"]) == ("ok", "unavailable")
    monkeypatch.setattr("conversations.sandbox.level", lambda: Level.LANDLOCK)
    assert ask().json()["components"]["sandbox"] == {"status": "ok", "level": "landlock"}


def test_no_worker_is_down():
    response = ask()
    assert (response.status_code, response.json()["status"]) == (503, "down")
    assert response.json()["components"]["worker"] == {"status": "down", "alive": 0}


def test_a_worker_that_fell_silent_does_not_count():
    WorkerFactory(heartbeat_at=timezone.now() - timedelta(seconds=31))
    assert ask().status_code == 503
    WorkerFactory(heartbeat_at=timezone.now() - timedelta(seconds=20))
    assert ask().status_code == 200


def test_a_database_that_does_not_answer_is_down_and_said_fast(monkeypatch):
    monkeypatch.setattr(
        health.connection, "get_connection_params", lambda: {"host": "127.0.0.1", "port": 1, "dbname": "x"}
    )
    began = timezone.now()
    response = ask()
    assert timezone.now() - began < timedelta(seconds=20)
    assert (response.status_code, response.json()["status"]) == (503, "down")
    assert response.json()["components"]["database"] == {"status": "down"}


def test_a_model_that_cannot_be_used_is_degraded(settings):
    WorkerFactory()
    settings.PENGUIN_MODEL = "openai:gpt-none"
    response = ask()
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["components"]["model"]["status"] == "unusable"


def test_the_age_of_the_queue_is_that_of_the_oldest_run_that_could_be_claimed():
    WorkerFactory()
    busy = ConversationFactory()
    RunFactory(conversation=busy, status=RunStatus.WAITING_APPROVAL)
    RunFactory(conversation=busy, status=RunStatus.QUEUED, queued_at=timezone.now() - timedelta(hours=1))
    RunFactory(status=RunStatus.QUEUED, queued_at=timezone.now() - timedelta(seconds=60))
    queue = ask().json()["components"]["queue"]
    assert queue["queued"] == 2
    assert 60 <= queue["oldest_seconds"] < 90


def test_health_shows_no_secrets(settings, owner_key):
    text = ask().content.decode()
    assert settings.SECRET_KEY not in text
    assert owner_key not in text
    assert str(settings.DATABASES["default"]["PASSWORD"]) not in text


def scrape(address="127.0.0.1", **headers):
    return Client(REMOTE_ADDR=address, headers={k.replace("_", "-"): v for k, v in headers.items()}).get(
        "/metrics"
    )


def test_metrics_need_a_key_or_this_machine(key_of, person):
    assert scrape().status_code == 200
    for refused in (
        scrape("203.0.113.9"),
        scrape(X_Forwarded_For="127.0.0.1"),
        scrape(Via="1.1 proxy"),
        scrape("203.0.113.9", X_API_Key=startup_token.startup_token()),
        scrape(X_API_Key="wrong"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (401, "authentication_failed")
    assert scrape("203.0.113.9", X_API_Key=key_of(person, "read")).status_code == 200
    assert scrape("203.0.113.9", X_API_Key=key_of(person, "tasks")).status_code == 403


def test_metrics_tell_of_requests_runs_and_models(client_for):
    client = client_for(UserFactory())
    client.get("/api/v1/conversations/one-id")
    client.get("/api/v1/conversations/another-id")
    now = timezone.now()
    RunFactory(status=RunStatus.QUEUED, queued_at=now - timedelta(seconds=42))
    RunFactory(status=RunStatus.FAILED)
    ModelCallFactory(
        model="m1",
        input_tokens=100,
        output_tokens=20,
        cost_micros=1500,
        started_at=now - timedelta(seconds=2),
        first_token_at=now - timedelta(seconds=1),
    )
    WorkerFactory()
    text = scrape().content.decode()
    lines = text.splitlines()
    route = 'route="/api/v1/conversations/<str:session_id>"'
    assert any(line.startswith("penguin_http_requests_total") and route in line for line in lines)
    assert "one-id" not in text
    assert 'penguin_runs{status="queued"} 1.0' in lines
    assert any(line.startswith("penguin_queue_age_seconds 4") for line in lines)
    assert 'penguin_runs_ended_5m{status="failed"} 1.0' in lines
    assert 'penguin_model_tokens_5m{kind="input",model="m1"} 100.0' in lines
    assert 'penguin_model_cost_usd_5m{model="m1"} 0.0015' in lines
    assert any(
        line.startswith('penguin_first_token_seconds{model="m1",quantile="0.5"} 1.0') for line in lines
    )
    assert "penguin_workers 1.0" in lines


def test_metrics_tell_of_tools_and_of_people_who_are_waited_for(db):
    asked = timezone.now() - timedelta(seconds=70)
    ApprovalFactory(created_at=asked)
    QuestionFactory()
    ToolCallFactory(name="invented_by_a_model", status=CallStatus.FAILED)
    lines = scrape().content.decode().splitlines()
    assert 'penguin_waiting_for_people{kind="approval"} 1.0' in lines
    assert 'penguin_waiting_for_people{kind="question"} 1.0' in lines
    assert any(line.startswith('penguin_waiting_for_people_seconds{kind="approval"} 7') for line in lines)
    assert 'penguin_tool_calls_5m{status="failed",tool="other"} 1.0' in lines
