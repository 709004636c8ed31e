"""What a person does with a task: takes it, agrees with its result, sends it back."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from tasks import task_moves, tasks
from tasks.api.bodies import TASK_EXAMPLE, task_body
from tasks.api.shapes import CompleteInput, ReopenInput, TaskOutput

_REFUSED = (
    "From another state 409 `wrong_task_state`, which names it; while an execution is under way 409 `task_at_work`, "
    "which names the state of both."
)


class TaskStart(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="start_task",
        summary="Take a task oneself",
        description=(
            "An active task becomes `running` without an execution. One that depends on others which are not completed "
            f"is refused with 409 `task_blocked` and their ids in `blocked_by`. {_REFUSED}"
        ),
        request=None,
        responses={200: TaskOutput, **errors(404, 409)},
        examples=examples(response={**TASK_EXAMPLE, "status": "running", "ready": False}),
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        task = task_moves.start_task(task_id=task_id, owner_id=request.user.pk, now=timezone.now())
        return Response(task_body(task))


class TaskComplete(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="complete_task",
        summary="Agree that a task is done",
        description=f"From `pending_review`, or from `running` when a person has taken it. {_REFUSED}",
        request=CompleteInput,
        responses={200: TaskOutput, **errors(404, 409)},
        examples=examples(
            request={"result": "The page is online."},
            response={
                **TASK_EXAMPLE,
                "status": "completed",
                "ready": False,
                "result": "The page is online.",
                "completed_at": "2024-03-30T13:00:00Z",
            },
        ),
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        tasks.find_task(task_id, owner_id=request.user.pk)
        fields = CompleteInput(data=request.data)
        fields.is_valid(raise_exception=True)
        task = task_moves.complete_task(
            task_id=task_id, owner_id=request.user.pk, now=timezone.now(), **fields.validated_data
        )
        return Response(task_body(task))


class TaskReopen(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="reopen_task",
        summary="Send a task back",
        description=(
            "It is `active` again, and the next execution is told `feedback`. From `pending_review` and from every "
            f"state in which it has ended; a task that a person has taken is given back. {_REFUSED}"
        ),
        request=ReopenInput,
        responses={200: TaskOutput, **errors(404, 409)},
        examples=examples(
            request={"feedback": "The menu covers the title."},
            response={**TASK_EXAMPLE, "feedback": "The menu covers the title."},
        ),
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        tasks.find_task(task_id, owner_id=request.user.pk)
        fields = ReopenInput(data=request.data)
        fields.is_valid(raise_exception=True)
        task = task_moves.reopen_task(
            task_id=task_id, owner_id=request.user.pk, now=timezone.now(), **fields.validated_data
        )
        return Response(task_body(task))
