"""Runs that wait for people: their open items under lock, and how they go on once nothing of them is open any more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import F

from conversations import log
from conversations.core.log_events import EventType
from conversations.core.run_states import WAITING, RunStatus
from conversations.models import Approval, Conversation, Question, Run, ToolCall

Item = TypeVar("Item", Approval, Question)


@dataclass(frozen=True, slots=True)
class Locked(Generic[Item]):
    """An approval or a question with what it belongs to, all of it locked until the end of the transaction."""

    run: Run
    call: ToolCall
    item: Item

    def tell(self, event_type: EventType, payload: dict[str, Any]) -> None:
        log.append(
            self.run.conversation_id, event_type, payload, run_id=self.run.id, attempt=self.run.attempt
        )


def lock(item: Item) -> Locked[Item]:
    """Locks conversation, run, call and item, in this order, and reads them anew; ConversationGone when deleted."""
    conversation = Conversation.objects.select_for_update().filter(pk=item.conversation_id).first()
    if conversation is None:
        raise log.ConversationGone
    run = Run.objects.select_for_update().get(id=item.run_id)
    call = ToolCall.objects.select_for_update().get(id=item.tool_call_id)
    fresh = type(item).objects.select_for_update().get(id=item.id)
    run.conversation = call.conversation = fresh.conversation = conversation
    call.run = fresh.run = run
    return Locked(run, call, fresh)


def requeue_decided(run: Run, *, now: datetime) -> bool:
    """Queues a waiting run when its last open item was decided; whether it did.

    Called inside the transaction of the decision, with the conversation locked: of two last decisions one sees the
    other. A paused run stays paused.
    """
    if Approval.objects.filter(run_id=run.id, status=Approval.Status.PENDING).exists():
        return False
    if Question.objects.filter(run_id=run.id, status=Question.Status.OPEN).exists():
        return False
    waiting = Run.objects.filter(id=run.id, status__in=[status.value for status in WAITING])
    if not waiting.update(status=RunStatus.QUEUED.value, queued_at=now):
        return False
    Conversation.objects.filter(pk=run.conversation_id).update(queued_runs=F("queued_runs") + 1)
    log.append(
        run.conversation_id,
        EventType.RUN_REQUEUED,
        {"reason": "decided"},
        run_id=run.id,
        attempt=run.attempt,
        wake="claim",
    )
    return True
