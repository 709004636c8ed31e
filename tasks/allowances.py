"""What an execution may use and has used: time at work, tokens, money, over all its runs."""

from typing import Any

from django.db import connection

from conversations.core.usage import MICROS
from conversations.models import Run
from tasks.core.following import Left
from tasks.models import Execution, Task

_USED = """
SELECT coalesce(sum(r.active_seconds), 0), coalesce(sum((r.usage->>'total_tokens')::bigint), 0)::bigint,
  coalesce(sum(round((r.usage->>'cost_usd')::numeric * 1000000)), 0)::bigint
FROM execution_run x JOIN run r ON r.id = x.run_id WHERE x.execution_id = %s
"""


def count_use(execution: Execution) -> None:
    """What its runs have used so far; of the one at work its earlier attempts."""
    with connection.cursor() as cursor:
        cursor.execute(_USED, [execution.id])
        row = cursor.fetchone()
    execution.used_seconds, execution.used_tokens, execution.used_cost_micros = row


def left(execution: Execution) -> Left:
    limit, tokens, cost = (
        execution.time_limit_seconds,
        execution.budget_tokens,
        execution.budget_cost_micros,
    )
    return Left(
        seconds=None if limit is None else limit - execution.used_seconds,
        tokens=None if tokens is None else tokens - execution.used_tokens,
        cost_micros=None if cost is None else cost - execution.used_cost_micros,
    )


def adopt_raised_budget(execution: Execution) -> None:
    """A budget that was raised at the task it was started for is its own, too."""
    of_task = Task.objects.filter(id=execution.first_task_id).values_list(
        "budget_tokens", "budget_cost_micros"
    )
    tokens, cost = of_task.first() or (None, None)
    if execution.budget_tokens is not None and tokens is not None:
        execution.budget_tokens = max(execution.budget_tokens, tokens)
    if execution.budget_cost_micros is not None and cost is not None:
        execution.budget_cost_micros = max(execution.budget_cost_micros, cost)


def of_run(execution: Execution, run: Run | None = None) -> dict[str, Any]:
    """The limits of its next run, or of `run`: what is left, and what that one has used of it."""
    now_left, used = left(execution), (run.usage if run else None) or {}
    budget: dict[str, int] = {}
    if now_left.tokens is not None:
        budget["tokens"] = now_left.tokens + used.get("total_tokens", 0)
    if now_left.cost_micros is not None:
        budget["cost_micros"] = now_left.cost_micros + round(used.get("cost_usd", 0) * MICROS)
    limits: dict[str, Any] = {"budget": budget}
    if now_left.seconds is not None:
        limits["time_limit_seconds"] = now_left.seconds + (run.active_seconds if run else 0)
    return limits
