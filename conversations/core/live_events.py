"""Live events, made from the log and the pieces between its entries: `{"id", "order", "time", "type", "properties"}`.

One entry of the log makes one or several live events. Only the last of them carries the entry's cursor as `id`: a
client that saw only some of them resumes before the entry and gets all of them again. Text on its way has no cursor; it
names its place by `offset`.

`order` rises through a stream and is the same live and in a replay: ten times the entry's seq, plus the event's place
among those of its entry; text stands behind the entry that came before it. `time` is in milliseconds since 1970: that
of the entry's row, and of text that of the beginning of its part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from conversations.core import cursors
from conversations.core.log_events import Event, EventType, PartKind, Piece
from conversations.core.run_errors import http_status

LiveEvent = dict[str, Any]
Made = tuple[str, dict[str, Any]]  # type and properties

_ORDERS_PER_ENTRY = 10
_TEXT = _ORDERS_PER_ENTRY - 1


@dataclass(frozen=True, slots=True)
class Place:
    """The conversation that events belong to, as clients know it."""

    session_id: str
    epoch: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the log, with what its live events have in common. `answer_id` is the message of its run's answer."""

    session_id: str
    payload: Mapping[str, Any]
    time: int | None
    run_id: str | None
    answer_id: str | None

    def session(self, kind: str, **info: Any) -> Made:
        return f"session.{kind}", {
            "sessionID": self.session_id,
            "info": {"id": self.session_id, **info},
        }

    def status(self, status: str, **more: Any) -> Made:
        return "session.status", {
            "sessionID": self.session_id,
            "status": status,
            "runID": self.run_id,
            **more,
        }

    def message(self, message_id: str | None, role: str, **more: Any) -> Made:
        info = {"id": message_id, "sessionID": self.session_id, "role": role, "runID": self.run_id, **more}
        return "message.updated", {"sessionID": self.session_id, "info": info}

    def answer(self, status: str, **more: Any) -> Made:
        return self.message(self.answer_id, "assistant", status=status, **more)

    def part(self, part_id: str, kind: str, **more: Any) -> Made:
        return "message.part.updated", _part(self.session_id, self.answer_id, part_id, kind, **more)


def of_event(event: Event, *, place: Place, answer_id: str | None) -> list[LiveEvent]:
    """The live events of an entry, at least one, the last with its cursor."""
    make = _MAKERS.get(event.type, _unknown)
    made = make(_Entry(place.session_id, event.payload or {}, event.time, event.run_id, answer_id))
    last = len(made) - 1
    return [
        {
            "id": cursors.encode(place.epoch, event.seq) if number == last else None,
            "order": event.seq * _ORDERS_PER_ENTRY + number,
            "time": event.time,
            "type": kind,
            "properties": properties,
        }
        for number, (kind, properties) in enumerate(made)
    ]


def of_piece(piece: Piece, *, place: Place, after: int, answer_id: str | None) -> LiveEvent:
    """Text of an open part, for a reader that has had the log up to `after`."""
    kind = "tool" if piece.kind == PartKind.OUTPUT else piece.kind
    properties = _part(place.session_id, answer_id, piece.part_id, kind)
    properties |= {"delta": piece.text, "offset": piece.offset}
    return {
        "id": None,
        "order": after * _ORDERS_PER_ENTRY + _TEXT,
        "time": _made_at(piece.part_id),
        "type": "message.part.updated",
        "properties": properties,
    }


def control(kind: str, *, now: int, **properties: Any) -> LiveEvent:
    """What is said about the stream itself: it has no place in the log."""
    return {"id": None, "order": None, "time": now, "type": kind, "properties": properties}


def _part(session_id: str, answer_id: str | None, part_id: str, kind: str, **more: Any) -> dict[str, Any]:
    """With a `delta` beside it, `part` only names the part; without one it says what has become of it."""
    names = {"sessionID": session_id, "messageID": answer_id}
    call = {"callID": part_id} if kind == "tool" else {}
    return {**names, "partID": part_id, "part": {"id": part_id, **names, "type": kind, **call, **more}}


def _made_at(row_id: str) -> int | None:
    """When an id was made, which a UUID of version 7 tells."""
    try:
        found = UUID(row_id)
    except ValueError:
        return None
    return found.int >> 80 if found.version == 7 else None


def _milliseconds(moment: str | None) -> int | None:
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else None


# Conversations


