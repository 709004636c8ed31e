"""Putting agents to work: on a task that is made for it, or on a stored one; at once, or until the end."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from penguin_site.idempotency import idempotent
from tasks import executions, quick_tasks, tasks
from tasks.api.execution_bodies import EXECUTION_EXAMPLE, STARTED_EXAMPLE, started_body
from tasks.api.execution_shapes import (
    ExecuteInput,
    ExecutionDetailOutput,
    StartedOutput,
    StartFields,
    WaitQuery,
)
from tasks.api.waiting import ExecutionEnd
from tasks.models import Execution

_REQUEST = {
    "name": "Generate API documentation",
    "description": "Create OpenAPI documentation for all endpoints",
    "continuous": False,
    "time_limit": 30,
}
_GOES_ON = (
    "A worker does it in a conversation of its own; it survives restarts, is seen under its links, and can be "
    "cancelled and paused there."
)
_WAITING = OpenApiResponse(
    StartedOutput, description="Started; this process cannot wait for its end (WSGI), or it stops."
)
_DETAIL_EXAMPLE = {
    **EXECUTION_EXAMPLE,
    "progress": {
        "percent": None,
        "note": "",
        "model_calls": 9,
        "tool_calls": 8,
        "tasks_done": 1,
        "todos": [],
    },
    "runs": [],
    "usage": {"total_tokens": 15_100},
    "approvals": [],
    "questions": [],
}


class _Execute(APIView):
    """A new task, and an agent that begins with it."""

    required_scopes = {"POST": "tasks"}
    rate_class = "chat"

    def begin(self, request: Request) -> Execution:
        fields = ExecuteInput(data=request.data)
        fields.is_valid(raise_exception=True)
        return quick_tasks.execute(
            fields.validated_data,
            user_id=request.user.pk,
            is_local_owner=request.auth.is_local_owner,
            now=timezone.now(),
        )


class TaskExecute(_Execute):
    @extend_schema(
        operation_id="execute_new_task",
        summary="Have an agent do something",
        description=f"Makes a task and starts an execution of it. {_GOES_ON}",
        request=ExecuteInput,
        responses={200: StartedOutput, **errors(404, 409)},
        examples=examples(request=_REQUEST, response=STARTED_EXAMPLE),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        return Response(started_body(self.begin(request)))


class TaskExecuteSync(_Execute):
    @extend_schema(
        operation_id="execute_new_task_and_wait",
        summary="Have an agent do something, and wait for its end",
        description=f"Like `/tasks/execute`; answers with the execution when it has ended. {_GOES_ON}",
        request=ExecuteInput,
        responses={200: ExecutionDetailOutput, 202: _WAITING, **errors(404, 409)},
        examples=examples(request=_REQUEST, response=_DETAIL_EXAMPLE),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        return _until_the_end(self.begin(request))

    def replayed(self, request: Request, response: Response) -> Response:
        return _waiting_again(request, response)


class StoredTaskExecute(APIView):
    required_scopes = {"POST": "tasks"}
    rate_class = "chat"

    @extend_schema(
        operation_id="execute_task",
        summary="Have an agent do a task",
        description=(
            "The task has to be active and ready: 409 `wrong_task_state` names its state, 409 `task_blocked` the tasks "
            f"it waits for. {_GOES_ON} `?wait=true` answers with the execution when it has ended. What is not said "
            "here, limits and budgets above all, is as the task says."
        ),
        request=StartFields,
        parameters=[WaitQuery],
        responses={
            200: OpenApiResponse(
                StartedOutput,
                description="Started; with `?wait=true` the execution as `GET /executions/{id}` shows it.",
            ),
            202: _WAITING,
            **errors(404, 409),
        },
        examples=examples(request={"continuous": False}, response=STARTED_EXAMPLE),
    )
    @idempotent
    def post(self, request: Request, task_id: UUID) -> Response:
        task = tasks.find_task(task_id, owner_id=request.user.pk)
        fields = StartFields(data=request.data)
        fields.is_valid(raise_exception=True)
        wait = _wants_to_wait(request)
        who = {"user_id": request.user.pk, "is_local_owner": request.auth.is_local_owner}
        options = quick_tasks.options_of(fields.validated_data, **who)
        execution = executions.start(task=task, now=timezone.now(), options=options, **who)
        return _until_the_end(execution) if wait else Response(started_body(execution))

    def replayed(self, request: Request, response: Response) -> Response:
        return _waiting_again(request, response) if _wants_to_wait(request) else response


def _wants_to_wait(request: Request) -> bool:
    query = WaitQuery(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    return bool(query.validated_data["wait"])


def _until_the_end(execution: Execution) -> Response:
    response = Response(started_body(execution), status=202)
    response.waiting = ExecutionEnd.of(execution)
    return response


def _waiting_again(request: Request, response: Response) -> Response:
    execution_id = UUID(response.data["execution_id"])
    execution = executions.find_execution(execution_id, owner_id=request.user.pk)
    if execution.conversation is not None:
        response.waiting = ExecutionEnd.of(execution)
    return response
