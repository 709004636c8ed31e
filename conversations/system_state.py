"""What this installation can do and how it is doing."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Q

from conversations.core.run_states import ACTIVE, OPEN, RunStatus
from conversations.llm import registry
from conversations.llm.wire import ModelInfo
from conversations.models import Run, Worker
from penguin_site.errors import DomainError


def default_model() -> ModelInfo | None:
    """The configured model, if it can be asked."""
    try:
        return registry.model_info(registry.resolve(None))
    except DomainError:
        return None


def default_model_problem() -> str | None:
    """What is missing for the configured model to be asked; None when nothing is."""
    try:
        registry.resolve(None)
    except DomainError as error:
        return error.message
    return None


def living_workers(*, now: datetime) -> list[dict[str, Any]]:
    return list(Worker.objects.filter(lease_expires_at__gt=now).values("concurrency", "draining"))


def open_runs_of(owner_id: int) -> dict[str, int]:
    """How many of one's runs wait for a worker and how many are under way; one statement."""
    counts: dict[str, int] = Run.objects.filter(
        owner_id=owner_id, status__in=[s.value for s in OPEN]
    ).aggregate(
        queued=Count("id", filter=Q(status=RunStatus.QUEUED.value)),
        active=Count("id", filter=Q(status__in=[s.value for s in ACTIVE])),
    )
    return counts


def database_version() -> str:
    version = connection.cursor().connection.info.server_version
    return f"{version // 10000}.{version % 10000}"
