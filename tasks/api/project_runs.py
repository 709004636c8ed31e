"""Runs of projects: agents work through the ready tasks of one."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from penguin_site.idempotency import idempotent
from tasks import project_runs, projects
from tasks.api.execution_bodies import STARTED_EXAMPLE, project_run_body, started_body
from tasks.api.execution_shapes import ProjectRunInput, ProjectRunOutput, ProjectRunStartedOutput
from tasks.executions import StartOptions
from tasks.models import ProjectRun

_OPTIONS = ("model", "agent_mode", "max_iterations")


class ProjectRunView(APIView):
    required_scopes = {"GET": "read", "POST": "tasks"}

    @extend_schema(
        operation_id="run_project",
        summary="Work through the ready tasks of a project",
        description=(
            "An execution for each, in the order of priority, due time and age, `parallel` at once. Without "
            "`continuous` those that are ready now; with it also what becomes ready meanwhile, follow-ups of the "
            "agents among it, until nothing can begin or the time is over; the result says which. 409 "
            "`no_ready_tasks` when there is nothing to begin with, 409 `project_run_exists` while another run is "
            "under way."
        ),
        request=ProjectRunInput,
        responses={200: ProjectRunStartedOutput, **errors(404, 409)},
        examples=examples(
            request={"continuous": True, "parallel": 2, "time_limit": 60},
            response={
                "status": "started",
                "project_id": "018e8f5a-0000-7000-8000-000000000010",
                "project_run_id": "018e8f5a-0000-7000-8000-000000000013",
                "executions": [STARTED_EXAMPLE],
                "links": {"run": "/api/v1/projects/018e8f5a-0000-7000-8000-000000000010/run"},
            },
        ),
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        project = projects.find_project(project_id, owner_id=request.user.pk)
        fields = ProjectRunInput(data=request.data)
        fields.is_valid(raise_exception=True)
        wanted = {name: value for name, value in fields.validated_data.items() if value is not None}
        options = StartOptions(**{name: wanted.pop(name) for name in _OPTIONS if name in wanted})
        project_run, begun = project_runs.start(
            project=project,
            user_id=request.user.pk,
            is_local_owner=request.auth.is_local_owner,
            now=timezone.now(),
            options=options,
            **wanted,
        )
        return Response(
            {
                "status": "started",
                "project_id": str(project.id),
                "project_run_id": str(project_run.id),
                "executions": [started_body(execution) for execution in begun],
                "links": {
                    "run": f"/api/v1/projects/{project.id}/run",
                    "cancel": f"/api/v1/projects/{project.id}/run/cancel",
                },
            }
        )

    @extend_schema(
        operation_id="get_project_run",
        summary="The newest run of a project",
        description="With its executions, and its result once it has ended. 404 when there was none.",
        responses={200: ProjectRunOutput, **errors(404)},
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        project = projects.find_project(project_id, owner_id=request.user.pk)
        return Response(_body(project_runs.newest_of(project)))


class ProjectRunCancel(APIView):
    required_scopes = {"POST": "tasks"}

    @extend_schema(
        operation_id="cancel_project_run",
        summary="Cancel the run of a project",
        description="Nothing more begins, and what is under way is cancelled. Also when it had ended before.",
        request=None,
        responses={200: ProjectRunOutput, **errors(404)},
    )
    def post(self, request: Request, project_id: UUID) -> Response:
        project = projects.find_project(project_id, owner_id=request.user.pk)
        project_run = project_runs.cancel(project_runs.newest_of(project), now=timezone.now())
        return Response(_body(project_run))


def _body(project_run: ProjectRun) -> dict[str, object]:
    return project_run_body(project_run, project_runs.executions_of(project_run))
