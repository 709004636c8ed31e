"""The frames of the socket of tasks: those of the chat socket, as far as they concern whoever waits for a task.

An execution is a conversation with one run after another, so its frames are made from the same log; how a run begins,
waits and ends is progress here, and what ends is the execution.
"""

from typing import Any

from conversations.core import chat_frames, cursors
from conversations.core.chat_frames import Frame, frame
from conversations.core.log_events import Event, EventType, PartKind, Piece

ENDS = {
    "completed": "task_completed",
    "failed": "task_failed",
    "cancelled": "task_cancelled",
    "timed_out": "time_limit_reached",
}
# It may also have completed its last task when the time was over.
_TIME_LIMIT = "time_limit"
_AS_IN_CHAT = frozenset({"token", "tool", "approval"})
_PROGRESS = frozenset({"status", "todos"})
_PLACE = ("session_id", "run_id", "cursor")


def of_piece(piece: Piece, *, session_id: str, execution_id: str) -> list[Frame]:
    if piece.kind == PartKind.REASONING:
        return []
    return [_ours(chat_frames.of_piece(piece, session_id=session_id), execution_id)]


def of_event(event: Event, *, session_id: str, epoch: str, execution_id: str) -> list[Frame]:
    """The frames for an entry of the log, at most one of them with its cursor."""
    payload = event.payload or {}
    place = {"session_id": session_id, "run_id": event.run_id, "cursor": cursors.encode(epoch, event.seq)}
    if event.type in _OF_EXECUTIONS:
        told = payload["execution"]
        return [of_execution(event.type, told, place)] if told["id"] == execution_id else []
    if event.type == EventType.TASK_UPDATED:
        return [_ours(frame("task_progress", **place, kind="task", task=payload["task"]), execution_id)]
    frames = chat_frames.of_event(event, session_id=session_id, epoch=epoch)
    return [_ours(made, execution_id) for chat in frames for made in _translated(chat)]


def of_execution(event_type: str, told: dict[str, Any], place: dict[str, Any]) -> Frame:
    """`told`: the execution as the log has it; `place`: session, run and, unless it is said a second time, cursor."""
    common = {
        **place,
        "execution_id": told["id"],
        "task_id": told["task"]["id"],
        "name": told["task"]["name"],
    }
    match event_type:
        case EventType.EXECUTION_STARTED:
            return frame("task_started", **common, status=told["status"], execution=told)
        case EventType.EXECUTION_ENDED:
            name = "time_limit_reached" if told["stop_reason"] == _TIME_LIMIT else ENDS[told["status"]]
            stated = {key: told[key] for key in ("status", "stop_reason", "result", "error")}
            return frame(name, **common, **stated, execution=told)
        case _:
            stated = {key: told[key] for key in ("status", "wait_reason", "progress")}
            return frame("task_progress", **common, kind="execution", **stated, execution=told)


_OF_EXECUTIONS = frozenset(
    {EventType.EXECUTION_STARTED, EventType.EXECUTION_UPDATED, EventType.EXECUTION_ENDED}
)


def _translated(chat: Frame) -> list[Frame]:
    name, data = chat["event"], chat["data"]
    if name in _AS_IN_CHAT:
        return [chat]
    place = {key: data[key] for key in _PLACE if key in data}
    if name in _PROGRESS:
        more = {key: value for key, value in data.items() if key not in _PLACE}
        return [frame("task_progress", **place, kind=name, **more)]
    match name:
        case "start":
            return [frame("task_progress", **place, kind="run", phase="start", message_id=data["message_id"])]
        case "complete":
            return _run_ended(data, place)
        case "question" if data["phase"] == "asked":
            return [frame("clarification_needed", **place, question=data["question"])]
        case "question":
            asked = {"phase": data["phase"], "question": data["question"]}
            return [frame("task_progress", **place, kind="clarification", **asked)]
    return []  # `error` stands in the end of its run, too


def _run_ended(data: dict[str, Any], place: dict[str, Any]) -> list[Frame]:
    """The answer as it stands in the conversation, then that the run is over."""
    ended = {key: data[key] for key in ("message_id", "status", "usage")}
    end = frame("task_progress", **place, kind="run", phase="end", **ended, error=data.get("error"))
    if not data["response"]:
        return [end]
    # The message is not the end of the entry: its cursor would let a client that saw only it miss the rest.
    where = {key: value for key, value in place.items() if key != "cursor"}
    said = {"message_id": data["message_id"], "role": "assistant", "content": data["response"]}
    return [frame("message", **where, **said), end]


def _ours(made: Frame, execution_id: str) -> Frame:
    made["data"]["execution_id"] = execution_id
    return made
