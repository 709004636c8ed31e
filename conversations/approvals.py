"""Approvals: tool calls that wait for a yes or no. Found, listed, expired, cancelled; `decisions.py` decides."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from conversations import log, questions
from conversations.core.log_events import EventType
from conversations.core.tool_calls import CallStatus
from conversations.core.tool_results import iso_z, shown_approval
from conversations.log import ConversationGone
from conversations.models import Approval, Question
from conversations.questions import question_shape
from conversations.tool_outcomes import settle_call
from conversations.waiting_runs import Locked, lock, requeue_decided
from penguin_site import audit
from penguin_site.errors import NotFound

MOST_LISTED = 200
# So many are expired before the next look: a worker has other things to do.
_BATCH = 100

_NOBODY_DECIDED = "Denied: nobody decided about this call in time."


class ApprovalNotFound(NotFound):
    """There is no such approval."""


def approval_shape(approval: Approval, *, session_id: str | None = None) -> dict[str, Any]:
    """The approval as clients see it, JSON-ready. `session_id` where the conversation is not loaded."""
    return {
        "id": str(approval.id),
        "session_id": session_id or approval.conversation.session_id,
        "run_id": str(approval.run_id),
        "tool_call_id": str(approval.tool_call_id),
        "tool_name": approval.tool_name,
        "operation": approval.operation,
        "resource": approval.resource,
        "arguments": approval.arguments,
        "edited_arguments": approval.edited_arguments,
        "digest": approval.digest,
        "reason": approval.reason,
        "diff": approval.diff,
        "status": str(approval.status),
        "feedback": approval.feedback or "",
        "created_at": iso_z(approval.created_at) if isinstance(approval.created_at, datetime) else None,
        "expires_at": iso_z(approval.expires_at),
        "resolved_at": iso_z(approval.resolved_at) if approval.resolved_at else None,
        "resolved_by": approval.resolved_by.get_username() if approval.resolved_by_id else None,
        "resolution_scope": approval.resolution_scope or None,
    }


def find_approval(approval_id: UUID, *, owner_id: int) -> Approval:
    """The caller's own approval; somebody else's does not exist for them."""
    found = _with_names(Approval.objects.filter(id=approval_id, owner_id=owner_id)).first()
    if found is None:
        raise ApprovalNotFound
    return found


def find_anybodys(approval_id: UUID) -> Approval:
    """Whoever's it is: for staff, whose permission the caller has checked."""
    found = _with_names(Approval.objects.filter(id=approval_id)).first()
    if found is None:
        raise ApprovalNotFound
    return found


def pending_of_all(*, now: datetime) -> QuerySet[Approval]:
    """What waits for anybody's decision, the most urgent first."""
    rows = Approval.objects.filter(status=Approval.Status.PENDING, expires_at__gt=now)
    return _with_names(rows).select_related("owner").order_by("expires_at", "id")


def pending(
    *, owner_id: int, now: datetime, conversation_id: int | None = None
) -> tuple[list[Approval], int]:
    """What waits for this person, the longest first (200 of it), and how much there is in all."""
    rows = Approval.objects.filter(owner_id=owner_id, status=Approval.Status.PENDING, expires_at__gt=now)
    if conversation_id is not None:
        rows = rows.filter(conversation_id=conversation_id)
    found = list(_with_names(rows).order_by("created_at", "id")[:MOST_LISTED])
    return found, rows.count() if len(found) == MOST_LISTED else len(found)


def _with_names(rows: QuerySet[Approval]) -> QuerySet[Approval]:
    return rows.select_related("conversation", "resolved_by")


def expire(locked: Locked[Approval], *, now: datetime) -> None:
    """The time is up, which is a no; inside the caller's transaction."""
    approval = locked.item
    approval.status, approval.resolved_at = Approval.Status.EXPIRED, now
    approval.save(update_fields=["status", "resolved_at"])
    locked.tell(EventType.APPROVAL_EXPIRED, {"approval": shown_approval(approval_shape(approval))})
    settle_call(locked.call, CallStatus.DENIED, _NOBODY_DECIDED, now=now)
    requeue_decided(locked.run, now=now)
    audit.record(None, "approval.expired", approval, {"status": "pending"}, {"status": "expired"})


def expire_due(*, now: datetime) -> int:
    """Ends the approvals and questions whose time is up, each in a transaction of its own; how many.

    Any number of workers may do it at once.
    """
    return sum(chain(_expire_approvals(now), _expire_questions(now)))


def _expire_approvals(now: datetime) -> Iterator[bool]:
    due = Approval.objects.filter(status=Approval.Status.PENDING, expires_at__lte=now)
    for approval in list(due.order_by("expires_at")[:_BATCH]):
        with transaction.atomic():
            try:
                locked = lock(approval)
            except ConversationGone:
                continue
            if is_due := locked.item.status == Approval.Status.PENDING and locked.item.expires_at <= now:
                expire(locked, now=now)
        yield is_due


def _expire_questions(now: datetime) -> Iterator[bool]:
    due = Question.objects.filter(status=Question.Status.OPEN, expires_at__lte=now)
    for question in list(due.order_by("expires_at")[:_BATCH]):
        yield questions.expire_if_due(question, now=now)


def cancel_open(run_id: UUID, conversation_id: int, *, now: datetime, attempt: int = 0) -> int:
    """Closes what is open of a run that ends; how much it was.

    Inside the transaction that ends the run, with its conversation locked. What becomes of the calls is the caller's.
    """
    approvals = Approval.objects.select_for_update(of=("self",)).select_related("conversation")
    open_approvals = list(approvals.filter(run_id=run_id, status=Approval.Status.PENDING).order_by("id"))
    for approval in open_approvals:
        approval.status, approval.resolved_at = Approval.Status.CANCELLED, now
        approval.save(update_fields=["status", "resolved_at"])
        log.append(
            conversation_id,
            EventType.APPROVAL_DECIDED,
            {"approval": shown_approval(approval_shape(approval))},
            run_id=run_id,
            attempt=attempt,
        )
    asked = Question.objects.select_for_update(of=("self",)).select_related("conversation")
    open_questions = list(asked.filter(run_id=run_id, status=Question.Status.OPEN).order_by("id"))
    for question in questions.cancel(open_questions, now=now):
        log.append(
            conversation_id,
            EventType.QUESTION_ANSWERED,
            {"question": question_shape(question)},
            run_id=run_id,
            attempt=attempt,
        )
    return len(open_approvals) + len(open_questions)
