"""Executions: looked at, listed, cancelled, paused, resumed, answered."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from penguin_site.idempotency import idempotent
from tasks import clarifications, executions, projects, tasks
from tasks.api.execution_bodies import EXECUTION_EXAMPLE, execution_body, execution_detail
from tasks.api.execution_shapes import (
    ClarificationInput,
    ExecutionDetailOutput,
    ExecutionListOutput,
    ExecutionOutput,
    ExecutionQuery,
    ResumeInput,
)
from tasks.core.execution_states import TERMINAL


class ExecutionList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_executions",
        summary="One's executions, newest first",
        parameters=[ExecutionQuery],
        responses={200: ExecutionListOutput, **errors(404)},
        examples=examples(response={"executions": [EXECUTION_EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request) -> Response:
        query = ExecutionQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        if (task_id := wanted.get("task_id")) is not None:
            tasks.find_task(task_id, owner_id=request.user.pk)
        if (project_id := wanted.get("project_id")) is not None:
            projects.find_project(project_id, owner_id=request.user.pk)
        page = executions.list_executions(owner_id=request.user.pk, **wanted)
        found = [execution_body(execution) for execution in page.rows]
        return Response({"executions": found, "next_cursor": page.next_cursor})


class ExecutionDetail(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_execution",
        summary="Look at an execution",
        description="State, progress, runs, usage and result, and the approvals and questions that wait for a person.",
        responses={200: ExecutionDetailOutput, **errors(404)},
    )
    def get(self, request: Request, execution_id: UUID) -> Response:
        return Response(execution_detail(executions.find_execution(execution_id, owner_id=request.user.pk)))


class ExecutionCancel(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="cancel_execution",
        summary="Cancel an execution",
        description="202 while its worker still has to stop, 200 when it has ended (also when it had before).",
        request=None,
        responses={200: ExecutionOutput, 202: ExecutionOutput, **errors(404)},
        examples=examples(response={**EXECUTION_EXAMPLE, "status": "cancelled", "state": "cancelled"}),
    )
    def post(self, request: Request, execution_id: UUID) -> Response:
        execution = executions.find_execution(execution_id, owner_id=request.user.pk)
        execution = executions.cancel(execution, now=timezone.now())
        return Response(execution_body(execution), status=200 if execution.status in TERMINAL else 202)


class ExecutionPause(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="pause_execution",
        summary="Pause an execution",
        description=(
            "200 when it stands still, 202 while its worker still finishes a step. Its time stands still, too. 409 "
            "`wrong_execution_state` when it has ended."
        ),
        request=None,
        responses={200: ExecutionOutput, 202: ExecutionOutput, **errors(404, 409)},
        examples=examples(
            response={**EXECUTION_EXAMPLE, "status": "paused", "state": "paused", "wait_reason": "paused"}
        ),
    )
    def post(self, request: Request, execution_id: UUID) -> Response:
        execution = executions.find_execution(execution_id, owner_id=request.user.pk)
        execution = executions.pause(execution, now=timezone.now())
        return Response(execution_body(execution), status=200 if execution.status == "paused" else 202)


class ExecutionResume(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="resume_execution",
        summary="Let a paused execution go on",
        description=(
            "The body may raise what is used up. 409 `budget_used_up` when its budget still is, 409 "
            "`wrong_execution_state` when it is not paused. Raising the task's budget resumes it, too."
        ),
        request=ResumeInput,
        responses={200: ExecutionOutput, **errors(404, 409)},
        examples=examples(
            request={"budget_tokens": 400_000},
            response={**EXECUTION_EXAMPLE, "status": "queued", "state": "queued", "ended_at": None},
        ),
    )
    def post(self, request: Request, execution_id: UUID) -> Response:
        execution = executions.find_execution(execution_id, owner_id=request.user.pk)
        fields = ResumeInput(data=request.data)
        fields.is_valid(raise_exception=True)
        execution = executions.resume(execution, now=timezone.now(), **fields.validated_data)
        return Response(execution_body(execution))


class ClarificationResume(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="answer_clarification",
        summary="Answer what the agent of a task has asked",
        description=(
            "Its execution goes on with the answer. 409 `no_clarification` when nothing is asked. What became of a "
            "lost call is not answered here: see `/questions`."
        ),
        request=ClarificationInput,
        responses={200: ExecutionOutput, **errors(404, 409, 410)},
        examples=examples(
            request={"answer": "PostgreSQL"},
            response={**EXECUTION_EXAMPLE, "status": "queued", "state": "queued", "ended_at": None},
        ),
    )
    @idempotent
    def post(self, request: Request, task_id: UUID) -> Response:
        task = tasks.find_task(task_id, owner_id=request.user.pk)
        fields = ClarificationInput(data=request.data)
        fields.is_valid(raise_exception=True)
        execution = clarifications.resume(
            task, user=request.user, now=timezone.now(), request=request, **fields.validated_data
        )
        return Response(execution_body(execution))
