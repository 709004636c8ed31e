"""What the agent of a task is told at its beginning: the task, and what is known of those it depends on."""

from tasks.core.task_texts import Brief, task_text
from tasks.models import Task


def brief_of(task: Task, *, with_tools: bool) -> str:
    """Of a task with its project and parent."""
    needed = Task.objects.filter(dependents__task=task).order_by("dependents__id")
    return task_text(
        Brief(
            title=task.title,
            description=task.description,
            project=_introduced(task.project.name, task.project.description) if task.project else "",
            criteria=task.acceptance_criteria,
            needed=list(needed.values_list("title", "result")),
            feedback=task.feedback,
            earlier_result=task.result,
            subtask_of=task.parent.title if task.parent else "",
            with_tools=with_tools,
        )
    )


def _introduced(name: str, description: str) -> str:
    return f"{name}\n{description}" if description else name
