"""`update_task`: the agent tells how far it is, or changes a task that it has added."""

from typing import Any
from uuid import UUID

from conversations.tools.base import Invocation, ToolError, ToolResult
from tasks import progress, task_changes
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Task
from tasks.tools.at_work import TaskTool, now

_CHANGEABLE = ("title", "description", "acceptance_criteria", "priority")


class UpdateTask(TaskTool):
    name = "update_task"
    description = (
        "Without task_id: tells the user how far your work on this task is (progress in percent, note in a sentence); "
        "use it at the end of each larger step. With the task_id of a task that you have added: changes it."
    )
    parameters = {
        "type": "object",
        "properties": {
            "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            "note": {"type": "string", "maxLength": 2000},
            "task_id": {"type": "string", "format": "uuid"},
            "title": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "\\S"},
            "description": {"type": "string", "maxLength": 20_000},
            "acceptance_criteria": {
                "type": "array",
                "maxItems": 20,
                "items": {"type": "string", "minLength": 1, "maxLength": 2000},
            },
            "priority": {"type": "integer", "minimum": -100, "maximum": 100},
        },
        "minProperties": 1,
        "additionalProperties": False,
    }

    def change(self, invocation: Invocation, execution: Execution) -> ToolResult:
        arguments = invocation.arguments
        changes = {name: arguments[name] for name in _CHANGEABLE if name in arguments}
        if "task_id" in arguments:
            return self._change_added(execution, arguments["task_id"], changes)
        if changes:
            raise ToolError(
                "This task itself is the user's: you can tell progress and a note, or name a task_id."
            )
        percent, note = arguments.get("progress"), arguments.get("note", "")
        progress.tell(execution.id, percent=percent, note=note, now=now())
        return ToolResult("Noted.")

    def _change_added(self, execution: Execution, task_id: str, changes: dict[str, Any]) -> ToolResult:
        try:
            task = Task.objects.filter(id=UUID(task_id), added_by=execution).first()
        except ValueError:
            task = None
        if task is None:
            raise ToolError(
                "You can only change tasks that you have added; their ids are what add_task returned."
            )
        if task.status != TaskStatus.ACTIVE:
            raise ToolError(f"This task is {task.status}: it is changed no more.")
        if not changes:
            raise ToolError(f"Nothing to change: name one of {', '.join(_CHANGEABLE)}.")
        task_changes.update_task(task_id=task.id, owner_id=task.owner_id, changes=changes, now=now())
        return ToolResult(f'Changed the task "{changes.get("title", task.title)}".')
