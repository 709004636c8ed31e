"""Runs: look at them, list them, cancel them, try them again."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import holds, run_pages, runs
from conversations.api.fields import QueryIntegerField
from conversations.api.schema import errors
from conversations.api.serializers import OpenRunOutput
from conversations.core.run_states import TERMINAL, RunStatus
from conversations.core.usage import empty
from conversations.models import Run
from penguin_site.idempotency import idempotent


class RunQuery(serializers.Serializer):
    limit = QueryIntegerField(min_value=1, max_value=200, default=50)
    cursor = serializers.CharField(allow_blank=True, default="", max_length=200)
    status = serializers.ChoiceField([s.value for s in RunStatus], required=False)
    session_id = serializers.CharField(required=False, max_length=128)


class RunOutput(OpenRunOutput):
    """A run, open or ended."""

    retry_of = serializers.UUIDField(allow_null=True)


class RunListOutput(serializers.Serializer):
    runs = RunOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def run_body(run: Run, queue_position: int | None) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "session_id": run.conversation.session_id,
        "status": run.status,
        "attempt": run.attempt,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "usage": run.usage or empty(),
        "error": run.error,
        "queue_position": queue_position,
        "queue_reason": holds.queue_reason(run.status, run.hold),
        "input_message_id": str(run.input_message_id),
        "answer_message_id": str(run.answer_message_id),
        "retry_of": str(run.retry_of_id) if run.retry_of_id else None,
    }


class RunList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_runs",
        summary="List one's own runs, newest first",
        parameters=[RunQuery],
        responses={200: RunListOutput, **errors()},
    )
    def get(self, request: Request) -> Response:
        query = RunQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page = run_pages.list_runs(owner_id=request.user.pk, **query.validated_data)
        found = [run_body(run, position) for run, position in page.runs]
        return Response({"runs": found, "next_cursor": page.next_cursor})


class RunDetail(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="get_run", summary="Look at a run", responses={200: RunOutput, **errors(404)})
    def get(self, request: Request, run_id: UUID) -> Response:
        run = runs.find_run(run_id, owner_id=request.user.pk)
        return Response(run_body(run, runs.queue_position(run)))


class RunCancel(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        summary="Cancel a run",
        description="202 while its worker still has to confirm, 200 when it has ended (also when it had before).",
        request=None,
        responses={200: RunOutput, 202: RunOutput, **errors(404)},
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        run = runs.cancel_run(run=runs.find_run(run_id, owner_id=request.user.pk), now=timezone.now())
        status = 200 if RunStatus(run.status) in TERMINAL else 202
        return Response(run_body(run, runs.queue_position(run)), status=status)


class RunRetry(APIView):
    required_scopes = {"POST": "chat"}
    rate_class = "chat"

    @extend_schema(
        summary="Answer the message of an ended run once more",
        request=None,
        responses={202: RunOutput, **errors(404, 409)},
    )
    @idempotent
    def post(self, request: Request, run_id: UUID) -> Response:
        run = runs.retry_run(run=runs.find_run(run_id, owner_id=request.user.pk), now=timezone.now())
        return Response(run_body(run, runs.queue_position(run)), status=202)
