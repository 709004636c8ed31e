"""Tasks are made, changed and deleted.

Locks are taken in the order: how a person's tasks hang together, project, task.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tasks import dependencies, projects, task_moves, tasks
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Project, Task

_LINKS = frozenset({"project_id", "parent_id", "depends_on"})


def create_task(
    *,
    owner_id: int,
    title: str,
    now: datetime,
    description: str = "",
    project_id: UUID | None = None,
    parent_id: UUID | None = None,
    depends_on: Collection[UUID] = (),
    acceptance_criteria: Sequence[str] = (),
    priority: int = 0,
    due_at: datetime | None = None,
    budget_tokens: int | None = None,
    budget_cost_micros: int | None = None,
    time_limit_seconds: int | None = None,
    added_by: Execution | None = None,
) -> Task:
    """A new active task; `added_by` where an execution's agent thought of it."""
    task = Task(
        owner_id=owner_id,
        project_id=project_id,
        title=title,
        description=description,
        acceptance_criteria=list(acceptance_criteria),
        priority=priority,
        due_at=due_at,
        budget_tokens=budget_tokens,
        budget_cost_micros=budget_cost_micros,
        time_limit_seconds=time_limit_seconds,
        origin=Task.Origin.AGENT if added_by else Task.Origin.PERSON,
        added_by=added_by,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        is_linked = parent_id is not None or depends_on
        if is_linked:
            dependencies.lock_links(owner_id)
        if project_id is not None:
            _open_project(project_id, owner_id=owner_id)
        task.save(force_insert=True)
        if is_linked:
            _link(task, {"parent_id": parent_id, "depends_on": depends_on})
        return tasks.find_task(task.id, owner_id=owner_id)


def update_task(*, task_id: UUID, owner_id: int, changes: dict[str, Any], now: datetime) -> Task:
    """Sets what `changes` names: columns, `depends_on` (the whole list) and `status` (a move a person makes).

    The project of a task cannot change while an execution is at work on it.
    """
    columns = {name: value for name, value in changes.items() if name not in _LINKS | {"status"}}
    links = {name: changes[name] for name in _LINKS & changes.keys()}
    with transaction.atomic():
        if links:
            dependencies.lock_links(owner_id)
        if links.get("project_id") is not None:
            _open_project(links["project_id"], owner_id=owner_id)
        task = tasks.lock_task(task_id, owner_id=owner_id)
        if "project_id" in links and links["project_id"] != task.project_id:
            task_moves.refuse_at_work(task)
        if links:
            _link(task, links)
        if columns or links:
            Task.objects.filter(id=task.id).update(**columns, updated_at=now)
        if "status" in changes and changes["status"] != task.status:
            target = TaskStatus(changes["status"])
            return task_moves.set_status(task_id=task_id, owner_id=owner_id, target=target, now=now)
        return tasks.find_task(task_id, owner_id=owner_id)


def delete_task(*, task_id: UUID, owner_id: int) -> None:
    """Deletes it with what is known of its executions. What depended on it no longer does; its subtasks stay."""
    with transaction.atomic():
        dependencies.lock_links(owner_id)
        task = tasks.lock_task(task_id, owner_id=owner_id)
        task_moves.refuse_at_work(task)
        task.delete()


def _open_project(project_id: UUID, *, owner_id: int) -> None:
    project = projects.lock_project(project_id, owner_id=owner_id)
    if project.status == Project.Status.ARCHIVED:
        raise projects.ProjectArchived


def _link(task: Task, links: dict[str, Any]) -> None:
    """Under `lock_links`: sets what is named, then looks whether all of it fits together."""
    if links.get("parent_id") is not None:
        dependencies.check_parent(task, links["parent_id"])
    columns = {name: links[name] for name in ("project_id", "parent_id") if name in links}
    if columns:
        for name, value in columns.items():
            setattr(task, name, value)
        task.save(update_fields=list(columns))
    if "depends_on" in links:
        dependencies.set_dependencies(task, links["depends_on"])
    dependencies.check_one_project(task)
