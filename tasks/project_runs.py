"""Work through a project: an execution for each of its ready tasks, so many at once, until nothing is left to begin.

Like `advance.py`: a function of what is stored, under the project run's lock, that any worker may call.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from penguin_site.errors import Conflict, DomainError, NotFound
from tasks import executions, projects, tasks
from tasks.core.execution_states import LIVE, ExecutionStatus
from tasks.core.following import StopReason
from tasks.core.task_states import TaskStatus
from tasks.executions import AS_ITS_TASK_SAYS, StartOptions
from tasks.models import Execution, Project, ProjectRun, Task

_LIVE = [status.value for status in sorted(LIVE)]
_AT_WORK = [ExecutionStatus.QUEUED.value, ExecutionStatus.RUNNING.value]
S = ProjectRun.Status


class ProjectRunNotFound(NotFound):
    """There is no such run of a project."""


class ProjectRunExists(Conflict):
    """This project is being worked through already."""

    code = "project_run_exists"


class NothingReady(Conflict):
    """No task of this project can begin."""

    code = "no_ready_tasks"


def start(
    *,
    project: Project,
    user_id: int,
    is_local_owner: bool,
    now: datetime,
    continuous: bool = False,
    parallel: int = 1,
    time_limit_seconds: int | None = None,
    options: StartOptions = AS_ITS_TASK_SAYS,
) -> tuple[ProjectRun, list[Execution]]:
    """Begins with as many ready tasks as may be done at once. Without `continuous` only what is ready now is done."""
    with transaction.atomic():
        locked = projects.lock_project(project.id, owner_id=user_id)
        if locked.status == Project.Status.ARCHIVED:
            raise projects.ProjectArchived
        if ProjectRun.objects.filter(project=locked, status=S.RUNNING).exists():
            raise ProjectRunExists
        task_ids = list(_ready(locked.id, user_id).values_list("id", flat=True))
        if not task_ids:
            raise NothingReady
        of_runs = options.of_runs(is_local_owner=is_local_owner)
        project_run = ProjectRun.objects.create(
            project=locked,
            owner_id=user_id,
            continuous=continuous,
            parallel=parallel,
            time_limit_seconds=time_limit_seconds,
            options={
                "of_runs": of_runs,
                **({} if continuous else {"task_ids": [str(one) for one in task_ids]}),
            },
            created_at=now,
        )
        begun = _begin_more(project_run, now=now)
    return project_run, begun


def newest_of(project: Project) -> ProjectRun:
    """The run under way, else the last one; ProjectRunNotFound when there was none."""
    found = ProjectRun.objects.filter(project=project).order_by("-created_at", "-id").first()
    if found is None:
        raise ProjectRunNotFound
    return found


def executions_of(project_run: ProjectRun) -> list[Execution]:
    """In the order they were begun."""
    rows = Execution.objects.filter(project_run=project_run).select_related("task", "conversation")
    return list(rows.order_by("created_at", "id"))


def cancel(project_run: ProjectRun, *, now: datetime) -> ProjectRun:
    """Begins nothing any more and cancels what is under way. Idempotent."""
    ProjectRun.objects.filter(id=project_run.id, status=S.RUNNING, cancel_requested_at=None).update(
        cancel_requested_at=now
    )
    for execution in _live(project_run):
        executions.cancel(execution, now=now)
    advance(project_run.id, now=now)
    return ProjectRun.objects.get(id=project_run.id)


# Those that may have something to do: room for another execution, time that is over, a clock to start or to stop.
_DUE = """
SELECT p.id FROM project_run p
CROSS JOIN LATERAL (
  SELECT count(*) AS live, count(*) FILTER (WHERE e.status IN ('queued', 'running')) AS at_work
  FROM execution e WHERE e.project_run_id = p.id AND e.status IN ('queued', 'running', 'waiting', 'paused')) x
WHERE p.status = 'running' AND (
  x.live = 0 OR (x.at_work > 0) <> (p.running_since IS NOT NULL)
  OR (p.time_limit_seconds IS NOT NULL AND p.running_since IS NOT NULL
      AND p.used_seconds + extract(epoch FROM now() - p.running_since) >= p.time_limit_seconds)
  OR (x.live < p.parallel AND p.cancel_requested_at IS NULL AND EXISTS (
    SELECT 1 FROM task t WHERE t.project_id = p.project_id AND t.status = 'active')))
