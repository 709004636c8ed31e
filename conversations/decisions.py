"""A person's yes or no to a tool call: one of them counts, and what follows from it is stored with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from conversations import approvals, edited_calls, grants
from conversations.approvals import approval_shape
from conversations.core import touched
from conversations.core.grants import Matcher, Pattern
from conversations.core.log_events import EventType
from conversations.core.tool_calls import CallStatus, sources_of
from conversations.core.tool_results import shown_approval
from conversations.edited_calls import Edit
from conversations.models import Approval, ToolCall, ToolPin
from conversations.tool_outcomes import settle_call
from conversations.waiting_runs import Locked, lock, requeue_decided
from penguin_site import audit
from penguin_site.errors import Conflict, Gone


class AlreadyDecided(Conflict):
    """This approval was decided before."""

    code = "approval_decided"


class DigestDiffers(Conflict):
    """The call is not the one that was shown."""

    code = "digest_mismatch"


class ApprovalExpired(Gone):
    """The time for this decision is over; the call was denied."""

    code = "approval_expired"


@dataclass(frozen=True, slots=True)
class Approve:
    scope: str = grants.ONCE
    pattern: Pattern | None = None
    digest: str | None = None  # of what the person was shown
    arguments: dict[str, Any] | None = None  # edited by the person


@dataclass(frozen=True, slots=True)
class Deny:
    feedback: str = ""
    digest: str | None = None


def decide(
    approval_id: UUID, choice: Approve | Deny, *, user: Any, now: datetime, request: Any = None
) -> Approval:
    """Decides a pending approval of the user's, once: whoever comes later is told what the first one said."""
    found = approvals.find_approval(approval_id, owner_id=user.pk)
    return _decide(found, choice, user=user, now=now, request=request)


def decide_as_staff(
    approval_id: UUID, choice: Approve | Deny, *, user: Any, now: datetime, request: Any = None
) -> Approval:
    """The same for anybody's approval; that `user` may is the caller's to check. What is granted is the owner's."""
    found = approvals.find_anybodys(approval_id)
    return _decide(found, choice, user=user, now=now, request=request)


def _decide(found: Approval, choice: Approve | Deny, *, user: Any, now: datetime, request: Any) -> Approval:
    _check_open(found, choice)
    edit = None
    if isinstance(choice, Approve) and choice.arguments is not None and found.expires_at > now:
        edit = edited_calls.judge_edit(found, choice.arguments)
    with transaction.atomic():
        locked = lock(found)
        approval = locked.item
        _check_open(approval, choice)
        if is_late := approval.expires_at <= now:
            approvals.expire(locked, now=now)  # and stays so: the error comes after the commit
        else:
            _store(locked, choice, edit, user=user, now=now, request=request)
    if is_late:
        raise ApprovalExpired(approval=approval_shape(approval))
    return approval


def _check_open(approval: Approval, choice: Approve | Deny) -> None:
    if approval.status == Approval.Status.EXPIRED:
        raise ApprovalExpired(approval=approval_shape(approval))
    if approval.status != Approval.Status.PENDING:
        raise AlreadyDecided(f"This approval is {approval.status}.", approval=approval_shape(approval))
    if choice.digest is not None and choice.digest != approval.digest:
        raise DigestDiffers(digest=approval.digest)


def _store(
    locked: Locked[Approval],
    choice: Approve | Deny,
    edit: Edit | None,
    *,
    user: Any,
    now: datetime,
    request: Any,
) -> None:
    approval = locked.item
    approval.resolved_at, approval.resolved_by = now, user
    if isinstance(choice, Deny):
        approval.status, approval.feedback = Approval.Status.DENIED, choice.feedback
    else:
        approval.status = Approval.Status.APPROVED
        if edit:
            _take_over(approval, edit)
        matchers = _matchers(approval, choice)
        # What cannot be taken apart is permitted once, whatever was asked for.
        approval.resolution_scope = choice.scope if matchers else grants.ONCE
    approval.save()
    locked.tell(EventType.APPROVAL_DECIDED, {"approval": shown_approval(approval_shape(approval))})
    if isinstance(choice, Deny):
        settle_call(locked.call, CallStatus.DENIED, _denied_text(choice.feedback), now=now)
    else:
        _release(locked.call, edit)
        _pin(approval)
    requeue_decided(locked.run, now=now)
    # The chain of audit rows has one end for all: its lock is taken last.
    audit.record(
        user,
        f"approval.{approval.status}",
        approval,
        {"status": "pending"},
        {
            "status": str(approval.status),
            "scope": approval.resolution_scope,
            "digest": approval.digest,
            "edited": edit is not None,
        },
        request,
    )
    if isinstance(choice, Approve):
        grants.grant_by_approval(approval, matchers, scope=choice.scope, user=user, now=now, request=request)


def _take_over(approval: Approval, edit: Edit) -> None:
    """The approval is for the edited call from now on; what the model asked for stays in `arguments`."""
    approval.edited_arguments, approval.diff = edit.arguments, edit.diff
    approval.digest, approval.subject = edit.ruling.digest, edit.ruling.subject
    approval.operation, approval.resource = edit.ruling.operation, edit.ruling.resource


def _matchers(approval: Approval, choice: Approve) -> list[Matcher]:
    arguments = approval.arguments if approval.edited_arguments is None else approval.edited_arguments
    return grants.matchers_for(
        choice.scope,
        choice.pattern,
        touched=touched.from_json(approval.subject["targets"]),
        arguments=arguments,
        root=approval.subject["root"],
    )


def _release(call: ToolCall, edit: Edit | None) -> None:
    """The call may start; its worker looks at the policy once more right before."""
    call.status = CallStatus.READY.value
    changes: dict[str, Any] = {"status": call.status}
    if edit:
        changes["edited_arguments"] = call.edited_arguments = edit.arguments
    waiting = ToolCall.objects.filter(
        id=call.id, status__in=[s.value for s in sources_of(CallStatus.READY) - {CallStatus.PROPOSED}]
    )
    assert waiting.update(**changes) == 1, "a pending approval belongs to a call that waits"


def _pin(approval: Approval) -> None:
    """A foreign tool is known from now on as it was approved."""
    if approval.subject["targets"]["foreign"]:
        ToolPin.objects.update_or_create(
            owner_id=approval.owner_id,
            tool_name=approval.tool_name,
            defaults={
                "definition_hash": approval.subject["definition_hash"],
                "pinned_at": approval.resolved_at,
            },
        )


def _denied_text(feedback: str) -> str:
    return f"Denied by the user: {feedback}" if feedback.strip() else "Denied by the user."
