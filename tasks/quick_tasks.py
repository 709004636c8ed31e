"""A task that is made to be done at once: over REST and over the socket."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from conversations.directories import resolve_directory
from conversations.message_intake import session_id_of
from tasks import executions, task_changes
from tasks.executions import StartOptions
from tasks.models import Execution

_OPTIONS = (
    "session_id",
    "model",
    "agent_mode",
    "max_iterations",
    "continuous",
    "time_limit_seconds",
    "budget_tokens",
    "budget_cost_micros",
)


def execute(fields: Mapping[str, Any], *, user_id: int, is_local_owner: bool, now: datetime) -> Execution:
    """Makes the task that validated `fields` describe and starts an execution of it: both or neither."""
    options = options_of(fields, user_id=user_id, is_local_owner=is_local_owner)
    with transaction.atomic():
        task = task_changes.create_task(
            owner_id=user_id,
            title=fields["name"],
            description=fields.get("description") or "",
            acceptance_criteria=fields.get("acceptance_criteria") or (),
            project_id=fields.get("project_id"),
            priority=fields.get("priority") or 0,
            budget_tokens=options.budget_tokens,
            budget_cost_micros=options.budget_cost_micros,
            time_limit_seconds=options.time_limit_seconds,
            now=now,
        )
        return executions.start(
            task=task, user_id=user_id, is_local_owner=is_local_owner, now=now, options=options
        )


def options_of(fields: Mapping[str, Any], *, user_id: int, is_local_owner: bool) -> StartOptions:
    """How to work, as validated `fields` say; raises what is wrong with session or directory."""
    wanted = {name: fields[name] for name in _OPTIONS if fields.get(name) is not None}
    wanted["session_id"] = session_id_of(wanted)
    if path := fields.get("directory"):
        wanted["directory"] = resolve_directory(path, user_id=user_id, is_local_owner=is_local_owner)
    return StartOptions(**wanted)
