"""What an execution did, in order: its runs and all that happened in them."""

from uuid import UUID

from conversations.models import Run
from conversations.timelines import MOST_ENTRIES, Entry, in_order, seconds_between, steps_of
from tasks.models import Execution, ExecutionRun

__all__ = ["MOST_ENTRIES", "Entry", "timeline"]


def timeline(execution: Execution) -> list[Entry]:
    """Its last entries, oldest first, in seven statements. What a deleted conversation held is gone."""
    run_ids = list(ExecutionRun.objects.filter(execution=execution).values_list("run_id", flat=True))
    return in_order([*_runs(execution, run_ids), *steps_of(run_ids)])


def _runs(execution: Execution, run_ids: list[UUID]) -> list[Entry]:
    reasons = dict(ExecutionRun.objects.filter(execution=execution).values_list("run_id", "reason"))
    return [
        Entry(
            at=run.created_at,
            kind="run",
            name=reasons[run.id],
            status=run.status,
            text=(run.error or {}).get("message", ""),
            seconds=seconds_between(run.started_at, run.finished_at),
        )
        for run in Run.objects.filter(id__in=run_ids)
    ]
