"""`ask_user`: a question to the user. The runner opens it and lets the run wait; the answer is the call's result."""

from conversations.core.tool_calls import Effect
from conversations.tools.base import Invocation, Tool, ToolResult


class AskUser(Tool):
    name = "ask_user"
    description = (
        "Asks the user a question and waits for the answer. Use it when you cannot decide something from the task and "
        "the files, and a wrong guess would cost work; not to report or to ask whether to go on."
    )
    parameters = {
        "type": "object",
        "properties": {
            "question": {"type": "string", "minLength": 1, "maxLength": 4000},
            "options": {
                "type": "array",
                "maxItems": 10,
                "items": {"type": "string", "minLength": 1, "maxLength": 200},
                "description": "Answers to choose from, if there are any; the user may write another one.",
            },
        },
        "required": ["question"],
        "additionalProperties": False,
    }
    effect = Effect.IDEMPOTENT
    changes_nothing = True

    async def run(self, invocation: Invocation) -> ToolResult:
        raise NotImplementedError("The runner asks, and takes the answer as the result.")