"""


def find_due() -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [row[0] for row in cursor.fetchall()]


def advance(project_run_id: UUID, *, now: datetime) -> None:
    """Begins what there is room for, or ends it when nothing is under way and nothing can begin."""
    with transaction.atomic():
        # Project, then its run, as whoever starts one.
        project_id = ProjectRun.objects.values_list("project_id", flat=True).filter(id=project_run_id).first()
        locked = (
            Project.objects.select_for_update(no_key=True, skip_locked=True).filter(id=project_id).first()
        )
        running = ProjectRun.objects.select_for_update(skip_locked=True).filter(
            id=project_run_id, status=S.RUNNING
        )
        if locked is None or (project_run := running.first()) is None:
            return
        _keep_time(project_run, now=now)
        is_late = _seconds_left(project_run) == 0
        goes_on = not is_late and project_run.cancel_requested_at is None
        if goes_on:
            _begin_more(project_run, now=now)
        live = list(_live(project_run))
        # Asked behind the look at `live`: what ended since the first question may have made a task ready, and one that
        # somebody held then may be free. It is begun at the next look.
        if not live and not (goes_on and _can_begin(project_run).exists()):
            _end(project_run, is_late=is_late, now=now)
        project_run.save()
    if is_late:
        _time_out(live, now=now)


def fail(project_run_id: UUID, *, now: datetime) -> None:
    """A mistake of ours: it ends, its executions go on."""
    result = {"stop_reason": "internal_error", "detail": "The run of the project failed inside the server."}
    ProjectRun.objects.filter(id=project_run_id, status=S.RUNNING).update(
        status=S.FAILED, stop_reason="internal_error", result=result, running_since=None, ended_at=now
    )


def _ready(project_id: UUID, owner_id: int) -> QuerySet[Task]:
    return tasks.ready_tasks(owner_id=owner_id).filter(project_id=project_id)


def _live(project_run: ProjectRun) -> QuerySet[Execution]:
    rows = Execution.objects.filter(project_run=project_run, status__in=_LIVE)
    return rows.order_by("created_at", "id")


def _begin_more(project_run: ProjectRun, *, now: datetime) -> list[Execution]:
    room = project_run.parallel - _live(project_run).count()
    if room <= 0:
        return []
    begun = []
    for task in _can_begin(project_run).select_for_update(skip_locked=True, of=("self",))[:room]:
        try:
            begun.append(_begin(project_run, task, now=now))
        except DomainError as error:
            told = {"task_id": str(task.id), "reason": error.code, "message": error.message}
            refused = [*(project_run.options.get("refused") or ()), told]
            project_run.options = {**project_run.options, "refused": refused[-100:]}
    return begun


def _can_begin(project_run: ProjectRun) -> QuerySet[Task]:
    """Its ready tasks, without those that could not be begun."""
    if project_run.project_id is None:
        return Task.objects.none()
    ready = _ready(project_run.project_id, project_run.owner_id)
    if not project_run.continuous:
        ready = ready.filter(id__in=project_run.options.get("task_ids", ()))
    return ready.exclude(id__in=[told["task_id"] for told in project_run.options.get("refused", ())])


def _begin(project_run: ProjectRun, task: Task, *, now: datetime) -> Execution:
    of_runs = project_run.options["of_runs"]
    options = StartOptions(
        model=of_runs.get("model"),
        agent_mode=of_runs.get("agent_mode"),
        max_iterations=of_runs.get("max_iterations"),
        time_limit_seconds=_limit_of(project_run, task),
    )
    with transaction.atomic():
        return executions.start(
            task=task,
            user_id=project_run.owner_id,
            is_local_owner=bool(of_runs.get("is_local_owner")),
            now=now,
            options=options,
            project_run=project_run,
        )


def _limit_of(project_run: ProjectRun, task: Task) -> int | None:
    limits = [limit for limit in (_seconds_left(project_run), task.time_limit_seconds) if limit is not None]
    return max(1, round(min(limits))) if limits else None


def _seconds_left(project_run: ProjectRun) -> float | None:
    if project_run.time_limit_seconds is None:
        return None
    return max(project_run.time_limit_seconds - project_run.used_seconds, 0)


def _keep_time(project_run: ProjectRun, *, now: datetime) -> None:
    """Its clock goes while any of its executions is at work."""
    if project_run.running_since is not None:
        project_run.used_seconds += max((now - project_run.running_since).total_seconds(), 0)
    is_at_work = _live(project_run).filter(status__in=_AT_WORK).exists()
    project_run.running_since = now if is_at_work else None


def _time_out(live: list[Execution], *, now: datetime) -> None:
    """Those that outlive the project run's time, for they have waited meanwhile, end for the same reason."""
    for execution in live:
        Execution.objects.filter(id=execution.id, status__in=_LIVE, stop_reason="").update(
            stop_reason=StopReason.TIME_LIMIT.value
        )
        executions.cancel(execution, now=now)


def _end(project_run: ProjectRun, *, is_late: bool, now: datetime) -> None:
    if project_run.cancel_requested_at is not None:
        status, reason = S.CANCELLED, StopReason.CANCELLED.value
    elif is_late:
        status, reason = S.TIMED_OUT, StopReason.TIME_LIMIT.value
    else:
        status, reason = S.COMPLETED, StopReason.NO_READY_TASKS.value
    project_run.status, project_run.stop_reason = status, reason
    project_run.running_since, project_run.ended_at = None, now
    project_run.result = _result(project_run, reason)


def _result(project_run: ProjectRun, reason: str) -> dict[str, Any]:
    done = (
        Execution.objects.filter(project_run=project_run).select_related("task").order_by("created_at", "id")
    )
    worked = [
        {
            "task_id": str(execution.task_id),
            "title": execution.task.title,
            "execution_id": str(execution.id),
            "status": execution.status,
            "task_status": execution.task.status,
            "stop_reason": execution.stop_reason,
        }
        for execution in done
    ]
    rest = Task.objects.filter(project_id=project_run.project_id)
    return {
        "stop_reason": reason,
        "tasks": worked,
        "refused": project_run.options.get("refused", []),
        "waiting_for_review": rest.filter(status=TaskStatus.PENDING_REVIEW).count(),
        "not_ready": rest.filter(status=TaskStatus.ACTIVE).count(),
    }
