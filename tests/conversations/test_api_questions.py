"""Questions over HTTP: open ones first, one answer each, and what an answer does to the call and the run."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from conversations import policy
from conversations.core.tool_calls import CallStatus, Effect
from conversations.models import (
    Approval,
    ConversationEvent,
    Message,
    Question,
    ToolCall,
)
from conversations.policy import CallFacts, Verdict
from conversations.questions import question_shape
from conversations.runs import cancel_run
from conversations.tools.base import Targets
from penguin_site.models import AuditEntry
from tests.factories import (
    DEFINITION_HASH,
    SANDBOX,
    ApprovalFactory,
    ConversationFactory,
    QuestionFactory,
    RunFactory,
    ToolCallFactory,
)

QUESTIONS = "/api/v1/questions"
pytestmark = pytest.mark.django_db


@pytest.fixture
def decider(client_for, person):
    return client_for(person, "read", "chat", "approvals:decide")


def asked(owner, kind="ask_user", **fields) -> Question:
    return QuestionFactory(kind=kind, tool_call__run__conversation=ConversationFactory(owner=owner), **fields)


def lost(owner, **fields) -> Question:
    """A question about a call whose worker was lost."""
    return asked(owner, "recovery", tool_call__name="execute_command", **fields)


def answer(client, question, text):
    return client.post(f"{QUESTIONS}/{question.id}/answer", {"answer": text}, content_type="application/json")


def fresh(question: Question) -> Question:
    return Question.objects.select_related("tool_call", "run", "conversation").get(id=question.id)


def result_of(call: ToolCall) -> str:
    return Message.objects.get(id=call.message_id).content


def events_of(question: Question) -> list[str]:
    events = ConversationEvent.objects.filter(run_id=question.run_id).order_by("seq")
    return list(events.values_list("type", flat=True))


def test_open_ones_come_first(api, person):
    now = datetime.now(UTC)
    answered = asked(person, status="answered", answered_at=now, created_at=now)
    older = asked(person, created_at=now - timedelta(minutes=2))
    newer = asked(person, created_at=now - timedelta(minutes=1))
    asked(ConversationFactory().owner)
    shown = api.get(QUESTIONS).json()["questions"]
    assert [question["id"] for question in shown] == [str(q.id) for q in (newer, older, answered)]
    of_one = api.get(QUESTIONS, {"session_id": older.conversation.session_id}).json()["questions"]
    assert of_one == [question_shape(fresh(older))]
    assert api.get(QUESTIONS, {"session_id": "no-such-session"}).json() == {"questions": []}


def test_an_answer_is_the_result_of_the_call(api, person):
    question = asked(person, choices=["postgres", "sqlite"])
    response = answer(api, question, "neither, use files")  # free text, also where choices are offered
    assert response.status_code == 200, response.content
    body = response.json()
    assert (body["status"], body["answer"], body["answered_by"]) == (
        "answered",
        "neither, use files",
        person.username,
    )
    stored = fresh(question)
    assert stored.tool_call.status == CallStatus.SUCCEEDED
    assert result_of(stored.tool_call) == "neither, use files"
    assert stored.run.status == "queued"
    assert events_of(question) == ["question.answered", "tool.ended", "run.requeued"]


def test_the_first_answer_stands(api, person):
    question = asked(person)
    first = answer(api, question, "yes").json()
    response = answer(api, question, "no")
    assert (response.status_code, response.json()["code"]) == (409, "question_answered")
    assert response.json()["question"] == first


@pytest.mark.parametrize("kind", ["ask_user", "recovery"])
def test_after_the_deadline_nobody_can_answer_and_the_run_goes_on(decider, person, kind):
    question = (asked if kind == "ask_user" else lost)(
        person, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    for _ in range(2):
        response = answer(decider, question, "applied")
        assert (response.status_code, response.json()["code"]) == (410, "question_expired")
    stored = fresh(question)
    assert stored.tool_call.status == (CallStatus.FAILED if kind == "ask_user" else CallStatus.ABANDONED)
    assert "in time" in result_of(stored.tool_call)
    assert stored.run.status == "queued"
    assert events_of(question) == ["question.expired", "tool.ended", "run.requeued"]


@pytest.mark.parametrize(
    "body", [{}, {"answer": ""}, {"answer": "  "}, {"answer": 5}, {"answer": None}], ids=str
)
def test_a_wrong_body_answers_nothing(api, person, body):
    question = asked(person)
    response = api.post(f"{QUESTIONS}/{question.id}/answer", body, content_type="application/json")
    assert response.status_code == 400
    assert fresh(question).status == "open"


def test_another_persons_question_does_not_exist(decider):
    theirs = asked(ConversationFactory().owner)
    for question_id in (theirs.id, uuid4()):
        response = decider.post(
            f"{QUESTIONS}/{question_id}/answer", {"answer": "x"}, content_type="application/json"
        )
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert fresh(theirs).status == "open"


def test_what_became_of_a_call_takes_the_scope_of_decisions(api, client_for, person):
    question = lost(person)
    response = answer(api, question, "retry")
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    reader = client_for(person, "read")
    assert answer(reader, asked(person), "x").status_code == 403
    assert fresh(question).status == "open"


def test_after_a_cancel_nobody_can_answer(decider, person):
    question = lost(person)
    cancel_run(run=question.run, now=datetime.now(UTC))
    stored = fresh(question)
    assert (stored.status, stored.tool_call.status) == ("cancelled", CallStatus.ABANDONED)
    response = answer(decider, question, "retry")
    assert (response.status_code, response.json()["question"]["status"]) == (409, "cancelled")


# Recovery


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("applied", CallStatus.RESOLVED_APPLIED, "it took effect"),
        ("not_applied", CallStatus.RESOLVED_NOT_APPLIED, "did not take effect"),
    ],
)
def test_a_person_says_what_became_of_a_call(decider, person, text, status, says):
    question = lost(person)
    assert answer(decider, question, text).status_code == 200
    stored = fresh(question)
    assert (stored.tool_call.status, stored.run.status) == (status, "queued")
    assert says in result_of(stored.tool_call)
    audited = AuditEntry.objects.get(action="question.answered")
    assert audited.after == {"answer": text}


def test_only_the_offered_words_settle_a_lost_call(decider, person):
    question = lost(person)
    assert answer(decider, question, "perhaps").status_code == 400
    assert fresh(question).status == "open"


def test_retry_puts_a_new_call_in_the_place_of_the_lost_one(decider, person):
    question = lost(person, tool_call__edited_arguments={"command": "pytest -x"})
    assert answer(decider, question, "retry").status_code == 200
    old, new = ToolCall.objects.filter(run_id=question.run_id).order_by("round")
    assert (old.status, old.message_id) == (CallStatus.RESOLVED_NOT_APPLIED, None)
    assert (new.status, new.round) == (CallStatus.READY, 1)
    same = ("step", "place", "name", "arguments", "edited_arguments", "provider_call_id", "effect")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert fresh(question).run.status == "queued"
    assert not Message.objects.filter(run_id=question.run_id).exists()


def test_who_says_retry_is_not_asked_again_about_the_same_call(decider, person):
    question = lost(person)
    targets = Targets(command="pytest -q", argvs=(("pytest", "-q"),))
    ApprovalFactory(tool_call=question.tool_call, targets=targets, status="approved")
    answer(decider, question, "retry")
    again = ToolCall.objects.get(run_id=question.run_id, round=1)
    approved = Approval.objects.get(tool_call=again)
    facts = CallFacts(
        call_id=str(again.id),
        run_id=str(again.run_id),
        conversation_id=again.conversation_id,
        owner_id=person.id,
        tool_name="execute_command",
        definition_hash=DEFINITION_HASH,
        effect=Effect.AT_MOST_ONCE,
        changes_nothing=False,
        arguments=again.arguments,
        targets=targets,
        sandbox=SANDBOX,
        root="/srv/project",
        plan_mode=False,
        approved_digest=approved.digest,
    )
    [ruling] = policy.rule_on([facts])
    assert (ruling.verdict, ruling.rule) == (Verdict.ALLOW, "approval")


def test_stop_ends_the_run(decider, person):
    question = lost(person)
    pending = ApprovalFactory(tool_call=ToolCallFactory(run=question.run))
    assert answer(decider, question, "stop").status_code == 200
    stored = fresh(question)
    assert (stored.status, stored.run.status) == ("answered", "cancelled")
    assert stored.tool_call.status == CallStatus.ABANDONED
    pending.refresh_from_db()
    assert pending.status == "cancelled"
    assert events_of(question)[-1] == "run.ended"
    assert "run.requeued" not in events_of(question)


# An agent that goes in circles


def circling(owner, **fields) -> Question:
    """All calls of the run have ended; the question names the last of them."""
    run = RunFactory(conversation=ConversationFactory(owner=owner), status="waiting_input", attempt=1)
    call = ToolCallFactory(run=run, status="succeeded")
    return QuestionFactory(kind="loop", tool_call=call, choices=["continue", "stop"], **fields)


@pytest.mark.parametrize(("text", "status"), [("continue", "queued"), ("stop", "cancelled")])
def test_an_agent_in_circles_goes_on_or_stops(api, person, text, status):
    question = circling(person)
    assert answer(api, question, "perhaps").status_code == 400
    assert answer(api, question, text).status_code == 200
    stored = fresh(question)
    assert (stored.status, stored.run.status) == ("answered", status)
    assert stored.tool_call.status == CallStatus.SUCCEEDED


def test_an_agent_in_circles_stops_when_nobody_answers(api, person):
    question = circling(person, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert answer(api, question, "continue").status_code == 410
    assert fresh(question).run.status == "cancelled"
