"""Runs that wait for moderation before a worker may claim them (`PENGUIN_MODERATION=hold`)."""

from uuid import UUID

from django.conf import settings
from django.db import transaction

from conversations import log
from conversations.core.log_events import EventType
from conversations.core.moderation import FlagState, Hold
from conversations.core.run_states import RunStatus
from conversations.models import Conversation, Message, ModerationFlag, Run

# Reasons of `run.requeued`.
CHECKED, IN_REVIEW = "moderation_passed", "moderation_review"


def queue_reason(status: str, hold: str) -> str | None:
    """Why a run waits beside its place in the queue, for clients."""
    return f"moderation_{hold}" if hold and status == RunStatus.QUEUED else None


def new_hold() -> str:
    """The hold of a run whose message has just been said."""
    return Hold.CHECK.value if settings.PENGUIN_MODERATION == "hold" else ""


def hold_of_retry(message: Message | None) -> str:
    """The hold of a run that answers an older message again; the conversation is locked."""
    if not new_hold():
        return ""
    if message is None or message.checked_at is None:
        return Hold.CHECK.value
    return Hold.REVIEW.value if _is_flagged(message.id) else ""


def settle(message_id: UUID) -> None:
    """What becomes of the runs that wait for this message, now that it was checked or decided on: they may be claimed,
    or wait for staff. Idempotent."""
    held = Run.objects.filter(input_message_id=message_id).exclude(hold="")
    for run_id, conversation_id in held.values_list("id", "conversation_id"):
        with transaction.atomic():
            if not Conversation.objects.select_for_update().filter(pk=conversation_id).exists():
                continue
            hold = Hold.REVIEW.value if _is_flagged(message_id) else ""
            fresh = Run.objects.filter(id=run_id, status=RunStatus.QUEUED.value).exclude(hold="")
            if not fresh.exclude(hold=hold).update(hold=hold):
                continue
            log.append(
                conversation_id,
                EventType.RUN_REQUEUED,
                {"reason": IN_REVIEW if hold else CHECKED},
                run_id=run_id,
                wake=None if hold else "claim",
            )


def waiting_for(message_id: UUID) -> list[Run]:
    """The runs that wait for this message."""
    queued = Run.objects.filter(input_message_id=message_id, status=RunStatus.QUEUED.value)
    return list(queued.exclude(hold=""))


def let_all_go() -> int:
    """For a server that no longer checks: what waits for a check goes on; how many did."""
    waiting = Run.objects.filter(hold=Hold.CHECK.value, status=RunStatus.QUEUED.value)
    return waiting.update(hold="")


def _is_flagged(message_id: UUID) -> bool:
    return (
        ModerationFlag.objects.filter(message_id=message_id).exclude(state=FlagState.DECIDED.value).exists()
    )
