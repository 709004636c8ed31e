"""Takes over the runs of lost workers, and ends cancels that nobody confirms. Every worker does it; locks keep it once.

Sync code, one transaction a run: the lost worker's row is locked first, so that a worker which is not quite dead has
either stored its last write or finds itself fenced.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations import log, tool_outcomes
from conversations.core import usage
from conversations.core.log_events import EventType, PartKind
from conversations.core.recovery import LostRun, Verdict, judge
from conversations.core.run_states import LEASED, RunStatus, may_move
from conversations.core.token_estimate import text_tokens
from conversations.core.transcript import complete_texts, last_call
from conversations.models import Conversation, Fragment, Message, ModelCall, Run, Worker
from conversations.runs import ended_payload, session_after

logger = logging.getLogger(__name__)

# A worker has so long to confirm a cancel.
CANCEL_SECONDS = 15
# Rows of workers that nobody has heard of for so long are deleted.
FORGET = timedelta(hours=1)

WORKER_LOST_REPEATEDLY = {
    "kind": "worker_lost_repeatedly",
    "message": "The worker was lost again and again while it answered this message.",
    "retryable": True,
}


def reap(*, now: datetime) -> int:
    """Recovers what can be recovered now; how many runs."""
    alive = Worker.objects.filter(lease_expires_at__gt=Now()).values("id")
    overdue = Q(status=RunStatus.CANCELLING, cancel_requested_at__lt=now - timedelta(seconds=CANCEL_SECONDS))
    lost = (
        Run.objects.filter(status__in=[s.value for s in LEASED])
        .filter(overdue | ~Q(lease_owner__in=alive))
        .values_list("id", "conversation_id", "lease_owner")
    )
    recovered = sum(take_over(*run, now=now) for run in list(lost))
    Worker.objects.filter(heartbeat_at__lt=now - FORGET).exclude(
        id__in=Run.objects.filter(lease_owner__isnull=False).values("lease_owner")
    ).delete()
    return recovered


def take_over(run_id: UUID, conversation_id: int, owner: UUID, *, now: datetime) -> bool:
    """Recovers one run, unless its worker is alive after all or somebody else was faster."""
    with transaction.atomic():
        worker = Worker.objects.select_for_update().filter(id=owner).first()
        if Conversation.objects.select_for_update().filter(pk=conversation_id).first() is None:
            return False
        run = Run.objects.select_for_update().filter(id=run_id, lease_owner=owner).first()
        if run is None or run.status not in LEASED:
            return False
        overdue = run.cancel_requested_at and run.cancel_requested_at < now - timedelta(
            seconds=CANCEL_SECONDS
        )
        is_alive = worker and Worker.objects.filter(id=owner, lease_expires_at__gt=Now()).exists()
        if is_alive and not overdue:
            return False
        verdict = judge(
            LostRun(RunStatus(run.status), run.attempt, run.step_started, run.losses, run.step_losses)
        )
        logger.warning("Run %s was lost by worker %s: %s.", run.id, owner, verdict.value)
        _carry_out(run, verdict, now=now)
    return True


@dataclass(slots=True)
class _OpenPart:
    id: UUID
    kind: str
    text: str


def _open_parts(run: Run) -> list[_OpenPart]:
    parts: dict[UUID, _OpenPart] = {}
    for fragment in Fragment.objects.filter(conversation_id=run.conversation_id, run_id=run.id).order_by(
        "part_id", "offset"
    ):
        part = parts.setdefault(fragment.part_id, _OpenPart(fragment.part_id, fragment.kind, ""))
        part.text += fragment.text
    return list(parts.values())


def _carry_out(run: Run, verdict: Verdict, *, now: datetime) -> None:
    """Stores the verdict: the attempt rises, so nothing the old worker still writes counts."""
    run.attempt += 1
    kept = verdict in (Verdict.CANCEL, Verdict.FAIL)  # the partial text is the answer then
    if run.step_started:
        _close_parts(run, status="complete" if kept else "interrupted")
        _close_calls(run)
    if run.claimed_at:
        run.active_seconds += (now - run.claimed_at).total_seconds()
    run.lease_owner = None
    if verdict is Verdict.REPEAT_STEP:
        run.losses += 1
        run.step_losses += 1
    run.step_started = False
    if kept:
        tool_outcomes.close_open_calls(run, now=now)
        _end(run, verdict, now=now)
    else:
        _move(run, RunStatus.QUEUED)
        Conversation.objects.filter(pk=run.conversation_id).update(queued_runs=F("queued_runs") + 1)
        _append(run, EventType.RUN_REQUEUED, {"reason": "worker_lost"}, wake="claim")
    run.save()


def _move(run: Run, target: RunStatus) -> None:
    assert may_move(RunStatus(run.status), target)
    run.status = target


def _append(run: Run, event_type: EventType, payload: dict[str, Any], **options: Any) -> None:
    log.append(run.conversation_id, event_type, payload, run_id=run.id, attempt=run.attempt, **options)


def _close_parts(run: Run, *, status: str) -> None:
    """The text so far goes into the answer's parts, and out of the fragments. The output of tools goes: their results
    hold what there is of it."""
    answer = Message.objects.select_for_update().get(id=run.answer_message_id)
    if status == "interrupted":
        _interrupt_closed_parts(run, answer)
    for part in _open_parts(run):
        if part.kind == PartKind.OUTPUT:
            continue
        answer.parts.append(
            {"id": str(part.id), "type": part.kind, "text": part.text, "status": status, "call": run.step}
        )
        payload = _part_payload(run, part.id, part.kind, len(part.text))
        if status == "complete":
            _append(run, EventType.PART_COMPLETED, {**payload, "text": None}, inline=False)
        else:
            _append(run, EventType.PART_INTERRUPTED, payload)
    if status == "complete":
        answer.content = complete_texts(answer.parts).get(last_call(answer.parts), "")
    answer.save(update_fields=["parts", "content"])
    Fragment.objects.filter(conversation_id=run.conversation_id, run_id=run.id).delete()


def _interrupt_closed_parts(run: Run, answer: Message) -> None:
    """What the lost model call has completed of its answer is repeated with it. A step of tools stays as it is."""
    if not ModelCall.objects.filter(run_id=run.id, step=run.step, status=ModelCall.Status.STARTED).exists():
        return
    for part in answer.parts:
        if part["call"] == run.step and part["status"] == "complete":
            part["status"] = "interrupted"
            payload = _part_payload(run, part["id"], part["type"], len(part["text"]))
            _append(run, EventType.PART_INTERRUPTED, payload)


def _part_payload(run: Run, part_id: UUID | str, kind: str, length: int) -> dict[str, Any]:
    return {
        "part_id": str(part_id),
        "kind": kind,
        "length": length,
        "answer_id": str(run.answer_message_id),
    }


def _close_calls(run: Run) -> None:
    """The lost call is recorded with what it has surely cost: nobody knows the provider's own figures."""
    answer = Message.objects.get(id=run.answer_message_id)
    output = sum(text_tokens(part.get("text", "")) for part in answer.parts if part["call"] == run.step)
    calls = ModelCall.objects.filter(run_id=run.id, status=ModelCall.Status.STARTED)
    if calls.update(
        status=ModelCall.Status.INTERRUPTED, output_tokens=output, estimated=True, finished_at=Now()
    ):
        run.usage = usage.added(run.usage, {"output_tokens": output}, None)
        Conversation.objects.filter(pk=run.conversation_id).update(token_count=F("token_count") + output)


def _end(run: Run, verdict: Verdict, *, now: datetime) -> None:
    _move(run, RunStatus.CANCELLED if verdict is Verdict.CANCEL else RunStatus.FAILED)
    run.finished_at = now
    payload = ended_payload(run, RunStatus(run.status))
    metadata: dict[str, Any] = {"status": str(run.status)}
    if verdict is Verdict.FAIL:
        run.error = payload["error"] = metadata["error"] = WORKER_LOST_REPEATEDLY
        payload["aborted"] = False
    answer = Message.objects.select_for_update().get(id=run.answer_message_id)
    answer.metadata |= metadata
    answer.save(update_fields=["metadata"])
    payload |= session_after(run, Conversation.objects.get(pk=run.conversation_id))
    Conversation.objects.filter(pk=run.conversation_id).update(open_runs=F("open_runs") - 1)
    _append(run, EventType.RUN_ENDED, payload, inline=False, wake="claim")
