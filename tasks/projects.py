"""Projects as things one has: made, found, listed, changed, deleted."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q

from conversations.directories import BoundDirectory
from conversations.sessions import Page
from penguin_site.errors import Conflict, NotFound
from tasks import pages
from tasks.core.execution_states import LIVE
from tasks.core.task_states import TaskStatus
from tasks.dependencies import lock_links
from tasks.models import Execution, Project, ProjectRun, Task

_LIVE = [status.value for status in sorted(LIVE)]


class ProjectNotFound(NotFound):
    """There is no such project."""


class ProjectExists(Conflict):
    """You already have a project of this name."""

    code = "project_exists"


class ProjectArchived(Conflict):
    """This project is archived: make it active again first."""

    code = "project_archived"


class ProjectAtWork(Conflict):
    """Executions of this project's tasks are under way: cancel them first."""

    code = "project_at_work"


def find_project(project_id: UUID, *, owner_id: int) -> Project:
    """The caller's own project; somebody else's does not exist for them."""
    project = Project.objects.filter(id=project_id, owner_id=owner_id).first()
    if project is None:
        raise ProjectNotFound
    return project


def lock_project(project_id: UUID, *, owner_id: int) -> Project:
    """Like `find_project`; until the transaction ends nobody else changes it, adds tasks to it or deletes it."""
    # A weaker lock than that of a deletion: rows that refer to the project can be written meanwhile.
    project = Project.objects.select_for_update(no_key=True).filter(id=project_id, owner_id=owner_id).first()
    if project is None:
        raise ProjectNotFound
    return project


def list_projects(*, owner_id: int, limit: int, cursor: str = "", q: str = "", status: str = "") -> Page:
    """A page of one's projects, newest first."""
    rows = Project.objects.filter(owner_id=owner_id)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(description__icontains=q))
    if status:
        rows = rows.filter(status=status)
    return pages.newest(rows, limit=limit, cursor=cursor)


def task_counts(project_ids: Iterable[UUID]) -> dict[UUID, dict[str, int]]:
    """How many tasks of each status each project has, in one statement; every status is named."""
    counts = {project_id: {status.value: 0 for status in TaskStatus} for project_id in project_ids}
    found = Task.objects.filter(project_id__in=counts).values_list("project_id", "status")
    for project_id, status, count in found.annotate(count=Count("id")).order_by():
        counts[project_id][status] = count
    return counts


def create_project(
    *,
    owner_id: int,
    name: str,
    description: str = "",
    directory: BoundDirectory | None = None,
    review_required: bool = True,
    on_unknown: str = Project.OnUnknown.ASK,
    now: datetime,
) -> Project:
    """A new project; ProjectExists when one's own has that name."""
    project = Project(
        owner_id=owner_id,
        name=name,
        description=description,
        review_required=review_required,
        on_unknown=on_unknown,
        created_at=now,
        updated_at=now,
        **_directory_columns(directory),
    )
    try:
        with transaction.atomic():
            project.save(force_insert=True)
    except IntegrityError as error:
        raise _named(error) from error
    return project


def update_project(*, project_id: UUID, owner_id: int, changes: dict[str, Any], now: datetime) -> Project:
    """Sets what `changes` names: columns, and `directory` as a BoundDirectory or None.

    A project is not put away while an execution is at work in it. Executions keep the directory they began in.
    """
    columns = dict(changes)
    if "directory" in columns:
        columns |= _directory_columns(columns.pop("directory"))
    with transaction.atomic():
        project = lock_project(project_id, owner_id=owner_id)
        if columns.get("status") == Project.Status.ARCHIVED:
            _refuse_at_work(project)
        if not columns:
            return project
        for column, value in columns.items():
            setattr(project, column, value)
        project.updated_at = now
        try:
            with transaction.atomic():
                project.save(update_fields=[*columns, "updated_at"])
        except IntegrityError as error:
            raise _named(error) from error
    return project


def delete_project(*, project_id: UUID, owner_id: int) -> None:
    """Deletes it with its tasks and what is known of their executions; conversations stay."""
    with transaction.atomic():
        lock_links(owner_id)
        project = Project.objects.select_for_update().filter(id=project_id, owner_id=owner_id).first()
        if project is None:
            raise ProjectNotFound
        _refuse_at_work(project)
        project.delete()


def _refuse_at_work(project: Project) -> None:
    """ProjectAtWork while an agent is at work in it; under the project's lock.

    Whoever begins an execution locks its task first, and looks at the project then: until this transaction ends.
    """
    list(Task.objects.select_for_update().filter(project=project).order_by("id").values_list("id"))
    live = Execution.objects.filter(task__project=project, status__in=_LIVE).first()
    if live is not None:
        raise ProjectAtWork(
            f"An execution of this project's tasks is {live.status}: cancel it first.",
            status=live.status,
            execution_id=str(live.id),
        )
    if ProjectRun.objects.filter(project=project, status=ProjectRun.Status.RUNNING).exists():
        raise ProjectAtWork("This project is being worked through: cancel that first.")


def _directory_columns(directory: BoundDirectory | None) -> dict[str, Any]:
    return {
        "directory": directory.path if directory else None,
        "directory_device": directory.device if directory else None,
        "directory_inode": directory.inode if directory else None,
    }


def _named(error: IntegrityError) -> Exception:
    """ProjectExists, or the error itself when it is about something else."""
    return ProjectExists() if "project_name_once" in str(error) else error
