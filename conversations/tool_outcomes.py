"""Outcomes of tool calls that are known outside of a worker: a person decided, the run ended, or its worker was lost.

The worker's own outcomes are part of its records (`runner/call_outcomes.py`); both store the same.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Max

from conversations import log
from conversations.core.ids import uuid7
from conversations.core.log_events import EventType
from conversations.core.tool_calls import OPEN, OUTCOMES, CallStatus, Effect, sources_of
from conversations.core.tool_results import (
    MOST_CHARACTERS,
    MOST_IN_LOG,
    action_result,
    cut,
    ended_payload,
    iso_z,
    storable,
)
from conversations.models import Conversation, Fragment, Message, Run, ToolCall
from penguin_site.errors import Conflict


class AlreadyEnded(Conflict):
    """This tool call has its outcome already."""

    code = "call_ended"


def settle_call(call: ToolCall, status: CallStatus, text: str, *, now: datetime) -> None:
    """Gives a call its one outcome: the state, the tool message, the event.

    Inside a transaction that holds the conversation's row; raises AlreadyEnded when somebody was faster.
    """
    content = cut(storable(text))
    message_id = uuid7()
    fresh = ToolCall.objects.filter(id=call.id, status__in=[s.value for s in sources_of(status)])
    changed = fresh.update(
        status=status.value,
        message_id=message_id,
        summary=content[:MOST_IN_LOG],
        truncated=len(text) > MOST_CHARACTERS,
        finished_at=now,
    )
    if not changed:
        raise AlreadyEnded
    call.refresh_from_db()
    result = result_of(call, content)
    Message.objects.create(
        id=message_id,
        conversation_id=call.conversation_id,
        owner_id=call.owner_id,
        run_id=call.run_id,
        turn=call.run.turn,
        step=_next_step(call.run_id),
        role=Message.Role.TOOL,
        content=content,
        metadata={
            "tool_call_id": str(call.id),
            "part_id": str(_origin_of(call)),
            "tool": call.name,
            "status": result["status"],
            "truncated": call.truncated,
            "artifact_id": None,
        },
    )
    Conversation.objects.filter(pk=call.conversation_id).update(message_count=F("message_count") + 1)
    Fragment.objects.filter(conversation_id=call.conversation_id, part_id=call.id).delete()
    log.append(
        call.conversation_id,
        EventType.TOOL_ENDED,
        ended_payload(result, message_id=str(message_id)),
        run_id=call.run_id,
        attempt=call.run.attempt,
    )


def close_open_calls(run: Run, *, now: datetime) -> None:
    """The run ends without its worker: its open calls end with it. Inside the transaction that ends it."""
    for call in ToolCall.objects.filter(run=run, status__in=[s.value for s in OPEN]).order_by(
        "step", "place"
    ):
        may_be_applied = call.status == CallStatus.UNKNOWN or (
            call.status == CallStatus.STARTED and call.effect != Effect.READ_ONLY
        )
        if call.status == CallStatus.STARTED and may_be_applied:
            ToolCall.objects.filter(id=call.id).update(status=CallStatus.UNKNOWN.value)
        if may_be_applied:
            text = "The run ended. Whether this was applied is not known."
            settle_call(call, CallStatus.ABANDONED, text, now=now)
        else:
            settle_call(
                call, CallStatus.CANCELLED, "Cancelled: the run ended before it was carried out.", now=now
            )


def result_of(call: ToolCall, content: str) -> dict[str, Any]:
    """One of `action_results`; `content` is that of its tool message."""
    return action_result(
        call_id=str(call.id),
        name=call.name,
        arguments=call.arguments if call.edited_arguments is None else call.edited_arguments,
        outcome=OUTCOMES[CallStatus(call.status)],
        result=content,
        started_at=iso_z(call.started_at) if call.started_at else None,
        finished_at=iso_z(call.finished_at) if call.finished_at else None,
        truncated=call.truncated,
        artifact_id=str(call.artifact_id) if call.artifact_id else None,
    )


def action_results(run_ids: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The results of the runs' tool calls, in the order they were made."""
    calls: Sequence[ToolCall] = list(
        ToolCall.objects.filter(run_id__in=list(run_ids), message_id__isnull=False).order_by(
            "step", "place", "round"
        )
    )
    contents = dict(
        Message.objects.filter(id__in=[call.message_id for call in calls]).values_list("id", "content")
    )
    results: dict[UUID, list[dict[str, Any]]] = {}
    for call in calls:
        results.setdefault(call.run_id, []).append(result_of(call, contents.get(call.message_id, "")))
    return results


def _next_step(run_id: UUID) -> int:
    last = Message.objects.filter(run_id=run_id, role=Message.Role.TOOL).aggregate(last=Max("step"))["last"]
    return Message.FIRST_TOOL_STEP if last is None else last + 1


def _origin_of(call: ToolCall) -> UUID:
    """The call the model made: a later round stands in its place."""
    if not call.round:
        return call.id
    return ToolCall.objects.values_list("id", flat=True).get(
        run_id=call.run_id, step=call.step, place=call.place, round=0
    )
