"""Feedback as reviewers see it: the thumb beside the question, the answer, its tools, its model and its cost."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Left

from conversations.core.redaction import redact, redact_values
from conversations.core.usage import MICROS
from conversations.models import Message, MessageFeedback, ModelCall, Run, ToolCall

PAGE = 20
# Of a question or an answer, so much is shown in the list; an export has all of it.
MOST_SHOWN = 4_000
_WHOLE = 10_000_000


@dataclass(slots=True)
class Material:
    """What one thumb is about. `tools` are names in the order they were called."""

    feedback: MessageFeedback
    question: str = ""
    answer: str = ""
    model: str = ""
    cost_micros: int | None = None
    tools: list[tuple[str, Any]] = field(default_factory=list)
    is_hidden: bool = False

    @property
    def cost_usd(self) -> float | None:
        return None if self.cost_micros is None else self.cost_micros / MICROS

    @property
    def tool_names(self) -> list[tuple[str, int]]:
        """Each tool with how often it was called."""
        counted: dict[str, int] = {}
        for name, _ in self.tools:
            counted[name] = counted.get(name, 0) + 1
        return list(counted.items())


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    rows: list[Material]
    next_after: int | None


def feedback_page(
    *, status: str = "", rating: str = "", assignee_id: int | None = None, after: int | None = None
) -> FeedbackPage:
    """The newest first, in a constant number of statements and without counting. Status `waiting`: not done."""
    rows = MessageFeedback.objects.all()
    if status == "waiting":
        rows = rows.exclude(review_status="done")
    elif status:
        rows = rows.filter(review_status=status)
    if rating:
        rows = rows.filter(rating=rating)
    if assignee_id is not None:
        rows = rows.filter(assignee_id=assignee_id)
    if after is not None:
        rows = _behind(rows, after)
    found = list(rows.select_related("user", "assignee").order_by("-updated_at", "-id")[: PAGE + 1])
    return FeedbackPage(
        material_of(found[:PAGE], most=MOST_SHOWN), found[PAGE - 1].pk if len(found) > PAGE else None
    )


def _behind(rows: QuerySet[MessageFeedback], feedback_id: int) -> QuerySet[MessageFeedback]:
    place: datetime | None = (
        MessageFeedback.objects.filter(pk=feedback_id).values_list("updated_at", flat=True).first()
    )
    if place is None:
        return rows
    return rows.filter(updated_at__lte=place).filter(Q(updated_at__lt=place) | Q(id__lt=feedback_id))


def material_of(rows: Sequence[MessageFeedback], *, most: int = _WHOLE) -> list[Material]:
    """What these thumbs are about, in five statements, whatever their number."""
    answers = _messages({row.message_id for row in rows}, most)
    run_ids = {answer["run_id"] for answer in answers.values() if answer["run_id"]}
    asked: dict[UUID, UUID] = dict(Run.objects.filter(id__in=run_ids).values_list("id", "input_message_id"))
    questions = _messages(set(asked.values()), most)
    tools, calls = _tools(run_ids), _model_calls(run_ids)
    made = []
    for row in rows:
        answer = answers.get(row.message_id, {"text": "", "run_id": None, "metadata": {}})
        run_id = answer["run_id"]
        question = questions.get(asked.get(run_id), {"text": "", "metadata": {}})
        model, cost = calls.get(run_id, ("", None))
        made.append(
            Material(
                feedback=row,
                question=question["text"],
                answer=answer["text"],
                model=model,
                cost_micros=cost,
                tools=tools.get(run_id, []),
                is_hidden=bool(answer["metadata"].get("hidden") or question["metadata"].get("hidden")),
            )
        )
    return made


def _messages(ids: set[UUID], most: int) -> dict[Any, dict[str, Any]]:
    found = Message.objects.filter(id__in=ids).annotate(text=Left("content", most))
    return {row["id"]: row for row in found.values("id", "run_id", "metadata", "text")}


def _tools(run_ids: set[UUID]) -> dict[UUID, list[tuple[str, Any]]]:
    called: dict[UUID, list[tuple[str, Any]]] = defaultdict(list)
    calls = ToolCall.objects.filter(run_id__in=run_ids).order_by("run_id", "step", "place", "round")
    for run_id, name, arguments in calls.values_list("run_id", "name", "arguments"):
        called[run_id].append((name, arguments))
    return called


def _model_calls(run_ids: set[UUID]) -> dict[UUID, tuple[str, int | None]]:
    """The model that answered and what all calls of the run cost; no cost where no price is known."""
    used: dict[UUID, tuple[str, int | None]] = {}
    calls = ModelCall.objects.filter(run_id__in=run_ids).values("run_id", "model", "purpose")
    for row in calls.annotate(cost=Sum(F("cost_micros"))).order_by("run_id", "-purpose"):
        model, cost = used.get(row["run_id"], ("", None))
        total = row["cost"] if cost is None else cost + (row["cost"] or 0)
        used[row["run_id"]] = (row["model"] if row["purpose"] == "answer" else model or row["model"], total)
    return used


def evaluation_set(feedback_ids: Sequence[int]) -> Iterator[str]:
    """One JSON object a line, secrets taken out; what a moderator has hidden is left out."""
    rows = MessageFeedback.objects.filter(id__in=feedback_ids).order_by("id")
    for material in material_of(list(rows)):
        if not material.is_hidden:
            yield json.dumps(_line(material), ensure_ascii=False) + "\n"


def _line(material: Material) -> dict[str, Any]:
    feedback = material.feedback
    return {
        "id": feedback.pk,
        "message_id": str(feedback.message_id),
        "question": redact(material.question),
        "answer": redact(material.answer),
        "rating": feedback.rating,
        "comment": redact(feedback.comment),
        "tags": feedback.tags,
        "labels": feedback.labels,
        "note": redact(feedback.note),
        "status": feedback.review_status,
        "model": material.model,
        "tools": [
            {"name": name, "arguments": redact_values(arguments)} for name, arguments in material.tools
        ],
        "cost_usd": material.cost_usd,
        "given_at": feedback.updated_at.isoformat(),
    }
