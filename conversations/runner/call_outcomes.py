"""What a record says of tool calls: that they were proposed, begin, wait for a person, have ended."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from conversations.approvals import approval_shape
from conversations.core.ids import uuid7
from conversations.core.log_events import EventType
from conversations.core.run_states import RunStatus
from conversations.core.tool_calls import RECOVERY_CHOICES, CallStatus
from conversations.core.tool_results import (
    MOST_CHARACTERS,
    MOST_KEPT,
    cut,
    ended_payload,
    shown_approval,
    storable,
)
from conversations.models import Approval, Question
from conversations.questions import question_shape
from conversations.runner.judging import Judged
from conversations.runner.live_call import LiveCall
from conversations.runner.records import NewEvent, Record

# Events that only make sense when the run really waits.
_WAITING_EVENTS = {EventType.APPROVAL_ASKED, EventType.QUESTION_ASKED, EventType.RUN_WAITING}


def propose(record: Record, call: LiveCall) -> None:
    run = record.run
    run.calls.append(call)
    run.parts.append(call.part())
    payload = {**call.described(), "call": call.step, "answer_id": run.answer_id, "status": call.status.value}
    record.events.append(NewEvent(EventType.TOOL_PROPOSED, payload))
    store(record, call)


def store(record: Record, call: LiveCall) -> None:
    """The call as it is now."""
    run = record.run
    place = {"conversation_id": run.conversation_id, "run_id": run.id, "owner_id": run.owner_id}
    record.tools.calls.append({**call.row(), **place})


def start(record: Record, call: LiveCall, *, now: datetime) -> None:
    call.move(CallStatus.STARTED)
    call.attempt, call.started_at = record.run.attempt, now
    record.events.append(NewEvent(EventType.TOOL_STARTED, call.described()))
    store(record, call)


def settle(record: Record, call: LiveCall, status: CallStatus, text: str, *, now: datetime) -> None:
    """The call's one outcome: its result as a tool message, what is too long for that as an artifact."""
    run = record.run
    call.move(status)
    text = storable(text)
    if len(text) > MOST_CHARACTERS:
        call.truncated, call.artifact_id = True, str(uuid7())
        record.tools.artifacts.append(
            {
                "id": call.artifact_id,
                "owner_id": run.owner_id,
                "conversation_id": run.conversation_id,
                "filename": f"{call.name[:100]}-{call.place}.txt",
                "content": text[:MOST_KEPT],
            }
        )
    where = f"all of it is artifact {call.artifact_id}" if call.artifact_id else ""
    call.result = cut(text, where=where)
    call.finished_at, call.message_id = now, str(uuid7())
    result = call.action_result()
    metadata = {
        "tool_call_id": call.id,
        "part_id": call.part_id,
        "tool": call.name,
        "status": result["status"],
        "truncated": call.truncated,
        "artifact_id": call.artifact_id,
    }
    record.tools.messages.append(
        {
            "id": call.message_id,
            "conversation_id": run.conversation_id,
            "owner_id": run.owner_id,
            "run_id": run.id,
            "turn": run.turn,
            "step": run.next_tool_step,
            "content": call.result,
            "metadata": metadata,
        }
    )
    run.tool_message(call.message_id, call.result, metadata)
    record.events.append(NewEvent(EventType.TOOL_ENDED, ended_payload(result, message_id=call.message_id)))
    record.closed_parts.append(call.id)
    store(record, call)


def _required(judged: Judged) -> dict[str, Any]:
    """Only the worker knows another program's tools: what this one needs is kept for whoever edits the call."""
    if not judged.tool or not judged.targets or not judged.targets.foreign:
        return {}
    return {"required": list(judged.tool.parameters.get("required", ()))}


