"""`todo_write`: the agent's list of what it has to do, shown to the user as it changes."""

from collections import Counter

from conversations.core.tool_calls import Effect
from conversations.tools.base import BlockingTool, Invocation, ToolResult

STATUSES = ("pending", "in_progress", "completed", "cancelled")


class TodoWrite(BlockingTool):
    name = "todo_write"
    description = (
        "Replaces your list of tasks, which the user sees. Use it for work of several steps: write all steps down, "
        "have one in_progress at a time, and mark each completed as soon as it is."
    )
    parameters = {
        "type": "object",
        "properties": {
            "todos": {
                "type": "array",
                "maxItems": 100,
                "description": "The whole list, in order; an empty one clears it.",
                "items": {
                    "type": "object",
                    "properties": {
                        "content": {"type": "string", "minLength": 1, "maxLength": 500},
                        "status": {"type": "string", "enum": list(STATUSES)},
                    },
                    "required": ["content", "status"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["todos"],
        "additionalProperties": False,
    }
    effect = Effect.IDEMPOTENT
    changes_nothing = True

    def work(self, invocation: Invocation) -> ToolResult:
        todos = [
            {"content": todo["content"], "status": todo["status"]} for todo in invocation.arguments["todos"]
        ]
        counts = Counter(todo["status"] for todo in todos)
        summary = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        return ToolResult(
            f"The list is stored: {summary}." if todos else "The list is empty now.", todos=todos
        )
