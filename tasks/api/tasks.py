"""Tasks: list, make, read, change, delete."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from penguin_site.idempotency import idempotent
from tasks import projects, task_changes, tasks
from tasks.api.bodies import TASK_EXAMPLE, task_body
from tasks.api.shapes import RemovedOutput, TaskChange, TaskInput, TaskListOutput, TaskOutput, TaskQuery

_LINKS = (
    "`depends_on` and `parent_task_id` name tasks of the same project. Dependencies that would form a cycle are "
    "refused with 400 `dependency_cycle`; `cycle` has its tasks, the first one again at the end."
)


class TaskList(APIView):
    required_scopes = {"GET": "read", "POST": "tasks"}

    @extend_schema(
        operation_id="list_tasks",
        summary="One's tasks, newest first",
        parameters=[TaskQuery],
        responses={200: TaskListOutput, **errors(404)},
        examples=examples(response={"tasks": [TASK_EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request) -> Response:
        query = TaskQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        if (project_id := query.validated_data.get("project_id")) is not None:
            projects.find_project(project_id, owner_id=request.user.pk)
        page = tasks.list_tasks(owner_id=request.user.pk, **query.validated_data)
        return Response({"tasks": [task_body(task) for task in page.rows], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="create_task",
        summary="A new task",
        description=f"It is `active`, and ready when all it depends on is completed. {_LINKS}",
        request=TaskInput,
        responses={200: TaskOutput, **errors(404, 409)},
        examples=examples(
            request={
                "project_id": TASK_EXAMPLE["project_id"],
                "title": "Write the landing page",
                "description": "With React, responsive.",
                "acceptance_criteria": TASK_EXAMPLE["acceptance_criteria"],
                "budget_tokens": 200_000,
                "time_limit": 30,
            },
            response=TASK_EXAMPLE,
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        fields = TaskInput(data=request.data)
        fields.is_valid(raise_exception=True)
        task = task_changes.create_task(owner_id=request.user.pk, now=timezone.now(), **fields.validated_data)
        return Response(task_body(task))


class TaskDetail(APIView):
    required_scopes = {"GET": "read", "PATCH": "tasks", "DELETE": "tasks"}

    @extend_schema(
        operation_id="get_task",
        summary="Look at a task",
        responses={200: TaskOutput, **errors(404)},
        examples=examples(response=TASK_EXAMPLE),
    )
    def get(self, request: Request, task_id: UUID) -> Response:
        return Response(task_body(tasks.find_task(task_id, owner_id=request.user.pk)))

    @extend_schema(
        operation_id="update_task",
        summary="Change a task",
        description=(
            "What is not named stays; `depends_on` is the whole new list. `status` makes a move that a person may "
            "make: `running` (take it), `completed`, `active` (give it back, reopen), `cancelled`, `archived`; a move "
            "that the present state does not allow is 409 `wrong_task_state` and names that state, any move while an "
            f"execution is under way 409 `task_at_work`. {_LINKS}"
        ),
        request=TaskChange,
        responses={200: TaskOutput, **errors(404, 409)},
        examples=examples(
            request={"priority": 5, "due_at": "2024-04-01"},
            response={**TASK_EXAMPLE, "priority": 5, "due_at": "2024-04-01T00:00:00Z"},
        ),
    )
    def patch(self, request: Request, task_id: UUID) -> Response:
        tasks.find_task(task_id, owner_id=request.user.pk)
        fields = TaskChange(data=request.data)
        fields.is_valid(raise_exception=True)
        task = task_changes.update_task(
            task_id=task_id, owner_id=request.user.pk, changes=fields.validated_data, now=timezone.now()
        )
        return Response(task_body(task))

    @extend_schema(
        operation_id="delete_task",
        summary="Delete a task",
        description=(
            "With all that is known of its executions; the conversations in which they worked stay. What depended on "
            "it no longer does, its subtasks stay. Refused with 409 `task_at_work`, which names the state, while an "
            "execution is under way."
        ),
        responses={200: RemovedOutput, **errors(404, 409)},
        examples=examples(response={"id": TASK_EXAMPLE["id"], "deleted": True}),
    )
    def delete(self, request: Request, task_id: UUID) -> Response:
        task_changes.delete_task(task_id=task_id, owner_id=request.user.pk)
        return Response({"id": str(task_id), "deleted": True})
