"""Schedules: made, changed, and fired when they are due.

Whoever finds a schedule due moves its `next_at` on, by an update that names the moment it found, in the transaction
that starts the execution: of two workers one changes a row, and a crash leaves both or neither. The next moment is the
first after now, so what was missed during a stop is made up for by one firing.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from conversations.sessions import Page
from penguin_site.errors import DomainError, InvalidField, NotFound
from tasks import executions, pages, task_moves, tasks
from tasks.core import cron
from tasks.core.task_states import TaskStatus
from tasks.models import Schedule, Task

logger = logging.getLogger(__name__)

STARTED = "started"
# Beyond so many missed firings they are not counted.
MOST_MISSED = 1_000
# So many are looked up at once; there may be more.
PAGE = 200
# What has ended is done again. What a person is to say first, or has called off, is not.
_AGAIN = (TaskStatus.COMPLETED, TaskStatus.FAILED)


class ScheduleNotFound(NotFound):
    """There is no such schedule."""


@dataclass(slots=True)
class Fired:
    """What a look at the schedules found: executions started, and firings that started none."""

    started: int = 0
    skipped: int = 0


def find_schedule(schedule_id: UUID, *, owner_id: int) -> Schedule:
    """The caller's own; somebody else's does not exist for them."""
    schedule = Schedule.objects.filter(id=schedule_id, owner_id=owner_id).first()
    if schedule is None:
        raise ScheduleNotFound
    return schedule


def list_schedules(*, owner_id: int, limit: int, cursor: str = "", task_id: UUID | None = None) -> Page:
    """A page of one's schedules, newest first."""
    rows = Schedule.objects.filter(owner_id=owner_id)
    if task_id is not None:
        rows = rows.filter(task_id=task_id)
    return pages.newest(rows, limit=limit, cursor=cursor)


def create_schedule(
    *,
    owner_id: int,
    is_local_owner: bool,
    task_id: UUID,
    cron: str,
    timezone: str,
    enabled: bool,
    now: datetime,
) -> Schedule:
    """Raises InvalidField for a rhythm that is none or never comes, and TaskNotFound."""
    next_at = next_firing(cron, timezone, after=now)
    with transaction.atomic():
        task = tasks.lock_task(task_id, owner_id=owner_id)
        return Schedule.objects.create(
            owner_id=owner_id,
            task=task,
            cron=cron,
            timezone=timezone,
            enabled=enabled,
            next_at=next_at if enabled else None,
            is_local_owner=is_local_owner,
            created_at=now,
            updated_at=now,
        )


def update_schedule(
    *, schedule_id: UUID, owner_id: int, changes: dict[str, Any], is_local_owner: bool, now: datetime
) -> Schedule:
    """It goes on from now: what was due while it was not enabled, or by its old rhythm, is not made up for.

    Whoever changes a schedule answers for it from then on: its executions may use what they may use.
    """
    with transaction.atomic():
        rows = Schedule.objects.select_for_update().filter(id=schedule_id, owner_id=owner_id)
        schedule = rows.first()
        if schedule is None:
            raise ScheduleNotFound
        before = (schedule.cron, schedule.timezone, schedule.enabled)
        for name, value in changes.items():
            setattr(schedule, name, value)
        following = next_firing(schedule.cron, schedule.timezone, after=now)
        if before != (schedule.cron, schedule.timezone, schedule.enabled):
            schedule.next_at = following if schedule.enabled else None
        schedule.is_local_owner = is_local_owner
        schedule.updated_at = now
        schedule.save()
    return schedule


def delete_schedule(*, schedule_id: UUID, owner_id: int) -> None:
    """Executions that it has started go on."""
    deleted, _ = Schedule.objects.filter(id=schedule_id, owner_id=owner_id).delete()
    if not deleted:
        raise ScheduleNotFound


