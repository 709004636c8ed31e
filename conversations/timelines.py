"""What runs did, in order: model calls and tools with what they cost, what people were asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from conversations.models import Approval, ModelCall, Question, Run, ToolCall

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


def of_run(run: Run) -> list[Entry]:
    """The last entries of one run, oldest first, in four statements."""
    return in_order(steps_of([run.id]))


def steps_of(run_ids: Sequence[UUID]) -> list[Entry]:
    """What is known of the steps of these runs, in four statements, in no order."""
    return [
        *_model_calls(run_ids),
        *_tool_calls(run_ids),
        *_approvals(run_ids),
        *_questions(run_ids),
    ]


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.at)[-MOST_ENTRIES:]


def _model_calls(run_ids: Sequence[UUID]) -> list[Entry]:
    calls = ModelCall.objects.filter(run_id__in=run_ids).order_by("-started_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=call.started_at,
            kind="model",
            name=call.model,
            status=call.status,
            text=call.error_kind,
            seconds=seconds_between(call.started_at, call.finished_at),
            tokens=call.input_tokens + call.output_tokens,
            cost_micros=call.cost_micros,
        )
        for call in calls
    ]


def _tool_calls(run_ids: Sequence[UUID]) -> list[Entry]:
    calls = ToolCall.objects.filter(run_id__in=run_ids).order_by("-created_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=call.created_at,
            kind="tool",
            name=call.name,
            status=call.status,
            text=call.summary,
            seconds=seconds_between(call.started_at, call.finished_at),
        )
        for call in calls
    ]


def _approvals(run_ids: Sequence[UUID]) -> list[Entry]:
    asked = Approval.objects.filter(run_id__in=run_ids).order_by("-created_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=approval.created_at,
            kind="approval",
            name=approval.tool_name,
            status=approval.status,
            text=approval.reason,
            seconds=seconds_between(approval.created_at, approval.resolved_at),
        )
        for approval in asked
    ]


def _questions(run_ids: Sequence[UUID]) -> list[Entry]:
    asked = Question.objects.filter(run_id__in=run_ids).order_by("-created_at")[:MOST_ENTRIES]
    return [
        Entry(
            at=question.created_at,
            kind="question",
            name=question.kind,
            status=question.status,
            text=f"{question.text} {question.answer}".strip(),
            seconds=seconds_between(question.created_at, question.answered_at),
        )
        for question in asked
    ]


def seconds_between(begin: datetime | None, end: datetime | None) -> float | None:
    return (end - begin).total_seconds() if begin and end else None