def ask_approval(record: Record, judged: Judged, *, now: datetime) -> None:
    """The call waits for a person's yes; an earlier yes to something else no longer counts."""
    run, call, ruling = record.run, judged.call, judged.ruling
    assert ruling and judged.targets
    if call.approval_id:
        record.tools.superseded.append({"id": call.approval_id})
    call.move(CallStatus.PENDING_APPROVAL)
    call.approval_id = call.approved_digest = None
    reason = " ".join([ruling.reason, *judged.targets.notes])
    approval = {
        "id": str(uuid7()),
        "conversation_id": run.conversation_id,
        "run_id": run.id,
        "tool_call_id": call.id,
        "owner_id": run.owner_id,
        "tool_name": call.name,
        "operation": ruling.operation,
        "resource": storable(ruling.resource),
        "arguments": call.arguments,
        "edited_arguments": call.edited_arguments,
        "digest": ruling.digest,
        "subject": ruling.subject | _required(judged),
        "reason": storable(reason),
        "diff": storable(judged.diff) if judged.diff is not None else None,
        "created_at": now,
        "expires_at": now + timedelta(seconds=settings.PENGUIN_APPROVAL_TIMEOUT_SECONDS),
    }
    record.tools.approvals.append(approval)
    shape = approval_shape(
        Approval(**approval, status="pending", feedback="", resolution_scope=""), session_id=run.session_id
    )
    record.events.append(NewEvent(EventType.APPROVAL_ASKED, {"approval": shown_approval(shape)}))
    store(record, call)


def ask_question(
    record: Record, call: LiveCall, *, kind: str, text: str, choices: list[str], now: datetime
) -> None:
    run = record.run
    question = {
        "id": str(uuid7()),
        "conversation_id": run.conversation_id,
        "run_id": run.id,
        "tool_call_id": call.id,
        "owner_id": run.owner_id,
        "kind": kind,
        "text": storable(text),
        "choices": choices,
        "created_at": now,
        "expires_at": now + timedelta(seconds=settings.PENGUIN_APPROVAL_TIMEOUT_SECONDS),
    }
    record.tools.questions.append(question)
    shape = question_shape(Question(**question, status="open", answer=""), session_id=run.session_id)
    record.events.append(NewEvent(EventType.QUESTION_ASKED, {"question": shape}))


def leave_unknown(record: Record, call: LiveCall, *, now: datetime) -> None:
    """Its worker was lost and nothing tells whether it was applied: a person has to find out."""
    call.move(CallStatus.UNKNOWN)
    store(record, call)
    text = (
        f"The worker was lost while it carried out {call.name} ({call.gist()}). Whether it took effect is not known. "
        "Look, then say: applied, not_applied, retry (run it again) or stop (end the run)."
    )
    ask_question(
        record, call, kind=Question.Kind.RECOVERY, text=text, choices=list(RECOVERY_CHOICES), now=now
    )


def wait(record: Record, status: RunStatus) -> None:
    """The run gives its lease back until everything it waits for is decided."""
    record.status = status
    record.step_started = False
    record.events.append(NewEvent(EventType.RUN_WAITING, {"status": status.value}))


def without_waiting(record: Record) -> Record:
    """The same record for a run whose end was asked for meanwhile: nobody is asked anything any more."""
    tools = record.tools
    tools.approvals, tools.questions = [], []
    events = [event for event in record.events if event.type not in _WAITING_EVENTS]
    return Record(
        record.run,
        events,
        step_started=record.step_started,
        save_answer=record.save_answer,
        answer_metadata=record.answer_metadata,
        call=record.call,
        closed_parts=record.closed_parts,
        tools=tools,
    )


def close_open_calls(record: Record, *, outputs: dict[str, str], now: datetime) -> None:
    """The run ends: what has not ended ends with it, with the output it has had so far."""
    for call in record.run.calls:
        if not call.is_open:
            continue
        if call.status == CallStatus.UNKNOWN:
            settle(record, call, CallStatus.ABANDONED, "Whether it was applied is not known.", now=now)
            continue
        output = outputs.get(call.id, "")
        said = (
            "Cancelled: the run ended while it was at work."
            if call.status == CallStatus.STARTED
            else ("Cancelled: the run ended before it was carried out.")
        )
        settle(record, call, CallStatus.CANCELLED, f"{output}\n{said}".strip(), now=now)