def _created(entry: _Entry) -> list[Made]:
    more = {"forkedFrom": entry.payload["forked_from"]} if "forked_from" in entry.payload else {}
    title = entry.payload.get("title", "")
    return [entry.session("created", title=title, time={"created": entry.time}, **more)]


def _updated(entry: _Entry) -> list[Made]:
    return [entry.session("updated", **entry.payload, time={"updated": entry.time})]


def _unknown(entry: _Entry) -> list[Made]:
    """Something this version has no event for: the cursor goes on."""
    return [entry.session("updated", time={"updated": entry.time})]


def _todos(entry: _Entry) -> list[Made]:
    return [("todo.updated", {"sessionID": entry.session_id, "todos": entry.payload["todos"]})]


def _work(entry: _Entry, kind: str, subject: str) -> list[Made]:
    return [(kind, {"sessionID": entry.session_id, subject: entry.payload[subject]})]


def _execution_started(entry: _Entry) -> list[Made]:
    return _work(entry, "execution.started", "execution")


def _execution_updated(entry: _Entry) -> list[Made]:
    return _work(entry, "execution.updated", "execution")


def _execution_ended(entry: _Entry) -> list[Made]:
    return _work(entry, "execution.ended", "execution")


def _task_updated(entry: _Entry) -> list[Made]:
    return _work(entry, "task.updated", "task")


# Messages and runs


def _said(entry: _Entry) -> list[Made]:
    return [entry.message(entry.payload["message_id"], "user", time={"created": entry.time})]


def _queued(entry: _Entry) -> list[Made]:
    payload, made = entry.payload, []
    if payload.get("created"):
        made += [entry.session("created", title=payload.get("title") or "", time={"created": entry.time})]
    if not payload.get("retry_of"):
        made += _said(entry)
    position = payload["position"]
    reason = {"reason": f"moderation_{payload['hold']}"} if payload.get("hold") else {}
    answer = entry.message(
        payload["answer_id"],
        "assistant",
        status="queued",
        position=position,
        parentID=payload["message_id"],
        **reason,
    )
    # Behind another run the session is as busy as it was.
    return [*made, answer] if position else [*made, answer, entry.status("busy")]


def _moderated(entry: _Entry) -> list[Made]:
    """Hidden, shown again, warned about: what it says now is read anew."""
    payload = entry.payload
    changes = {name: payload[name] for name in ("hidden", "warning") if name in payload}
    return [entry.message(payload["message_id"], payload["role"], **changes)]


def _started(entry: _Entry) -> list[Made]:
    return [entry.answer("running", time={"created": entry.time}), entry.status("busy")]


def _requeued(entry: _Entry) -> list[Made]:
    return [entry.answer("queued", reason=entry.payload["reason"]), entry.status("busy")]


def _waiting(entry: _Entry) -> list[Made]:
    return [entry.answer(entry.payload["status"]), entry.status("waiting")]


def _paused(entry: _Entry) -> list[Made]:
    return [entry.answer("paused"), entry.status("waiting", reason=entry.payload["reason"])]


def _retrying(entry: _Entry) -> list[Made]:
    payload = entry.payload
    retry = {key: payload[key] for key in ("code", "message", "attempt") if key in payload}
    return [entry.status("busy", retry={**retry, "delaySeconds": payload["delay_seconds"]})]


def _compacting(entry: _Entry) -> list[Made]:
    return [entry.status("busy", activity="compacting")]


def _cancelling(entry: _Entry) -> list[Made]:
    return [entry.answer("cancelling")]


def _ended(entry: _Entry) -> list[Made]:
    payload, error = entry.payload, entry.payload.get("error")
    common = {"sessionID": entry.session_id, "messageID": payload["answer_id"], "runID": entry.run_id}
    made: list[Made] = []
    told = {}
    if error:
        told = {"error": {**error, "status": http_status(error["kind"])}}
        made += [("session.error", {**common, **told})]
    made += [
        ("usage.updated", {**common, "usage": payload["usage"]}),
        entry.message(
            payload["answer_id"],
            "assistant",
            status=payload["status"],
            aborted=payload["aborted"],
            time={"completed": entry.time},
            **told,
        ),
    ]
    # Absent where a queued run was cancelled while another goes on.
    status = payload.get("session_status")
    return [*made, entry.status(status)] if status else made


# Parts


def _completed(entry: _Entry) -> list[Made]:
    return [_closed(entry, "complete")]


def _interrupted(entry: _Entry) -> list[Made]:
    return [_closed(entry, "interrupted")]


