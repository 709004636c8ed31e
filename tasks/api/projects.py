"""Projects: list, make, read, change, delete."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from conversations.api.serializers import PageQuery
from conversations.directories import resolve_directory
from penguin_site.idempotency import idempotent
from tasks import projects, tasks
from tasks.api.bodies import PROJECT_EXAMPLE, TASK_EXAMPLE, project_body, task_body
from tasks.api.shapes import (
    ProjectChange,
    ProjectDetailOutput,
    ProjectInput,
    ProjectListOutput,
    ProjectOutput,
    ProjectQuery,
    RemovedOutput,
)
from tasks.models import Project


class ProjectList(APIView):
    required_scopes = {"GET": "read", "POST": "tasks"}

    @extend_schema(
        operation_id="list_projects",
        summary="One's projects, newest first, with their tasks counted by state",
        parameters=[ProjectQuery],
        responses={200: ProjectListOutput},
        examples=examples(response={"projects": [PROJECT_EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request) -> Response:
        query = ProjectQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page = projects.list_projects(owner_id=request.user.pk, **query.validated_data)
        counts = projects.task_counts(project.id for project in page.rows)
        found = [project_body(project, counts[project.id]) for project in page.rows]
        return Response({"projects": found, "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="create_project",
        summary="A new project",
        description=(
            "Names are unique among one's own projects (409 `project_exists`). `directory` is where the agents of its "
            "tasks work: an absolute path that a session could be bound to; without one each works in one's own "
            "workspace."
        ),
        request=ProjectInput,
        responses={200: ProjectOutput, **errors(409)},
        examples=examples(
            request={
                "name": "Website Development",
                "description": "Create a responsive website with React and FastAPI backend",
            },
            response={**PROJECT_EXAMPLE, "task_counts": dict.fromkeys(PROJECT_EXAMPLE["task_counts"], 0)},
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        fields = ProjectInput(data=request.data)
        fields.is_valid(raise_exception=True)
        project = projects.create_project(
            owner_id=request.user.pk, now=timezone.now(), **_with_directory(request, fields.validated_data)
        )
        return Response(_counted(project))


class ProjectDetail(APIView):
    required_scopes = {"GET": "read", "PATCH": "tasks", "DELETE": "tasks"}

    @extend_schema(
        operation_id="get_project",
        summary="A project with its newest tasks",
        parameters=[PageQuery],
        responses={200: ProjectDetailOutput, **errors(404)},
        examples=examples(response={**PROJECT_EXAMPLE, "tasks": [TASK_EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        query = PageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        project = projects.find_project(project_id, owner_id=request.user.pk)
        page = tasks.list_tasks(owner_id=request.user.pk, project_id=project.id, **query.validated_data)
        found = [task_body(task) for task in page.rows]
        return Response({**_counted(project), "tasks": found, "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="update_project",
        summary="Change a project",
        description=(
            "What is not named stays. `status: archived` puts it away: its tasks are not ready, and no new ones are "
            "taken; refused with 409 `project_at_work` while an execution is under way. Executions keep the directory "
            "they began in."
        ),
        request=ProjectChange,
        responses={200: ProjectOutput, **errors(404, 409)},
        examples=examples(
            request={"review_required": False}, response={**PROJECT_EXAMPLE, "review_required": False}
        ),
    )
    def patch(self, request: Request, project_id: UUID) -> Response:
        projects.find_project(project_id, owner_id=request.user.pk)
        fields = ProjectChange(data=request.data)
        fields.is_valid(raise_exception=True)
        project = projects.update_project(
            project_id=project_id,
            owner_id=request.user.pk,
            changes=_with_directory(request, fields.validated_data),
            now=timezone.now(),
        )
        return Response(_counted(project))

    @extend_schema(
        operation_id="delete_project",
        summary="Delete a project and its tasks",
        description=(
            "With all that is known of their executions; the conversations in which they worked stay. Refused with 409 "
            "`project_at_work`, which names the state, while an execution is under way."
        ),
        responses={200: RemovedOutput, **errors(404, 409)},
        examples=examples(response={"id": PROJECT_EXAMPLE["id"], "deleted": True}),
    )
    def delete(self, request: Request, project_id: UUID) -> Response:
        projects.delete_project(project_id=project_id, owner_id=request.user.pk)
        return Response({"id": str(project_id), "deleted": True})


def _with_directory(request: Request, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with `directory` looked up, as a session's is."""
    if (path := fields.get("directory")) is None:
        return fields
    directory = resolve_directory(path, user_id=request.user.pk, is_local_owner=request.auth.is_local_owner)
    return {**fields, "directory": directory}


def _counted(project: Project) -> dict[str, Any]:
    return project_body(project, projects.task_counts([project.id])[project.id])
