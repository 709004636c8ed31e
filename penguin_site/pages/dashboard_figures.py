"""What the dashboard shows of its reader: usage by day and model, budgets, tasks, conversations."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q

from conversations import sessions, token_usage
from penguin_site.core import bar_charts
from penguin_site.core.plain_texts import dollars, plain_line, short_count
from tasks import tasks
from tasks.models import Execution

DAYS = 30
# What the chart shows: the column of the rows, and how its figures are written.
MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "tokens": ("tokens", short_count),
    "cost": ("cost", lambda micros: dollars(round(micros))),
}
MOST_ROWS = 8
MOST_BUDGETS = 10


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a limit is used; `used` and `limit` as they are read, `part` from 0 to 100."""

    task: str
    address: str
    kind: str
    used: str
    limit: str
    part: int
    status: str


def usage(*, owner_id: int, now: datetime, measure: str) -> dict[str, Any]:
    """The last DAYS days (UTC): a chart of `measure` by model, its rows as a table, and sums."""
    until = now.date()
    days = [until - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    rows = token_usage.by_day(owner_id=owner_id, since=days[0], until=until)
    column, written = MEASURES[measure]
    chart = bar_charts.stacked([f"{day:%-d %b}" for day in days], _by_model(rows, days, column))
    today = [row for row in rows if row["day"] == until]
    return {
        "chart": chart,
        "top": written(chart.top) if chart.total else "",
        "legend": [
            {"number": each.number, "name": plain_line(each.name), "total": written(each.total)}
            for each in chart.series
        ],
        "bars": [{"bar": bar, "tells": f"{bar.label}: {written(bar.total)}"} for bar in chart.bars],
        "rows": [row | {"model": plain_line(row["model"])} for row in reversed(rows)],
        "figures": {
            "tokens_today": sum(row["tokens"] for row in today),
            "cost_today": sum(row["cost"] for row in today),
            "tokens": sum(row["tokens"] for row in rows),
            "cost": sum(row["cost"] for row in rows),
            "calls": sum(row["calls"] for row in rows),
        },
    }


def _by_model(
    rows: Sequence[Mapping[str, Any]], days: Sequence[date], column: str
) -> dict[str, Sequence[float]]:
    place = {day: number for number, day in enumerate(days)}
    values: dict[str, list[float]] = defaultdict(lambda: [0] * len(days))
    for row in rows:
        values[row["model"]][place[row["day"]]] += row[column]
    return dict(values)


def budgets(*, owner_id: int) -> list[Budget]:
    """Limits of executions that have not ended, the newest first."""
    limited = Q(budget_tokens__isnull=False) | Q(budget_cost_micros__isnull=False)
    limited |= Q(time_limit_seconds__isnull=False)
    live = Execution.objects.filter(limited, owner_id=owner_id, status__in=tasks.LIVE_STATUSES)
    found = live.select_related("task", "conversation").order_by("-created_at", "-id")[:MOST_BUDGETS]
    return [budget for execution in found for budget in _budgets_of(execution)]


def _budgets_of(execution: Execution) -> list[Budget]:
    limits = (
        ("Tokens", execution.used_tokens, execution.budget_tokens, short_count),
        ("Money", execution.used_cost_micros, execution.budget_cost_micros, dollars),
        ("Time", execution.used_seconds, execution.time_limit_seconds, _minutes),
    )
    return [
        Budget(
            task=plain_line(execution.task.title),
            address=_address(execution),
            kind=kind,
            used=written(used),  # type: ignore[operator]
            limit=written(limit),  # type: ignore[operator]
            part=min(100, round(100 * used / limit)),
            status=execution.status,
        )
        for kind, used, limit, written in limits
        if limit
    ]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds % 60 else f"{int(seconds // 60)} min"


def recent_tasks(*, owner_id: int) -> list[dict[str, Any]]:
    """The newest tasks with their state, and the conversation in which each was worked on last."""
    found = tasks.list_tasks(owner_id=owner_id, limit=MOST_ROWS).rows
    newest = Execution.objects.filter(task_id__in=[task.id for task in found], owner_id=owner_id)
    newest = (
        newest.select_related("conversation").order_by("task_id", "-created_at", "-id").distinct("task_id")
    )
    by_task = {execution.task_id: execution for execution in newest}
    return [_task_row(task, by_task.get(task.id)) for task in found]


def _task_row(task: Any, execution: Execution | None) -> dict[str, Any]:
    progress = ((execution.result or {}).get("progress") or {}) if execution else {}
    is_blocked = task.status == "active" and bool(tasks.unmet(task))
    return {
        "title": task.title,
        "project": task.project.name if task.project else "",
        "status": "blocked" if is_blocked else task.status,
        "state": ("blocked" if is_blocked else task.status).replace("_", " "),
        "percent": progress.get("percent") if task.status in ("running", "waiting") else None,
        "cost_micros": execution.used_cost_micros if execution else 0,
        "tokens": execution.used_tokens if execution else 0,
        "address": _address(execution) if execution else "",
        "changed_at": task.updated_at,
    }


def _address(execution: Execution) -> str:
    return f"/chat/{execution.conversation.session_id}" if execution.conversation else ""


def recent_conversations(*, owner_id: int) -> list[dict[str, Any]]:
    page = sessions.list_conversations(
        owner_id=owner_id, limit=MOST_ROWS, cursor="", search="", archived=False
    )
    return [
        {
            "title": plain_line(conversation.title) or "Without a title",
            "address": f"/chat/{conversation.session_id}",
            "status": sessions.status_of(conversation),
            "tokens": conversation.token_count,
            "cost_micros": conversation.cost_micros,
            "last_active": conversation.last_active,
        }
        for conversation in page.rows
    ]
