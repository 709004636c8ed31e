"""The frames of the chat socket, made from the log and the pieces between its events: `{"event", "data"}`."""

from collections.abc import Mapping
from typing import Any

from conversations.core import cursors
from conversations.core.log_events import Event, EventType, PartKind, Piece
from conversations.core.run_errors import http_status

Frame = dict[str, Any]


def frame(event: str, **data: Any) -> Frame:
    return {"event": event, "data": data}


def error_frame(message: str, code: str, status: int, **more: Any) -> Frame:
    return frame("error", message=message, code=code, status=status, **more)


def of_piece(piece: Piece, *, session_id: str) -> Frame:
    if piece.kind == PartKind.OUTPUT:
        return frame(
            "tool",
            session_id=session_id,
            run_id=piece.run_id,
            phase="progress",
            tool_call_id=piece.part_id,
            output=piece.text,
            offset=piece.offset,
        )
    name = "token" if piece.kind == PartKind.TEXT else "reasoning"
    return frame(
        name,
        session_id=session_id,
        run_id=piece.run_id,
        token=piece.text,
        part_id=piece.part_id,
        offset=piece.offset,
    )


def of_event(event: Event, *, session_id: str, epoch: str) -> list[Frame]:
    """The frames a client gets for an event: none, one, or two."""
    payload = event.payload or {}
    common = {"session_id": session_id, "run_id": event.run_id, "cursor": cursors.encode(epoch, event.seq)}
    match event.type:
        case EventType.RUN_QUEUED:
            start = frame("start", **common, conversation_id=session_id, message_id=payload["answer_id"])
            position, reason = payload["position"], _hold_reason(payload)
            waits = [frame("status", **common, status="queued", position=position, **reason)]
            return [start, *waits] if position or reason else [start]
        case EventType.RUN_REQUEUED:
            return [frame("status", **common, status="queued", position=0, reason=payload["reason"])]
        case EventType.RUN_RETRYING:
            return [frame("status", **common, status="retrying", **payload)]
        case EventType.RUN_COMPACTING:
            return [frame("status", **common, status="compacting")]
        case EventType.RUN_CANCELLING:
            return [frame("status", **common, status="cancelling")]
        case EventType.MESSAGE_STEERED:
            return [frame("status", **common, status="steered", message_id=payload["message_id"])]
        case EventType.PART_INTERRUPTED:
            return [frame("status", **common, status="interrupted", part_id=payload["part_id"])]
        case EventType.RUN_WAITING:
            return [frame("status", **common, status=payload["status"])]
        case EventType.RUN_PAUSED:
            return [frame("status", **common, status="paused", reason=payload["reason"])]
        case EventType.TOOL_STARTED:
            return [_tool(payload, common, phase="start", status="running")]
        case EventType.TOOL_ENDED:
            return [
                _tool(
                    payload,
                    common,
                    phase="end",
                    status=payload["status"],
                    result=payload["result"],
                    truncated=payload["truncated"],
                    artifact_id=payload["artifact_id"],
                )
            ]
        case EventType.TODOS_UPDATED:
            return [frame("todos", **common, todos=payload["todos"])]
        case EventType.EXECUTION_STARTED | EventType.EXECUTION_UPDATED | EventType.EXECUTION_ENDED:
            return [frame("execution", **common, execution=payload["execution"])]
        case EventType.MESSAGE_MODERATED:
            # Of no run, as it may come long after the `complete` that is the last frame of its own.
            return [frame("moderated", **{**common, "run_id": None}, **payload)]
        case EventType.RUN_ENDED:
            return _ended(payload, common, session_id)
    if asked := _ASKED.get(event.type):
        name, subject, phase = asked
        return [frame(name, **common, phase=phase, **{subject: payload[subject]})]
    return []


def _hold_reason(payload: Mapping[str, Any]) -> dict[str, str]:
    """Why a run waits although it may be the next one."""
    return {"reason": f"moderation_{payload['hold']}"} if payload.get("hold") else {}


_ASKED: dict[str, tuple[str, str, str]] = {
    EventType.APPROVAL_ASKED: ("approval", "approval", "asked"),
    EventType.APPROVAL_DECIDED: ("approval", "approval", "decided"),
    EventType.APPROVAL_EXPIRED: ("approval", "approval", "expired"),
    EventType.QUESTION_ASKED: ("question", "question", "asked"),
    EventType.QUESTION_ANSWERED: ("question", "question", "answered"),
    EventType.QUESTION_EXPIRED: ("question", "question", "expired"),
}


def _tool(payload: Mapping[str, Any], common: dict[str, Any], **more: Any) -> Frame:
    return frame(
        "tool",
        **common,
        tool_call_id=payload["tool_call_id"],
        action=payload["tool"],
        arguments=payload["arguments"],
        **more,
    )


def _ended(payload: Mapping[str, Any], common: dict[str, Any], session_id: str) -> list[Frame]:
    complete = frame(
        "complete",
        **common,
        conversation_id=session_id,
        message_id=payload["answer_id"],
        response=payload.get("response", ""),
        action_results=payload.get("action_results", []),
        status=payload["status"],
        aborted=payload["aborted"],
        usage=payload["usage"],
    )
    if "reasoning" in payload:
        complete["data"]["reasoning"] = payload["reasoning"]
    if "sponsored" in payload:
        complete["data"]["sponsored"] = payload["sponsored"]
    error = payload.get("error")
    if not error:
        return [complete]
    complete["data"]["error"] = error
    # The error is not the end: its cursor would let a client that saw only it miss the `complete`.
    without_cursor = {key: value for key, value in common.items() if key != "cursor"}
    return [
        error_frame(
            error["message"],
            error["kind"],
            http_status(error["kind"]),
            retryable=error["retryable"],
            **without_cursor,
        ),
        complete,
    ]
