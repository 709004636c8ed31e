"""Tokens and cost, summed by the database from the rows of the model calls."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate

from conversations.core.usage import MICROS
from conversations.llm import registry
from conversations.models import Conversation, ModelCall
from penguin_site.errors import DomainError

_SUMS = {
    "prompt": "input_tokens",
    "completion": "output_tokens",
    "reasoning": "reasoning_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
}


def usage_of(
    *,
    owner_id: int,
    main_model: str,
    now: datetime,
    conversation_id: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> dict[str, Any]:
    """One's usage by model and in all, in one statement; `start` is included, `end` is not; `today` is the UTC day."""
    calls = ModelCall.objects.filter(owner_id=owner_id)
    if conversation_id is not None:
        calls = calls.filter(conversation_id=conversation_id)
    if start is not None:
        calls = calls.filter(started_at__gte=start)
    if end is not None:
        calls = calls.filter(started_at__lt=end)
    rows = _by_model(calls, midnight=datetime.combine(now.date(), time.min, now.tzinfo))
    models = {row["model"]: _figures(row) for row in rows}
    main = models.get(main_model)
    return {
        "main_model": {key: main[key] if main else 0 for key in ("prompt", "completion", "total")},
        "models": models,
        "prompt": sum(row["prompt"] for row in rows),
        "completion": sum(row["completion"] for row in rows),
        "total": sum(row["prompt"] + row["completion"] for row in rows),
        "calls": sum(row["calls"] for row in rows),
        "cost_usd": sum(row["cost"] for row in rows) / MICROS,
        "today": sum(row["today"] for row in rows),
        "today_cost_usd": sum(row["today_cost"] for row in rows) / MICROS,
    }


def by_day(*, owner_id: int, since: date, until: date) -> list[dict[str, Any]]:
    """`{day, model, calls, tokens, cost}` (micros) for each day (UTC) and model; both days are included."""
    begin, end = (datetime.combine(day, time.min, UTC) for day in (since, until + timedelta(days=1)))
    calls = ModelCall.objects.filter(owner_id=owner_id, started_at__gte=begin, started_at__lt=end)
    return list(
        calls.annotate(day=TruncDate("started_at", tzinfo=UTC))
        .values("day", "model")
        .order_by("day", "model")
        .annotate(
            calls=Count("id"),
            tokens=Coalesce(Sum("input_tokens"), 0) + Coalesce(Sum("output_tokens"), 0),
            cost=Coalesce(Sum("cost_micros"), 0),
        )
    )


def by_model_of(*, conversation_id: int | None = None, run_id: UUID | None = None) -> list[dict[str, Any]]:
    """What a conversation or a run used, by model: model, calls, prompt, completion, cost (micros) and more."""
    calls = ModelCall.objects.filter(
        **({"run_id": run_id} if run_id else {"conversation_id": conversation_id})
    )
    return _by_model(calls, midnight=datetime.now(UTC))


def _by_model(calls: QuerySet[ModelCall], *, midnight: datetime) -> list[dict[str, Any]]:
    today = Q(started_at__gte=midnight)
    sums = {name: Coalesce(Sum(column), 0) for name, column in _SUMS.items()}
    return list(
        calls.order_by("model")
        .values("model")
        .annotate(
            **sums,
            calls=Count("id"),
            cost=Coalesce(Sum("cost_micros"), 0),
            today=Coalesce(Sum("input_tokens", filter=today), 0)
            + Coalesce(Sum("output_tokens", filter=today), 0),
            today_cost=Coalesce(Sum("cost_micros", filter=today), 0),
        )
    )


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    figures = {name: row[name] for name in ("prompt", "completion")}
    figures["total"] = row["prompt"] + row["completion"]
    figures.update({name: row[name] for name in ("reasoning", "cache_read", "cache_write", "calls")})
    return {**figures, "cost_usd": row["cost"] / MICROS}


def context_window(conversation: Conversation, *, default_model: str) -> dict[str, Any]:
    """How full the model's window was after the last answer: its input and output against the window.

    `limit` is None for a model whose window is not known.
    """
    last = (
        ModelCall.objects.filter(conversation_id=conversation.id, purpose="answer", input_tokens__gt=0)
        .order_by("-started_at", "-id")
        .first()
    )
    model = last.model if last else default_model
    used = last.input_tokens + last.output_tokens if last else 0
    limit = _window_of(model)
    return {
        "model": model,
        "used": used,
        "limit": limit,
        "fraction": round(used / limit, 4) if limit else None,
        "estimated": last.estimated if last else False,
    }


def _window_of(model: str) -> int | None:
    try:
        return registry.model_info(model).context_window
    except DomainError:  # a model of an earlier configuration
        return None
