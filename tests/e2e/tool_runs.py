"""Runs that use tools, and what must be true of each of them when all is over."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.processes import eventually
from tests.stack import Stack


def call(name: str, step: int, **arguments: Any) -> str:
    """The directive by which the scripted model calls a tool in its `step`-th answer, from 0."""
    return f"[[tool name={name} step={step} arguments={json.dumps(arguments, ensure_ascii=False)}]]"


def new_session() -> str:
    return f"tools-{uuid4().hex[:12]}"


def say(stack: Stack, text: str, *, wait: bool = True, **fields: Any) -> dict[str, Any]:
    """The answer's body (or the 202's)."""
    status, body = stack.request("POST", "/api/v1/chat/message", {"text": text, "wait": wait, **fields})
    assert status == (200 if wait else 202), body
    found: dict[str, Any] = body
    return found


def pending(stack: Stack, run_id: str, *, count: int = 1) -> list[dict[str, Any]]:
    """The approvals that a run waits for, once there are so many."""

    def asked() -> list[dict[str, Any]]:
        _, body = stack.request("GET", "/api/v1/approvals")
        mine = [approval for approval in body["pending"] if approval["run_id"] == run_id]
        return mine if len(mine) == count else []

    found: list[dict[str, Any]] = eventually(asked)
    return found


def run_status(stack: Stack, run_id: str) -> str:
    return str(stack.request("GET", f"/api/v1/runs/{run_id}")[1]["status"])


def await_end(stack: Stack, run_id: str, *, seconds: float = 40) -> dict[str, Any]:
    """The run, once it has ended."""

    def ended() -> dict[str, Any] | None:
        _, run = stack.request("GET", f"/api/v1/runs/{run_id}")
        return run if run["status"] in ("completed", "failed", "cancelled", "timed_out") else None

    found: dict[str, Any] = eventually(ended, seconds=seconds)
    return found


def transcript(stack: Stack, session_id: str) -> list[tuple[str, str]]:
    _, conversation = stack.request("GET", f"/api/v1/conversations/{session_id}")
    return [(message["role"], message["content"]) for message in conversation["messages"]]


def assert_every_call_has_one_outcome(stack: Stack, run_id: str) -> None:
    """Each call has ended, with one message; the model was never sent a history that does not pair."""
    rows = stack.sql(
        "SELECT t.id, t.status, count(m.id) FROM tool_call t"
        " LEFT JOIN message m ON m.role = 'tool' AND m.metadata->>'tool_call_id' = t.id::text"
        " WHERE t.run_id = %s GROUP BY 1, 2",
        run_id,
    )
    assert rows
    for call_id, status, messages in rows:
        # A call that a person had tried again has its result in the next round.
        assert (messages, status) != (0, "succeeded"), call_id
        assert messages == (0 if status == "resolved_not_applied" else 1) or messages == 1, (call_id, status)
        assert status not in ("proposed", "pending_approval", "ready", "started", "unknown")
    ended = "SELECT payload->>'tool_call_id', count(*) FROM conversation_event WHERE run_id = %s"
    assert stack.sql(f"{ended} AND type = 'tool.ended' GROUP BY 1 HAVING count(*) <> 1", run_id) == []
    assert not [entry for entry in stack.model_requests() if entry["outcome"] == "badly_paired"]


def repository(directory: Path) -> Path:
    """A small repository with a bug and a test that finds it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "sums.py").write_text("def add(a, b):\n    return a - b\n")
    (directory / "check.sh").write_text('test "$(python3 -c "import sums; print(sums.add(2, 3))")" = 5\n')
    return directory
