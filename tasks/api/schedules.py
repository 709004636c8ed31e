"""Schedules: list, make, read, change, delete."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.fields import StrictBooleanField, StrictCharField, StrictUUIDField
from conversations.api.schema import errors, examples
from conversations.api.serializers import PageQuery
from penguin_site.idempotency import idempotent
from tasks import schedules, tasks
from tasks.api.shapes import RemovedOutput
from tasks.core import cron
from tasks.models import Schedule

_EXAMPLE: dict[str, Any] = {
    "id": "018e8f5a-0000-7000-8000-000000000013",
    "task_id": "018e8f5a-0000-7000-8000-000000000011",
    "cron": "0 6 * * 1-5",
    "timezone": "Europe/Berlin",
    "enabled": True,
    "next_at": "2024-04-02T04:00:00Z",
    "last_at": "2024-04-01T04:00:01Z",
    "last_outcome": "started",
    "last_missed": 0,
    "last_execution_id": "018e8f5a-0000-7000-8000-000000000012",
    "created_at": "2024-03-30T12:34:56Z",
    "updated_at": "2024-03-30T12:34:56Z",
}
_RHYTHM = (
    "Five fields: minute, hour, day of month, month, day of week; names (`mon`, `jan`), ranges, lists, steps, `L`, "
    "`MON#2`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."
)
_CLOCK = (
    "The rhythm is read by the clock of `timezone`. A time that this clock leaps over is due right after the leap, one "
    "that it shows twice the first time only; a rhythm whose minutes or hours begin with `*` goes by real time. What "
    "was due while the server stood still is made up for by one firing: `last_missed` says how many it stands for. A "
    "firing while the task is at work, waits for a review or for other tasks, or was called off starts nothing, and "
    "`last_outcome` says so; a task that is completed or has failed is done again."
)


class ScheduleFields(serializers.Serializer):
    cron = StrictCharField(
        required=False, max_length=cron.MOST_CHARACTERS, trim_whitespace=True, help_text=_RHYTHM
    )
    timezone = StrictCharField(required=False, max_length=64, help_text="A name as `Europe/Berlin` or `UTC`.")
    enabled = StrictBooleanField(required=False)


class ScheduleInput(ScheduleFields):
    task_id = StrictUUIDField()
    cron = StrictCharField(max_length=cron.MOST_CHARACTERS, trim_whitespace=True, help_text=_RHYTHM)
    timezone = StrictCharField(default="UTC", max_length=64, help_text="A name as `Europe/Berlin` or `UTC`.")
    enabled = StrictBooleanField(default=True)


class ScheduleQuery(PageQuery):
    task_id = serializers.UUIDField(required=False)


class ScheduleOutput(serializers.Serializer):
    id = serializers.UUIDField()
    task_id = serializers.UUIDField()
    cron = serializers.CharField()
    timezone = serializers.CharField()
    enabled = serializers.BooleanField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="Empty while it is not enabled.")
    last_at = serializers.DateTimeField(allow_null=True, help_text="When it last fired.")
    last_outcome = serializers.CharField(
        allow_blank=True, help_text="`started`, `skipped: <why>` or `failed: <code>`."
    )
    last_missed = serializers.IntegerField(
        help_text="How often it had been due before its last firing, unheard."
    )
    last_execution_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ScheduleListOutput(serializers.Serializer):
    schedules = ScheduleOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def _body(schedule: Schedule) -> dict[str, Any]:
    fields = ScheduleOutput(schedule).data
    return dict(fields)


class ScheduleList(APIView):
    required_scopes = {"GET": "read", "POST": "tasks"}

    @extend_schema(
        operation_id="list_schedules",
        summary="One's schedules, newest first",
        parameters=[ScheduleQuery],
        responses={200: ScheduleListOutput, **errors(404)},
        examples=examples(response={"schedules": [_EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request) -> Response:
        query = ScheduleQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        if (task_id := query.validated_data.get("task_id")) is not None:
            tasks.find_task(task_id, owner_id=request.user.pk)
        page = schedules.list_schedules(owner_id=request.user.pk, **query.validated_data)
        rows = [_body(schedule) for schedule in page.rows]
        return Response({"schedules": rows, "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="create_schedule",
        summary="Execute a task again and again",
        description=_CLOCK,
        request=ScheduleInput,
        responses={200: ScheduleOutput, **errors(404)},
        examples=examples(
            request={
                "task_id": _EXAMPLE["task_id"],
                "cron": _EXAMPLE["cron"],
                "timezone": _EXAMPLE["timezone"],
            },
            response={
                **_EXAMPLE,
                "last_at": None,
                "last_outcome": "",
                "last_execution_id": None,
                "next_at": "2024-04-01T04:00:00Z",
            },
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        fields = ScheduleInput(data=request.data)
        fields.is_valid(raise_exception=True)
        schedule = schedules.create_schedule(
            owner_id=request.user.pk,
            is_local_owner=request.auth.is_local_owner,
            now=timezone.now(),
            **fields.validated_data,
        )
        return Response(_body(schedule))


class ScheduleDetail(APIView):
    required_scopes = {"GET": "read", "PATCH": "tasks", "DELETE": "tasks"}

    @extend_schema(
        operation_id="get_schedule",
        summary="Look at a schedule",
        responses={200: ScheduleOutput, **errors(404)},
        examples=examples(response=_EXAMPLE),
    )
    def get(self, request: Request, schedule_id: UUID) -> Response:
        return Response(_body(schedules.find_schedule(schedule_id, owner_id=request.user.pk)))

    @extend_schema(
        operation_id="update_schedule",
        summary="Change a schedule",
        description=(
            "What is not named stays. It goes on from now: what was due while it was not enabled is not made up for."
        ),
        request=ScheduleFields,
        responses={200: ScheduleOutput, **errors(404)},
        examples=examples(
            request={"enabled": False}, response={**_EXAMPLE, "enabled": False, "next_at": None}
        ),
    )
    def patch(self, request: Request, schedule_id: UUID) -> Response:
        schedules.find_schedule(schedule_id, owner_id=request.user.pk)
        fields = ScheduleFields(data=request.data)
        fields.is_valid(raise_exception=True)
        schedule = schedules.update_schedule(
            schedule_id=schedule_id,
            owner_id=request.user.pk,
            changes=fields.validated_data,
            is_local_owner=request.auth.is_local_owner,
            now=timezone.now(),
        )
        return Response(_body(schedule))

    @extend_schema(
        operation_id="delete_schedule",
        summary="Delete a schedule",
        description="Executions that it has started go on.",
        responses={200: RemovedOutput, **errors(404)},
        examples=examples(response={"id": _EXAMPLE["id"], "deleted": True}),
    )
    def delete(self, request: Request, schedule_id: UUID) -> Response:
        schedules.delete_schedule(schedule_id=schedule_id, owner_id=request.user.pk)
        return Response({"id": str(schedule_id), "deleted": True})
