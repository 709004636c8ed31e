"""Executions of tasks on a running stack: started, looked at, and awaited."""

import json
from typing import Any
from uuid import uuid4

from tests.e2e.tool_runs import call
from tests.processes import eventually
from tests.stack import Stack

ENDED = ("completed", "failed", "cancelled", "timed_out")


def finish(step: int, summary: str = "It is done.", status: str = "done") -> str:
    """The directive by which the scripted model ends its task in its `step`-th answer, from 0."""
    return call("finish_task", step, summary=summary, status=status)


def post(stack: Stack, path: str, *, expect: int = 200, **body: Any) -> dict[str, Any]:
    status, answer = stack.request("POST", f"/api/v1/{path}", body)
    assert status == expect, (status, answer)
    found: dict[str, Any] = answer
    return found


def get(stack: Stack, path: str, *, expect: int = 200) -> dict[str, Any]:
    status, answer = stack.request("GET", f"/api/v1/{path}")
    assert status == expect, (status, answer)
    found: dict[str, Any] = answer
    return found


def execute(stack: Stack, script: str, **fields: Any) -> str:
    """Starts a new task whose agent does what `script` says; the execution's id."""
    body = {"name": f"Task {uuid4().hex[:8]}", "description": script, **fields}
    started = post(stack, "tasks/execute", **body)
    assert started["status"] == "started"
    return str(started["execution_id"])


def execution(stack: Stack, execution_id: str) -> dict[str, Any]:
    return get(stack, f"executions/{execution_id}")


def task(stack: Stack, task_id: str) -> dict[str, Any]:
    return get(stack, f"tasks/{task_id}")


def until(stack: Stack, execution_id: str, *states: str, seconds: float = 40) -> dict[str, Any]:
    """The execution, once it is in one of these states."""
    seen: dict[str, Any] = {}

    def arrived() -> dict[str, Any] | None:
        seen.update(execution(stack, execution_id))
        return seen if seen["status"] in states else None

    try:
        found: dict[str, Any] = eventually(arrived, seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {json.dumps(seen)[:2000]}") from None
    return found


def until_end(stack: Stack, execution_id: str, *, seconds: float = 40) -> dict[str, Any]:
    return until(stack, execution_id, *ENDED, seconds=seconds)


def project(stack: Stack, **fields: Any) -> str:
    return str(post(stack, "projects", name=f"Project {uuid4().hex[:8]}", **fields)["id"])


def new_task(stack: Stack, title: str, script: str, **fields: Any) -> str:
    return str(post(stack, "tasks", title=title, description=script, **fields)["id"])
