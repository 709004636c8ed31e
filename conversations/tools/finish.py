"""`finish_task`: the agent says that its work is over, and how it went; the run ends with it."""

from conversations.core.tool_calls import Effect
from conversations.tools.base import BlockingTool, Invocation, ToolResult

STATUSES = ("done", "partial", "blocked")


class FinishTask(BlockingTool):
    name = "finish_task"
    description = (
        "Ends your work on the task. Call it last, and once: done when all that was asked for is done and checked, "
        "partial when some of it is, blocked when you cannot go on. The summary is what the user reads."
    )
    parameters = {
        "type": "object",
        "properties": {
            "summary": {
                "type": "string",
                "minLength": 1,
                "maxLength": 20_000,
                "description": "What was done, what was not, and what the user has to know.",
            },
            "status": {"type": "string", "enum": list(STATUSES)},
        },
        "required": ["summary", "status"],
        "additionalProperties": False,
    }
    effect = Effect.IDEMPOTENT
    changes_nothing = True

    def work(self, invocation: Invocation) -> ToolResult:
        summary, status = invocation.arguments["summary"], invocation.arguments["status"]
        return ToolResult(summary, finish={"summary": summary, "status": status})
