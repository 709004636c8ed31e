"""What can happen to a run from outside its worker: it is found, cancelled, retried."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from conversations import approvals, blocks, holds, log, tool_outcomes
from conversations.core import usage
from conversations.core.ids import uuid7
from conversations.core.log_events import EventType
from conversations.core.run_states import OPEN, TERMINAL, RunStatus, sources_of, target_of_cancel
from conversations.models import Conversation, Message, Run
from penguin_site.errors import Conflict, NotFound, TooManyRequests


class RunNotFound(NotFound):
    """There is no such run."""


class RunNotEnded(Conflict):
    """This run has not ended yet."""

    code = "run_not_ended"


class QuestionHidden(Conflict):
    """The message of this run was hidden by a moderator: it is not answered again."""

    code = "message_hidden"


def find_run(run_id: UUID, *, owner_id: int) -> Run:
    """The caller's own run; somebody else's does not exist for them."""
    run = Run.objects.select_related("conversation").filter(id=run_id, owner_id=owner_id).first()
    if run is None:
        raise RunNotFound
    return run


def find_anybodys(run_id: UUID) -> Run:
    """Whoever's it is: for staff, whose permission the caller has checked."""
    run = Run.objects.select_related("conversation").filter(id=run_id).first()
    if run is None:
        raise RunNotFound
    return run


def ended_payload(run: Run, status: RunStatus) -> dict[str, Any]:
    """Payload of `run.ended` for a run that ends without its worker."""
    payload = {
        "status": status.value,
        "answer_id": str(run.answer_message_id),
        "usage": run.usage or usage.empty(),
        "aborted": True,
    }
    return {**payload, "include_reasoning": True} if run.options.get("include_reasoning") else payload


def session_after(run: Run, conversation: Conversation) -> dict[str, str]:
    """For the payload of `run.ended`: what the session is then, unless that changes nothing.

    `conversation` as it was before. A queued run that is cancelled leaves it to the run before it.
    """
    if conversation.open_runs == 1:
        return {"session_status": "idle"}
    return {} if run.status == RunStatus.QUEUED else {"session_status": "busy"}


def cancel_run(*, run: Run, now: datetime) -> Run:
    """Asks for the end of a run: at once when no worker holds it, else through its worker. Idempotent."""
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=run.conversation_id)
        run = Run.objects.select_related("conversation").get(id=run.id)
        target = target_of_cancel(RunStatus(run.status))
        if target is None:
            return run
        fresh = Run.objects.filter(id=run.id, status__in=[s.value for s in sources_of(target)])
        if target == RunStatus.CANCELLING:
            fresh.update(status=target.value, cancel_requested_at=now)
            log.append(
                run.conversation_id,
                EventType.RUN_CANCELLING,
                {},
                run_id=run.id,
                attempt=run.attempt,
                wake=f"cancel:{run.id}",
            )
        else:
            Conversation.objects.filter(pk=run.conversation_id).update(
                open_runs=F("open_runs") - 1,
                queued_runs=F("queued_runs") - (1 if run.status == RunStatus.QUEUED else 0),
            )
            if run.status != RunStatus.QUEUED or run.attempt:
                approvals.cancel_open(run.id, run.conversation_id, now=now, attempt=run.attempt)
                tool_outcomes.close_open_calls(run, now=now)
                _mark_answer(run, target)
            fresh.update(
                status=target.value, cancel_requested_at=now, finished_at=now, attempt=F("attempt") + 1
            )
            log.append(
                run.conversation_id,
                EventType.RUN_ENDED,
                {**ended_payload(run, target), **session_after(run, conversation)},
                run_id=run.id,
                attempt=run.attempt + 1,
                wake="claim",
                inline=False,
            )
    run.refresh_from_db(fields=["status", "cancel_requested_at", "finished_at"])
    return run


def _mark_answer(run: Run, status: RunStatus) -> None:
    """What the run has said so far stays, and tells how it ended. A run that never began has no answer."""
    answer = Message.objects.select_for_update().filter(id=run.answer_message_id).first()
    if answer:
        answer.metadata |= {"status": status.value}
        answer.save(update_fields=["metadata"])


def open_runs_of(*, conversation_ids: Sequence[int]) -> list[Run]:
    """The open runs of conversations, those first that are furthest."""
    open_runs = Run.objects.filter(conversation_id__in=conversation_ids, status__in=[s.value for s in OPEN])
    return list(open_runs.order_by("turn"))


def cancel_all(*, conversation_id: int, now: datetime) -> int:
    """Cancels every open run of a conversation, the queued ones first; how many there were."""
    found = open_runs_of(conversation_ids=[conversation_id])
    for run in reversed(found):
        cancel_run(run=run, now=now)
    return len(found)


def retry_run(*, run: Run, now: datetime) -> Run:
    """A new run for the message of a run that has ended. Its answer takes the place of the old one in the context."""
    if RunStatus(run.status) not in TERMINAL:
        raise RunNotEnded
    blocks.check_may_write(run.owner_id)
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=run.conversation_id)
        if conversation.queued_runs >= settings.PENGUIN_QUEUE_CAP:
            raise TooManyRequests(
                "Too many messages of this conversation are waiting.", retry_after_seconds=5
            )
        question = Message.objects.filter(id=run.input_message_id).first()
        if question and question.metadata.get("hidden"):
            raise QuestionHidden
        retry_id, answer_id = uuid7(), uuid7()
        position = conversation.open_runs
        seq = log.append(
            conversation.pk,
            EventType.RUN_QUEUED,
            {
                "message_id": str(run.input_message_id),
                "answer_id": str(answer_id),
                "position": position,
                "retry_of": str(run.id),
            },
            run_id=retry_id,
            wake="claim",
        )
        retry = Run.objects.create(
            id=retry_id,
            conversation=conversation,
            owner_id=run.owner_id,
            turn=seq,
            status=RunStatus.QUEUED,
            hold=holds.hold_of_retry(question),
            options=run.options,
            input_message_id=run.input_message_id,
            answer_message_id=answer_id,
            retry_of=run,
            created_at=now,
            queued_at=now,
        )
        Conversation.objects.filter(pk=conversation.pk).update(
            open_runs=F("open_runs") + 1, queued_runs=F("queued_runs") + 1, last_active=now
        )
    return retry


def queue_position(run: Run) -> int | None:
    """How many runs of its conversation come before a queued one; None for every other run."""
    if run.status != RunStatus.QUEUED:
        return None
    return Run.objects.filter(
        conversation_id=run.conversation_id, status__in=[s.value for s in OPEN], turn__lt=run.turn
    ).count()
