"""What an execution did, in order: runs, model calls and tools with what they cost, what people were asked."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from conversations.models import Approval, ModelCall, Question, Run, ToolCall
from tasks.models import Execution, ExecutionRun

MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `cost_micros` None: no price is known, or it is nothing that costs."""

    at: datetime
    kind: str  # run, model, tool, approval, question
    name: str
    status: str
    text: str = ""
    seconds: float | None = None
    tokens: int | None = None
    cost_micros: int | None = None


def timeline(execution: Execution) -> list[Entry]:
    """Its last entries, oldest first, in seven statements. What a deleted conversation held is gone."""
    run_ids = list(ExecutionRun.objects.filter(execution=execution).values_list("run_id", flat=True))
    found = [
        *_runs(execution, run_ids),
        *_model_calls(run_ids),
        *_tool_calls(run_ids),
        *_approvals(run_ids),
        *_questions(run_ids),
    ]
    return sorted(found, key=lambda entry: entry.at)[-MOST_ENTRIES:]


def _runs(execution: Execution, run_ids: list[UUID]) -> list[Entry]:
    reasons = dict(ExecutionRun.objects.filter(execution=execution).values_list("run_id", "reason"))
    return [
        Entry(
            at=run.created_at,
            kind="run",
            name=reasons[run.id],
            status=run.status,
            text=(run.error or {}).get("message", ""),
            seconds=_seconds(run.started_at, run.finished_at),
        )
        for run in Run.objects.filter(id__in=run_ids)
    ]


def _model_calls(run_ids: list[UUID]) -> list[Entry]:
    calls = ModelCall.objects.filter(run_id__in=run_ids).order_by("-started_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=call.started_at,
            kind="model",
            name=call.model,
            status=call.status,
            text=call.error_kind,
            seconds=_seconds(call.started_at, call.finished_at),
            tokens=call.input_tokens + call.output_tokens,
            cost_micros=call.cost_micros,
        )
        for call in calls
    ]


def _tool_calls(run_ids: list[UUID]) -> list[Entry]:
    calls = ToolCall.objects.filter(run_id__in=run_ids).order_by("-created_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=call.created_at,
            kind="tool",
            name=call.name,
            status=call.status,
            text=call.summary,
            seconds=_seconds(call.started_at, call.finished_at),
        )
        for call in calls
    ]


def _approvals(run_ids: list[UUID]) -> list[Entry]:
    asked = Approval.objects.filter(run_id__in=run_ids).order_by("-created_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=approval.created_at,
            kind="approval",
            name=approval.tool_name,
            status=approval.status,
            text=approval.reason,
            seconds=_seconds(approval.created_at, approval.resolved_at),
        )
        for approval in asked
    ]


def _questions(run_ids: list[UUID]) -> list[Entry]:
    asked = Question.objects.filter(run_id__in=run_ids).order_by("-created_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=question.created_at,
            kind="question",
            name=question.kind,
            status=question.status,
            text=f"{question.text} {question.answer}".strip(),
            seconds=_seconds(question.created_at, question.answered_at),
        )
        for question in asked
    ]


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None
