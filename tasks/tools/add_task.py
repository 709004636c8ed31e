"""`add_task`: the agent notes follow-up work as a task of its own."""

from uuid import UUID

from conversations.tools.base import Invocation, ToolError, ToolResult
from tasks import task_changes
from tasks.models import Execution, Task
from tasks.tools.at_work import TaskTool, now

# An agent that goes astray must not fill the tables.
MOST_ADDED = 100


class AddTask(TaskTool):
    name = "add_task"
    description = (
        "Adds a follow-up task to the project of this task (without a project: to the user's tasks). Use it for work "
        "that you have found and that does not belong to this task, or to split work that is too large. The task is "
        "done later, by a person or an agent, so write down all that one has to know."
    )
    parameters = {
        "type": "object",
        "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "\\S"},
            "description": {"type": "string", "maxLength": 20_000},
            "acceptance_criteria": {
                "type": "array",
                "maxItems": 20,
                "items": {"type": "string", "minLength": 1, "maxLength": 2000},
                "description": "Sentences that are true when it is done.",
            },
            "priority": {
                "type": "integer",
                "minimum": -100,
                "maximum": 100,
                "description": "Higher is done first. Default: 0.",
            },
            "depends_on": {
                "type": "array",
                "maxItems": 20,
                "items": {"type": "string", "format": "uuid"},
                "description": "Ids of tasks that have to be completed first.",
            },
        },
        "required": ["title"],
        "additionalProperties": False,
    }

    def change(self, invocation: Invocation, execution: Execution) -> ToolResult:
        arguments = invocation.arguments
        # It is the same call when its worker was lost before it could say that it was carried out.
        task = Task.objects.filter(added_by_call=invocation.call_id).first()
        if task is None:
            if Task.objects.filter(added_by=execution).count() >= MOST_ADDED:
                raise ToolError(f"This execution has added {MOST_ADDED} tasks, which is the most.")
            task = task_changes.create_task(
                owner_id=execution.owner_id,
                title=arguments["title"].strip(),
                description=arguments.get("description", ""),
                project_id=execution.task.project_id,
                depends_on=_ids(arguments.get("depends_on", ())),
                acceptance_criteria=arguments.get("acceptance_criteria", ()),
                priority=arguments.get("priority", 0),
                added_by=execution,
                now=now(),
            )
            Task.objects.filter(id=task.id).update(added_by_call=invocation.call_id)
        return ToolResult(f'Added the task "{task.title}" with the id {task.id}.')


def _ids(texts: list[str]) -> list[UUID]:
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise ToolError("depends_on: ids of tasks, as add_task returned them.") from None
