"""Pauses: a run stands still until somebody lets it go on, with everything it has done so far."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from conversations import log
from conversations.core.log_events import EventType
from conversations.core.run_states import ACTIVE, TERMINAL, WAITING, RunStatus
from conversations.models import Approval, Conversation, Question, Run
from penguin_site.errors import Conflict

ASKED = "asked"


class RunNotPausable(Conflict):
    """This run has ended, or its end was asked for."""

    code = "run_not_pausable"


class RunNotPaused(Conflict):
    """This run is not paused."""

    code = "run_not_paused"


def pause_run(*, run: Run, now: datetime) -> Run:
    """Pauses at once what no worker holds; a running one before its next step. Idempotent."""
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=run.conversation_id)
        run = Run.objects.select_related("conversation").get(id=run.id)
        status = RunStatus(run.status)
        if status in TERMINAL or status == RunStatus.CANCELLING:
            raise RunNotPausable(f"This run is {run.status}.")
        if status == RunStatus.PAUSED:
            return run
        run.pause_reason = run.pause_reason or ASKED
        # One that waits behind another run of its conversation pauses when it is its turn.
        is_next = status in WAITING or (status == RunStatus.QUEUED and _none_is_active(conversation))
        if is_next:
            run.status = RunStatus.PAUSED
            if status == RunStatus.QUEUED:
                Conversation.objects.filter(pk=conversation.pk).update(queued_runs=F("queued_runs") - 1)
            _tell(run, EventType.RUN_PAUSED, {"reason": run.pause_reason})
        run.save(update_fields=["status", "pause_reason"])
    return run


def resume_run(*, run: Run, now: datetime, options: Mapping[str, Any] | None = None) -> Run:
    """Lets a paused run go on, ahead of newer messages; `options` replace those of its own that they name.

    What it asked a person before is still to be answered first. A pause that was only asked for is taken back.
    """
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().get(pk=run.conversation_id)
        run = Run.objects.select_related("conversation").get(id=run.id)
        if not run.pause_reason:
            raise RunNotPaused(f"This run is {run.status}.")
        run.pause_reason = ""
        run.options = {**run.options, **(options or {})}
        if run.status == RunStatus.PAUSED:
            run.status, run.queued_at = _after_pause(run), now
            if run.status == RunStatus.QUEUED:
                Conversation.objects.filter(pk=conversation.pk).update(queued_runs=F("queued_runs") + 1)
                _tell(run, EventType.RUN_REQUEUED, {"reason": "resumed"}, wake="claim")
            else:
                _tell(run, EventType.RUN_WAITING, {"status": run.status.value})
        run.save(update_fields=["status", "pause_reason", "options", "queued_at"])
    return run


def _none_is_active(conversation: Conversation) -> bool:
    active = [status.value for status in ACTIVE]
    return not Run.objects.filter(conversation_id=conversation.pk, status__in=active).exists()


def _after_pause(run: Run) -> RunStatus:
    if Approval.objects.filter(run_id=run.id, status=Approval.Status.PENDING).exists():
        return RunStatus.WAITING_APPROVAL
    if Question.objects.filter(run_id=run.id, status=Question.Status.OPEN).exists():
        return RunStatus.WAITING_INPUT
    return RunStatus.QUEUED


def _tell(run: Run, event_type: EventType, payload: dict[str, Any], *, wake: str | None = None) -> None:
    log.append(run.conversation_id, event_type, payload, run_id=run.id, attempt=run.attempt, wake=wake)
