"""Questions to people: what the agent asked, and what became of calls whose worker was lost. `answers.py` answers."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Value, When

from conversations.core.log_events import EventType
from conversations.core.tool_calls import CallStatus
from conversations.core.tool_results import iso_z
from conversations.log import ConversationGone
from conversations.models import Question
from conversations.tool_outcomes import settle_call
from conversations.waiting_runs import Locked, lock, requeue_decided
from penguin_site.errors import NotFound

MOST_LISTED = 200

_NO_ANSWER = "The person did not answer in time. Go on without an answer, or ask again later."
_NOBODY_SAID = (
    "It is unknown whether this call took effect: its worker was lost, and nobody said in time what became of it. "
    "Look before you repeat it."
)


class QuestionNotFound(NotFound):
    """There is no such question."""


def question_shape(question: Question, *, session_id: str | None = None) -> dict[str, Any]:
    """The question as clients see it, JSON-ready. `session_id` where the conversation is not loaded."""
    return {
        "id": str(question.id),
        "session_id": session_id or question.conversation.session_id,
        "run_id": str(question.run_id),
        "tool_call_id": str(question.tool_call_id),
        "kind": str(question.kind),
        "text": question.text,
        "choices": question.choices,
        "status": str(question.status),
        "answer": question.answer,
        "created_at": iso_z(question.created_at) if isinstance(question.created_at, datetime) else None,
        "expires_at": iso_z(question.expires_at),
        "answered_at": iso_z(question.answered_at) if question.answered_at else None,
        "answered_by": question.answered_by.get_username() if question.answered_by_id else None,
    }


def find_question(question_id: UUID, *, owner_id: int) -> Question:
    """The caller's own question; somebody else's does not exist for them."""
    found = Question.objects.select_related("conversation", "answered_by").filter(
        id=question_id, owner_id=owner_id
    )
    if (question := found.first()) is None:
        raise QuestionNotFound
    return question


def list_questions(*, owner_id: int, session_id: str = "") -> list[Question]:
    """One's questions, open ones first, then the newest; the first 200."""
    rows = Question.objects.filter(owner_id=owner_id).select_related("conversation", "answered_by")
    if session_id:
        rows = rows.filter(conversation__owner_id=owner_id, conversation__session_id=session_id)
    is_closed = Case(When(status=Question.Status.OPEN, then=Value(0)), default=Value(1))
    return list(rows.order_by(is_closed, "-created_at", "-id")[:MOST_LISTED])


def expire(locked: Locked[Question], *, now: datetime) -> None:
    """Nobody answered: the call has its outcome, the model is told. Inside the caller's transaction."""
    question = locked.item
    question.status, question.answered_at = Question.Status.EXPIRED, now
    question.save(update_fields=["status", "answered_at"])
    locked.tell(EventType.QUESTION_EXPIRED, {"question": question_shape(question)})
    match question.kind:
        case Question.Kind.ASK_USER:
            settle_call(locked.call, CallStatus.FAILED, _NO_ANSWER, now=now)
        case Question.Kind.RECOVERY:
            settle_call(locked.call, CallStatus.ABANDONED, _NOBODY_SAID, now=now)
        case Question.Kind.LOOP:
            # Nobody wants it to go on. Imported here: the end of a run closes questions, by way of this module.
            from conversations import runs

            runs.cancel_run(run=locked.run, now=now)
    requeue_decided(locked.run, now=now)


def expire_if_due(question: Question, *, now: datetime) -> bool:
    """Expires one question in a transaction of its own, unless somebody was faster."""
    with transaction.atomic():
        try:
            locked = lock(question)
        except ConversationGone:
            return False
        if locked.item.status != Question.Status.OPEN or locked.item.expires_at > now:
            return False
        expire(locked, now=now)
    return True


def cancel(questions: Iterable[Question], *, now: datetime) -> list[Question]:
    """Closes open questions, whose run has ended; inside the caller's transaction."""
    cancelled = list(questions)
    for question in cancelled:
        question.status, question.answered_at = Question.Status.CANCELLED, now
        question.save(update_fields=["status", "answered_at"])
    return cancelled