def next_firing(rhythm: str, timezone: str, *, after: datetime) -> datetime:
    try:
        found = cron.next_firing(rhythm, timezone, after=after)
    except cron.InvalidCron as error:
        raise InvalidField("cron", str(error)) from None
    except cron.InvalidZone as error:
        raise InvalidField("timezone", str(error)) from None
    if found is None:
        raise InvalidField("cron", "It is never due.")
    return found


# Firing


def fire_due(*, now: datetime) -> Fired:
    """Starts what is due. May run twice at once, and late."""
    fired = Fired()
    seen: set[UUID] = set()
    while True:
        due = Schedule.objects.filter(enabled=True, next_at__lte=now).exclude(id__in=seen)
        found = list(due.select_related("owner").order_by("next_at")[:PAGE])
        if not found:
            return fired
        for schedule in found:
            seen.add(schedule.id)
            outcome = _fire_once(schedule, now=now)
            fired.started += outcome == STARTED
            fired.skipped += outcome not in ("", STARTED)


def _fire_once(schedule: Schedule, *, now: datetime) -> str:
    try:
        return fire(schedule, now=now)
    except Exception:
        # A mistake of ours with one of them must not keep the others from being fired, nor come again each minute.
        logger.exception("Schedule %s could not be fired.", schedule.id)
        return fire(schedule, now=now, mishap="failed: internal_error")


def fire(schedule: Schedule, *, now: datetime, mishap: str = "") -> str:
    """Fires a schedule as it was found due: the outcome, empty when somebody else was faster.

    The order of locks is task, schedule: whoever deletes the task takes them so. `mishap`: nothing is started, and this
    is why.
    """
    with transaction.atomic():
        try:
            task = tasks.lock_task(schedule.task_id, owner_id=schedule.owner_id)
        except tasks.TaskNotFound:
            return ""  # deleted, and the schedule with it
        if not _move_on(schedule, now=now):
            return ""
        outcome, execution_id = (mishap, None) if mishap else _start(schedule, task, now=now)
        Schedule.objects.filter(id=schedule.id).update(
            last_outcome=outcome, last_execution_id=execution_id or schedule.last_execution_id
        )
    if outcome != STARTED:
        logger.info("Schedule %s started nothing: %s.", schedule.id, outcome)
    return outcome


def _move_on(schedule: Schedule, *, now: datetime) -> bool:
    """Takes the firing: whether nobody else has, and the schedule is what it was when it was found."""
    assert schedule.next_at is not None
    rhythm = (schedule.cron, schedule.timezone)
    try:
        missed = cron.count_firings(*rhythm, after=schedule.next_at, until=now, most=MOST_MISSED)
        following = cron.next_firing(*rhythm, after=now)
    except (cron.InvalidCron, cron.InvalidZone):  # of a newer library or time zone database
        missed, following = 0, None
    unchanged = Schedule.objects.filter(
        id=schedule.id,
        enabled=True,
        next_at=schedule.next_at,
        cron=schedule.cron,
        timezone=schedule.timezone,
    )
    return bool(unchanged.update(next_at=following, last_at=now, last_missed=missed))


def _start(schedule: Schedule, task: Task, *, now: datetime) -> tuple[str, UUID | None]:
    """The outcome, and the execution if there is one. What an attempt has changed goes back when it fails."""
    if not schedule.owner.is_active:
        return "skipped: owner_inactive", None
    try:
        with transaction.atomic():
            task_moves.refuse_at_work(task)
            if TaskStatus(task.status) in _AGAIN:
                task = task_moves.move_task(task_id=task.id, target=TaskStatus.ACTIVE, now=now)
            execution = executions.start(
                task=task,
                user_id=schedule.owner_id,
                is_local_owner=schedule.is_local_owner,
                now=now,
            )
    except task_moves.TaskAtWork:
        return "skipped: at_work", None
    except task_moves.WrongMove as error:
        return f"skipped: {error.extra['status']}", None
    except task_moves.TaskBlocked:
        return "skipped: blocked", None
    except DomainError as error:
        return f"failed: {error.code}"[:40], None
    return STARTED, execution.id
