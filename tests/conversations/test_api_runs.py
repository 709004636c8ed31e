"""Runs over HTTP: lists with filters and pages, single ones, cancel and retry by their states, only one's own."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.core.run_states import RunStatus
from conversations.models import ConversationEvent, Run
from tests.factories import ConversationFactory, MessageFactory, RunFactory

RUNS = "/api/v1/runs"
pytestmark = pytest.mark.django_db


def ids(response) -> list[str]:
    assert response.status_code == 200
    return [run["id"] for run in response.json()["runs"]]


def test_pages_are_newest_first_and_hold_each_run_once(api, person):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    conversation = ConversationFactory(owner=person)
    made = [
        RunFactory(conversation=conversation, created_at=start + timedelta(minutes=n // 2)) for n in range(7)
    ]
    RunFactory()  # somebody else's
    seen, cursor = [], ""
    while True:
        response = api.get(RUNS, {"limit": 3, "cursor": cursor})
        seen += ids(response)
        cursor = response.json()["next_cursor"]
        if not cursor:
            break
    expected = sorted(made, key=lambda run: (run.created_at, run.id), reverse=True)
    assert seen == [str(run.id) for run in expected]


def test_filters_by_status_and_session(api, person):
    one, other = ConversationFactory.create_batch(2, owner=person)
    failed, done = RunFactory(conversation=one, status="failed"), RunFactory(conversation=one)
    elsewhere = RunFactory(conversation=other, status="failed")
    assert set(ids(api.get(RUNS, {"status": "failed"}))) == {str(failed.id), str(elsewhere.id)}
    assert set(ids(api.get(RUNS, {"session_id": one.session_id}))) == {str(failed.id), str(done.id)}
    assert ids(api.get(RUNS, {"session_id": "no-such-session"})) == []


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "x"}, {"limit": "201"}, {"status": "nonsense"}, {"cursor": "nonsense"}],
)
def test_a_wrong_query_is_refused(api, query):
    response = api.get(RUNS, query)
    assert response.status_code == 400
    assert response.json()["detail"]


def test_the_number_of_statements_does_not_grow_with_the_list(api, person):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(RUNS, {"limit": 200}).status_code == 200
        return len(captured)

    RunFactory(conversation=ConversationFactory(owner=person))
    statements()  # the key is looked up once
    few = statements()
    for conversation in ConversationFactory.create_batch(20, owner=person):
        RunFactory(conversation=conversation, status="running")
        RunFactory(conversation=conversation, status="queued")
    assert statements() == few <= 3


def test_a_queued_run_knows_its_place_in_the_list_and_alone(api, person):
    conversation = ConversationFactory(owner=person)
    RunFactory(conversation=conversation, status="running")
    RunFactory(conversation=conversation, status="queued")
    last = RunFactory(conversation=conversation, status="queued")
    assert api.get(f"{RUNS}/{last.id}").json()["queue_position"] == 2
    places = {run["id"]: run["queue_position"] for run in api.get(RUNS).json()["runs"]}
    assert sorted(places.values(), key=str) == [1, 2, None]
    assert places[str(last.id)] == 2


@pytest.mark.parametrize(
    ("status", "answer", "becomes"),
    [
        ("queued", 200, "cancelled"),
        ("waiting_approval", 200, "cancelled"),
        ("waiting_input", 200, "cancelled"),
        ("paused", 200, "cancelled"),
        ("running", 202, "cancelling"),  # its worker has to confirm
        ("cancelling", 202, "cancelling"),
        ("completed", 200, "completed"),  # too late, and no error
        ("failed", 200, "failed"),
        ("timed_out", 200, "timed_out"),
        ("cancelled", 200, "cancelled"),
    ],
)
def test_cancel_in_every_state_once_and_again(api, person, status, answer, becomes):
    run = RunFactory(conversation=ConversationFactory(owner=person), status=status)
    for _ in range(2):
        response = api.post(f"{RUNS}/{run.id}/cancel")
        assert (response.status_code, response.json()["status"]) == (answer, becomes)
    ends = ConversationEvent.objects.filter(run_id=run.id, type="run.ended").count()
    assert ends == (becomes == "cancelled" != status)


def test_the_answer_of_a_cancelled_run_says_so(api, person):
    run = RunFactory(conversation=ConversationFactory(owner=person), status="waiting_approval")
    answer = MessageFactory(
        id=run.answer_message_id,
        conversation=run.conversation,
        role="assistant",
        content="I will look.",
        metadata={"steers": {}},
    )
    api.post(f"{RUNS}/{run.id}/cancel")
    answer.refresh_from_db()
    assert answer.content == "I will look."
    assert answer.metadata == {"steers": {}, "status": "cancelled"}


@pytest.mark.parametrize("status", [status.value for status in RunStatus])
def test_only_an_ended_run_can_be_tried_again(api, person, status):
    conversation = ConversationFactory(owner=person)
    question = MessageFactory(conversation=conversation)
    run = RunFactory(conversation=conversation, status=status, input_message_id=question.id)
    response = api.post(f"{RUNS}/{run.id}/retry")
    if status in ("completed", "failed", "cancelled", "timed_out"):
        assert (response.status_code, response.json()["retry_of"]) == (202, str(run.id))
        retry = Run.objects.get(id=response.json()["id"])
        assert (retry.status, retry.input_message_id) == ("queued", question.id)
    else:
        assert (response.status_code, response.json()["code"]) == (409, "run_not_ended")
        assert Run.objects.count() == 1


@pytest.mark.parametrize(("method", "suffix"), [("get", ""), ("post", "/cancel"), ("post", "/retry")])
def test_another_persons_run_does_not_exist(api, method, suffix):
    theirs = RunFactory(status="queued")
    for run_id in (theirs.id, uuid4()):
        response = getattr(api, method)(f"{RUNS}/{run_id}{suffix}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    theirs.refresh_from_db()
    assert theirs.status == "queued"
