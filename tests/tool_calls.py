"""Carries out calls of tools as the runner does: arguments checked, targets asked for, hashes planned, the work."""

from pathlib import Path
from typing import Any

from conversations.core.tool_calls import Effect
from conversations.tools.base import BlockingTool, FileEffect, Invocation, ToolResult, Workplace


def workplace(root: Path, **changes: Any) -> Workplace:
    values = {
        "root": root,
        "owner_id": 1,
        "conversation_id": 1,
        "session_id": "conversation",
        "run_id": "run",
        "is_local_owner": False,
        "sandbox": "none",
    }
    return Workplace(**{**values, **changes})


def call(
    tool: BlockingTool, place: Workplace, *, planned: list[FileEffect] | None = None, **arguments: Any
) -> str:
    """The text of the result; raises what the tool raises."""
    tool.check(arguments)
    tool.targets(arguments, place)
    if planned is None and tool.effect is Effect.RECONCILABLE:
        planned = tool.plan(arguments, place)
    result: ToolResult = tool.work(Invocation("call", arguments, place, effects=planned or []))
    assert not result.failed
    return result.text
