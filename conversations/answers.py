"""A person's answer to a question: it is the result of what asked, or settles what became of a lost call."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from conversations import questions, runs
from conversations.core import digests, touched
from conversations.core.ids import uuid7
from conversations.core.log_events import EventType
from conversations.core.tool_calls import CallStatus, sources_of
from conversations.models import Approval, Question, ToolCall
from conversations.questions import question_shape
from conversations.tool_outcomes import settle_call
from conversations.waiting_runs import Locked, lock, requeue_decided
from penguin_site import audit
from penguin_site.errors import Conflict, Gone, InvalidField

APPLIED, NOT_APPLIED, RETRY, STOP, CONTINUE = "applied", "not_applied", "retry", "stop", "continue"
_CHOICES = {
    Question.Kind.RECOVERY: (APPLIED, NOT_APPLIED, RETRY, STOP),
    Question.Kind.LOOP: (CONTINUE, STOP),
}


class AlreadyAnswered(Conflict):
    """This question was answered before."""

    code = "question_answered"


class QuestionExpired(Gone):
    """The time for this answer is over."""

    code = "question_expired"


def scope_of(question: Question) -> str:
    """What a key needs to answer: what became of a call, and whether it runs again, is a decision."""
    return "approvals:decide" if question.kind == Question.Kind.RECOVERY else "chat"


def answer_question(
    found: Question, answer: str, *, user: Any, now: datetime, request: Any = None
) -> Question:
    """Answers an open question, once; `found` is the user's own."""
    _check_open(found)
    choices = _CHOICES.get(Question.Kind(found.kind))
    if choices and answer not in choices:
        raise InvalidField("answer", f"this is one of {', '.join(choices)}.")
    with transaction.atomic():
        locked = lock(found)
        question = locked.item
        _check_open(question)
        if is_late := question.expires_at <= now:
            questions.expire(locked, now=now)  # and stays so: the error comes after the commit
        else:
            _store(locked, answer, user=user, now=now, request=request)
    if is_late:
        raise QuestionExpired(question=question_shape(question))
    return question


def _check_open(question: Question) -> None:
    if question.status == Question.Status.EXPIRED:
        raise QuestionExpired(question=question_shape(question))
    if question.status != Question.Status.OPEN:
        raise AlreadyAnswered(f"This question is {question.status}.", question=question_shape(question))


def _store(locked: Locked[Question], answer: str, *, user: Any, now: datetime, request: Any) -> None:
    question = locked.item
    question.status, question.answer = Question.Status.ANSWERED, answer
    question.answered_at, question.answered_by = now, user
    question.save(update_fields=["status", "answer", "answered_at", "answered_by"])
    locked.tell(EventType.QUESTION_ANSWERED, {"question": question_shape(question)})
    if question.kind == Question.Kind.ASK_USER:
        settle_call(locked.call, CallStatus.SUCCEEDED, answer, now=now)
    elif question.kind == Question.Kind.RECOVERY:
        _recover(locked.call, answer, user=user, now=now)
    if question.kind != Question.Kind.ASK_USER and answer == STOP:
        runs.cancel_run(run=locked.run, now=now)
    else:
        requeue_decided(locked.run, now=now)
    if question.kind != Question.Kind.ASK_USER:
        audit.record(user, "question.answered", question, {"status": "open"}, {"answer": answer}, request)


def _recover(call: ToolCall, answer: str, *, user: Any, now: datetime) -> None:
    match answer:
        case "applied":
            text = "The worker was lost during this call. A person has looked: it took effect. Its output is lost."
            settle_call(call, CallStatus.RESOLVED_APPLIED, text, now=now)
        case "not_applied":
            text = "The worker was lost during this call. A person has looked: it did not take effect."
            settle_call(call, CallStatus.RESOLVED_NOT_APPLIED, text, now=now)
        case "retry":
            _try_again(call, user=user, now=now)
        case "stop":
            text = "The worker was lost during this call, and whether it took effect is not known. The run was stopped."
            settle_call(call, CallStatus.ABANDONED, text, now=now)


def _try_again(call: ToolCall, *, user: Any, now: datetime) -> None:
    """The lost call ends without a result, and one like it takes its place. Both stand in the history of the run."""
    lost = ToolCall.objects.filter(
        id=call.id, status__in=[s.value for s in sources_of(CallStatus.RESOLVED_NOT_APPLIED)]
    )
    assert lost.update(status=CallStatus.RESOLVED_NOT_APPLIED.value, finished_at=now) == 1
    again = ToolCall.objects.create(
        conversation_id=call.conversation_id,
        run_id=call.run_id,
        owner_id=call.owner_id,
        step=call.step,
        place=call.place,
        round=call.round + 1,
        provider_call_id=call.provider_call_id,
        name=call.name,
        arguments=call.arguments,
        raw_arguments=call.raw_arguments,
        edited_arguments=call.edited_arguments,
        effect=call.effect,
        status=CallStatus.READY.value,
        created_at=now,
    )
    approved = call.approvals.filter(status=Approval.Status.APPROVED).order_by("-created_at").first()
    if approved:
        _approve_again(approved, again, user=user, now=now)


def _approve_again(approved: Approval, again: ToolCall, *, user: Any, now: datetime) -> None:
    """Who says `retry` need not be asked once more about the same thing; about a changed one they are."""
    arguments = again.arguments if again.edited_arguments is None else again.edited_arguments
    subject = approved.subject
    Approval.objects.create(
        id=uuid7(),
        conversation_id=again.conversation_id,
        run_id=again.run_id,
        tool_call=again,
        owner_id=again.owner_id,
        tool_name=again.name,
        operation=approved.operation,
        resource=approved.resource,
        arguments=approved.arguments,
        edited_arguments=approved.edited_arguments,
        digest=digests.digest(
            tool=again.name,
            definition_hash=subject["definition_hash"],
            arguments=arguments,
            touched=touched.from_json(subject["targets"]),
            root=subject["root"],
            sandbox=subject["sandbox"],
            run_id=str(again.run_id),
            call_id=str(again.id),
        ),
        subject=subject,
        reason="A person had the call tried again after its worker was lost.",
        diff=approved.diff,
        status=Approval.Status.APPROVED,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.PENGUIN_APPROVAL_TIMEOUT_SECONDS),
        resolved_at=now,
        resolved_by=user,
        resolution_scope="once",
    )