def _closed(entry: _Entry, status: str) -> Made:
    payload = entry.payload
    part_id = payload["part_id"]
    time = {"start": _made_at(part_id), "end": entry.time}
    return entry.part(part_id, payload["kind"], status=status, length=payload["length"], time=time)


def _tool(entry: _Entry, **state: Any) -> list[Made]:
    payload = entry.payload
    state = {"status": state.pop("status"), "input": payload["arguments"], **state}
    return [entry.part(payload["tool_call_id"], "tool", tool=payload["tool"], state=state)]


def _tool_proposed(entry: _Entry) -> list[Made]:
    return _tool(entry, status="pending")


def _tool_started(entry: _Entry) -> list[Made]:
    return _tool(entry, status="running", time={"start": entry.time})


def _tool_ended(entry: _Entry) -> list[Made]:
    payload = entry.payload
    start, end = _milliseconds(payload["started_at"]), _milliseconds(payload["finished_at"])
    succeeded = payload["status"] == "completed"
    return _tool(
        entry,
        status="completed" if succeeded else "error",
        **{"output" if succeeded else "error": payload["result"]},
        outcome=payload["status"],
        truncated=payload["truncated"],
        artifactID=payload["artifact_id"],
        resultMessageID=payload["message_id"],
        time={"start": start if start is not None else end, "end": end},
    )


# What people are asked


def _asked(entry: _Entry, kind: str, permission: dict[str, Any]) -> list[Made]:
    asked = entry.payload[kind]
    tool = {"messageID": entry.answer_id, "callID": asked.get("tool_call_id")}
    properties = {"id": asked["id"], "sessionID": entry.session_id, **permission, "tool": tool, kind: asked}
    return [("permission.asked" if kind == "approval" else "question.asked", properties)]


def _approval_asked(entry: _Entry) -> list[Made]:
    return _asked(entry, "approval", {"permission": entry.payload["approval"].get("operation")})


def _question_asked(entry: _Entry) -> list[Made]:
    return _asked(entry, "question", {})


def _approval_replied(entry: _Entry) -> list[Made]:
    approval = entry.payload["approval"]
    granted = approval["status"] == "approved"
    return [
        (
            "permission.replied",
            {
                "sessionID": entry.session_id,
                "requestID": approval["id"],
                "reply": (approval.get("resolution_scope") or "once") if granted else "reject",
                "approval": approval,
            },
        )
    ]


def _question_replied(entry: _Entry) -> list[Made]:
    question = entry.payload["question"]
    names = {"sessionID": entry.session_id, "requestID": question["id"]}
    return [("question.replied", {**names, "answer": question.get("answer"), "question": question})]


_MAKERS: dict[str, Callable[[_Entry], list[Made]]] = {
    EventType.CONVERSATION_CREATED: _created,
    EventType.CONVERSATION_UPDATED: _updated,
    EventType.CONTEXT_LOADED: _said,
    EventType.RUN_QUEUED: _queued,
    EventType.RUN_STARTED: _started,
    EventType.RUN_REQUEUED: _requeued,
    EventType.RUN_WAITING: _waiting,
    EventType.RUN_PAUSED: _paused,
    EventType.RUN_RETRYING: _retrying,
    EventType.RUN_COMPACTING: _compacting,
    EventType.RUN_CANCELLING: _cancelling,
    EventType.RUN_ENDED: _ended,
    EventType.PART_COMPLETED: _completed,
    EventType.PART_INTERRUPTED: _interrupted,
    EventType.MESSAGE_STEERED: _said,
    EventType.MESSAGE_MODERATED: _moderated,
    EventType.TOOL_PROPOSED: _tool_proposed,
    EventType.TOOL_STARTED: _tool_started,
    EventType.TOOL_ENDED: _tool_ended,
    EventType.APPROVAL_ASKED: _approval_asked,
    EventType.APPROVAL_DECIDED: _approval_replied,
    EventType.APPROVAL_EXPIRED: _approval_replied,
    EventType.QUESTION_ASKED: _question_asked,
    EventType.QUESTION_ANSWERED: _question_replied,
    EventType.QUESTION_EXPIRED: _question_replied,
    EventType.TODOS_UPDATED: _todos,
    EventType.EXECUTION_STARTED: _execution_started,
    EventType.EXECUTION_UPDATED: _execution_updated,
    EventType.EXECUTION_ENDED: _execution_ended,
    EventType.TASK_UPDATED: _task_updated,
}
