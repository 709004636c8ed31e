"""Projects and tasks as answers show them. Plain values: a page through a serializer costs more than its query."""

from typing import Any

from conversations.core.usage import MICROS
from tasks import tasks
from tasks.core.task_states import TaskStatus
from tasks.models import Project, Task

TASK_EXAMPLE: dict[str, Any] = {
    "id": "018e8f5a-0000-7000-8000-000000000011",
    "project_id": "018e8f5a-0000-7000-8000-000000000010",
    "parent_task_id": None,
    "title": "Write the landing page",
    "description": "With React, responsive.",
    "status": "active",
    "ready": True,
    "priority": 0,
    "depends_on": [],
    "blocked_by": [],
    "acceptance_criteria": ["The page works at a width of 360 pixels."],
    "due_at": None,
    "budget_tokens": 200_000,
    "budget_cost_usd": None,
    "time_limit": 30,
    "result": "",
    "feedback": "",
    "origin": "person",
    "execution": None,
    "created_at": "2024-03-30T12:34:56Z",
    "updated_at": "2024-03-30T12:34:56Z",
    "completed_at": None,
}
PROJECT_EXAMPLE: dict[str, Any] = {
    "id": "018e8f5a-0000-7000-8000-000000000010",
    "name": "Website Development",
    "description": "Create a responsive website with React and FastAPI backend",
    "status": "active",
    "directory": None,
    "review_required": True,
    "on_unknown": "ask",
    "task_counts": {status.value: int(status == TaskStatus.ACTIVE) for status in TaskStatus},
    "created_at": "2024-03-30T12:34:56Z",
    "updated_at": "2024-03-30T12:34:56Z",
}


def task_body(task: Task) -> dict[str, Any]:
    """Of a task read by `tasks.with_links`."""
    live = tasks.live_execution_of(task)
    return {
        "id": str(task.id),
        "project_id": str(task.project_id) if task.project_id else None,
        "parent_task_id": str(task.parent_id) if task.parent_id else None,
        "title": task.title,
        "description": task.description,
        "status": task.status,
        "ready": tasks.is_ready(task),
        "priority": task.priority,
        "depends_on": [str(task_id) for task_id in tasks.needed(task)],
        "blocked_by": [str(task_id) for task_id in tasks.unmet(task)],
        "acceptance_criteria": task.acceptance_criteria,
        "due_at": task.due_at,
        "budget_tokens": task.budget_tokens,
        "budget_cost_usd": None if task.budget_cost_micros is None else task.budget_cost_micros / MICROS,
        "time_limit": minutes(task.time_limit_seconds),
        "result": task.result,
        "feedback": task.feedback,
        "origin": task.origin,
        "execution": live and {"id": str(live.id), "status": live.status, "wait_reason": live.wait_reason},
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "completed_at": task.completed_at,
    }


def minutes(seconds: int | None) -> float | int | None:
    """A time limit as it was sent: 30, not 30.0."""
    if seconds is None:
        return None
    return seconds / 60 if seconds % 60 else seconds // 60


def project_body(project: Project, task_counts: dict[str, int]) -> dict[str, Any]:
    return {
        "id": str(project.id),
        "name": project.name,
        "description": project.description,
        "status": project.status,
        "directory": project.directory,
        "review_required": project.review_required,
        "on_unknown": project.on_unknown,
        "task_counts": task_counts,
        "created_at": project.created_at,
        "updated_at": project.updated_at,
    }
