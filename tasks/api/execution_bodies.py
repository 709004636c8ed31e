"""Executions and runs of projects as answers show them: plain values, a constant number of statements."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from conversations.core.usage import MICROS, TOKEN_KINDS, empty
from conversations.llm import pricing
from conversations.llm.wire import Usage
from conversations.models import Approval, ModelCall, Question, Run, ToolCall
from conversations.questions import question_shape
from tasks.api.bodies import minutes
from tasks.models import Execution, ExecutionRun, ProjectRun

STARTED_EXAMPLE: dict[str, Any] = {
    "status": "started",
    "task_id": "018e8f5a-0000-7000-8000-000000000011",
    "execution_id": "018e8f5a-0000-7000-8000-000000000012",
    "session_id": "conversation_20240330_123456_0a1b2c3d",
    "links": {
        "execution": "/api/v1/executions/018e8f5a-0000-7000-8000-000000000012",
        "task": "/api/v1/tasks/018e8f5a-0000-7000-8000-000000000011",
        "session": "/api/v1/conversations/conversation_20240330_123456_0a1b2c3d",
        "stream": "/api/v1/tasks/stream",
    },
}
EXECUTION_EXAMPLE: dict[str, Any] = {
    "id": STARTED_EXAMPLE["execution_id"],
    "execution_id": STARTED_EXAMPLE["execution_id"],
    "task_id": STARTED_EXAMPLE["task_id"],
    "current_task_id": STARTED_EXAMPLE["task_id"],
    "project_id": None,
    "project_run_id": None,
    "session_id": STARTED_EXAMPLE["session_id"],
    "status": "completed",
    "state": "completed",
    "wait_reason": "",
    "cancel_requested": False,
    "pause_requested": False,
    "continuous": False,
    "stop_reason": "finished",
    "result": {
        "summary": "docs/openapi.yaml describes all endpoints.",
        "status": "done",
        "tasks": [],
        "stop_reason": "finished",
        "detail": "The agent has ended its work.",
    },
    "error": None,
    "time_limit": 30,
    "used_seconds": 41.2,
    "budget_tokens": None,
    "used_tokens": 15_100,
    "budget_cost_usd": None,
    "used_cost_usd": 0.0423,
    "cost_is_known": True,
    "created_at": "2024-03-30T12:34:56Z",
    "started_at": "2024-03-30T12:34:56Z",
    "ended_at": "2024-03-30T12:35:38Z",
    "links": STARTED_EXAMPLE["links"],
}


def links_of(execution: Execution) -> dict[str, str]:
    links = {
        "execution": f"/api/v1/executions/{execution.id}",
        "task": f"/api/v1/tasks/{execution.task_id}",
        "stream": "/api/v1/tasks/stream",
    }
    if execution.conversation is not None:
        links["session"] = f"/api/v1/conversations/{execution.conversation.session_id}"
    return links


def started_body(execution: Execution) -> dict[str, Any]:
    assert execution.conversation is not None
    return {
        "status": "started",
        "task_id": str(execution.first_task_id),
        "execution_id": str(execution.id),
        "session_id": execution.conversation.session_id,
        "links": links_of(execution),
    }


def execution_body(execution: Execution) -> dict[str, Any]:
    """Of one read with task and conversation."""
    budget_cost = execution.budget_cost_micros
    return {
        "id": str(execution.id),
        "execution_id": str(execution.id),
        "task_id": str(execution.first_task_id) if execution.first_task_id else None,
        "current_task_id": str(execution.task_id),
        "project_id": str(execution.task.project_id) if execution.task.project_id else None,
        "project_run_id": str(execution.project_run_id) if execution.project_run_id else None,
        "session_id": execution.conversation.session_id if execution.conversation else None,
        "status": execution.status,
        "state": execution.status,
        "wait_reason": execution.wait_reason,
        "cancel_requested": execution.cancel_requested_at is not None,
        "pause_requested": execution.pause_requested_at is not None,
        "continuous": execution.continuous,
        "stop_reason": execution.stop_reason if execution.ended_at else "",
        "result": execution.result,
        "error": execution.error,
        "time_limit": minutes(execution.time_limit_seconds),
        "used_seconds": _used_seconds(execution),
        "budget_tokens": execution.budget_tokens,
        "used_tokens": execution.used_tokens,
        "budget_cost_usd": None if budget_cost is None else budget_cost / MICROS,
        "used_cost_usd": execution.used_cost_micros / MICROS,
        "cost_is_known": pricing.cost_micros(execution.options.get("model", ""), Usage(1, 1)) is not None,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "links": links_of(execution),
    }


def _used_seconds(execution: Execution) -> float:
    used = execution.used_seconds
    if execution.running_since is not None:
        used += max((timezone.now() - execution.running_since).total_seconds(), 0)
    return round(used, 3)


def execution_detail(execution: Execution) -> dict[str, Any]:
    """With its runs, their usage, and what waits for a person."""
    made = list(ExecutionRun.objects.filter(execution=execution).order_by("number"))
    run_ids = [one.run_id for one in made]
    runs = {run.id: run for run in Run.objects.filter(id__in=run_ids)}
    shown = [_run_body(one, runs[one.run_id]) for one in made if one.run_id in runs]
    usage = _sum([run["usage"] for run in shown])
    approvals = Approval.objects.filter(run_id__in=run_ids, status=Approval.Status.PENDING)
    questions = Question.objects.filter(run_id__in=run_ids, status=Question.Status.OPEN)
    asked = questions.select_related("conversation", "answered_by").order_by("created_at", "id")
    return {
        **execution_body(execution),
        "used_tokens": max(execution.used_tokens, usage["total_tokens"]),
        "used_cost_usd": max(execution.used_cost_micros / MICROS, usage["cost_usd"]),
        "progress": _progress(execution, run_ids),
        "runs": shown,
        "usage": usage,
        "approvals": [
            str(one) for one in approvals.order_by("created_at", "id").values_list("id", flat=True)
        ],
        "questions": [question_shape(question) for question in asked],
    }


def _run_body(made: ExecutionRun, run: Run) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "number": made.number,
        "task_id": str(made.task_id) if made.task_id else None,
        "reason": made.reason,
        "status": run.status,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "usage": run.usage or empty(),
        "error": run.error,
    }


def _progress(execution: Execution, run_ids: Sequence[Any]) -> dict[str, Any]:
    told = (execution.result or {}).get("progress") or {}
    calls = ModelCall.objects.filter(run_id__in=run_ids).aggregate(
        made=Count("id", filter=~Q(status=ModelCall.Status.STARTED))
    )
    return {
        "percent": told.get("percent"),
        "note": told.get("note", ""),
        "model_calls": calls["made"],
        "tool_calls": ToolCall.objects.filter(run_id__in=run_ids).count(),
        "tasks_done": len((execution.result or {}).get("tasks") or ()),
        "todos": execution.conversation.todos if execution.conversation else [],
    }


def _sum(usages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total = empty()
    for usage in usages:
        for kind in (*TOKEN_KINDS, "total_tokens"):
            total[kind] += usage.get(kind, 0)
        total["cost_usd"] = round(total["cost_usd"] + usage.get("cost_usd", 0.0), 6)
    return total


def project_run_body(project_run: ProjectRun, executions: Sequence[Execution]) -> dict[str, Any]:
    used = project_run.used_seconds
    if project_run.running_since is not None:
        used += max((timezone.now() - project_run.running_since).total_seconds(), 0)
    return {
        "id": str(project_run.id),
        "project_id": str(project_run.project_id),
        "status": project_run.status,
        "continuous": project_run.continuous,
        "parallel": project_run.parallel,
        "time_limit": minutes(project_run.time_limit_seconds),
        "used_seconds": round(used, 3),
        "stop_reason": project_run.stop_reason,
        "result": project_run.result,
        "executions": [execution_body(execution) for execution in executions],
        "created_at": project_run.created_at,
        "ended_at": project_run.ended_at,
    }
