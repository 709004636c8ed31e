"""What goes in and out of the routes about projects and tasks."""

import math
from typing import Any

from rest_framework import serializers

from conversations.api.fields import (
    MomentField,
    QueryBooleanField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictUUIDField,
)
from conversations.api.serializers import PageQuery
from conversations.core.usage import MICROS
from tasks.core.execution_states import ExecutionStatus, WaitReason
from tasks.core.task_states import TaskStatus
from tasks.dependencies import MOST_DEPENDENCIES
from tasks.models import Project, Task
from tasks.task_moves import BY_PERSON

MOST_TEXT = 100_000
MOST_CRITERIA = 100
MOST_MINUTES = 30 * 24 * 60
MOST_USD = 1_000_000
TASK_STATUSES = [status.value for status in TaskStatus]


class StrictNumberField(serializers.FloatField):
    """A JSON number; DRF takes texts and booleans too."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        number = super().to_internal_value(data)
        if not math.isfinite(number):
            self.fail("invalid")
        return number


class MinutesField(StrictNumberField):
    """Minutes outside, whole seconds inside; never none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0.01, max_value=MOST_MINUTES, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        minutes = super().run_validation(data)
        return max(1, round(minutes * 60)) if isinstance(minutes, float) else minutes


class UsdField(StrictNumberField):
    """US dollars outside, millionths inside; never none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0.000001, max_value=MOST_USD, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        usd = super().run_validation(data)
        return max(1, round(usd * MICROS)) if isinstance(usd, float) else usd


class ProjectFields(serializers.Serializer):
    name = StrictCharField(required=False, max_length=200, trim_whitespace=True)
    description = StrictCharField(required=False, allow_blank=True, max_length=MOST_TEXT)
    directory = StrictCharField(
        required=False,
        allow_null=True,
        max_length=4096,
        help_text="Absolute path: where the project's tasks work.",
    )
    review_required = StrictBooleanField(
        required=False, help_text="What an agent has done waits in `pending_review` (the default)."
    )
    on_unknown = StrictChoiceField(
        Project.OnUnknown.values,
        required=False,
        help_text="A tool call whose end is unknown after a crash: `ask` a person, or `tell` the model and go on.",
    )


class ProjectInput(ProjectFields):
    name = StrictCharField(max_length=200, trim_whitespace=True, help_text="Unique among one's own.")


class ProjectChange(ProjectFields):
    status = StrictChoiceField(Project.Status.values, required=False)


class TaskFields(serializers.Serializer):
    project_id = StrictUUIDField(required=False, allow_null=True)
    title = StrictCharField(required=False, max_length=200, trim_whitespace=True)
    description = StrictCharField(required=False, allow_blank=True, max_length=MOST_TEXT)
    priority = StrictIntegerField(
        required=False, min_value=-100, max_value=100, help_text="Higher is done first."
    )
    parent_task_id = StrictUUIDField(
        source="parent_id", required=False, allow_null=True, help_text="It is a part of that one."
    )
    depends_on = StrictListField(
        child=StrictUUIDField(),
        required=False,
        max_length=MOST_DEPENDENCIES,
        help_text="Tasks of the same project that have to be completed first.",
    )
    acceptance_criteria = StrictListField(
        child=StrictCharField(max_length=2000), required=False, max_length=MOST_CRITERIA
    )
    due_at = MomentField(required=False, allow_null=True)
    budget_tokens = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=10**12)
    budget_cost_usd = UsdField(source="budget_cost_micros", required=False, allow_null=True)
    time_limit = MinutesField(
        source="time_limit_seconds",
        required=False,
        allow_null=True,
        help_text="Minutes at work, of each execution.",
    )


class TaskInput(TaskFields):
    title = StrictCharField(max_length=200, trim_whitespace=True)


class TaskChange(TaskFields):
    status = StrictChoiceField(
        [status.value for status in BY_PERSON],
        required=False,
        help_text="A move that a person may make; the rest is what executions make of a task.",
    )


class ProjectQuery(PageQuery):
    status = serializers.ChoiceField(Project.Status.values, required=False)
    q = serializers.CharField(
        allow_blank=True, default="", max_length=200, help_text="In names and descriptions."
    )


class TaskQuery(PageQuery):
    project_id = serializers.UUIDField(required=False)
    project = serializers.UUIDField(required=False, help_text="The same as `project_id`.")
    parent_task_id = serializers.UUIDField(source="parent_id", required=False)
    status = serializers.ChoiceField(TASK_STATUSES, required=False)
    q = serializers.CharField(
        allow_blank=True, default="", max_length=200, help_text="In titles and descriptions."
    )
    ready = QueryBooleanField(required=False, help_text="`true`: only those that can begin now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        alias = attrs.pop("project", None)
        if alias is not None and attrs.setdefault("project_id", alias) != alias:
            raise serializers.ValidationError({"project": "project and project_id name two projects."})
        return attrs


class CompleteInput(serializers.Serializer):
    result = StrictCharField(
        required=False, allow_blank=True, max_length=MOST_TEXT, help_text="In place of the agent's summary."
    )


class ReopenInput(serializers.Serializer):
    feedback = StrictCharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=MOST_TEXT,
        help_text="What is to be done otherwise; the next execution is told.",
    )


class LiveExecutionOutput(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField([status.value for status in ExecutionStatus])
    wait_reason = serializers.ChoiceField(["", *(reason.value for reason in WaitReason)])


class TaskOutput(serializers.Serializer):
    id = serializers.UUIDField()
    project_id = serializers.UUIDField(allow_null=True)
    parent_task_id = serializers.UUIDField(allow_null=True)
    title = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(TASK_STATUSES)
    ready = serializers.BooleanField(help_text="Active, and all it depends on is completed.")
    priority = serializers.IntegerField()
    depends_on = serializers.ListField(child=serializers.UUIDField())
    blocked_by = serializers.ListField(
        child=serializers.UUIDField(), help_text="Those of `depends_on` that are not completed."
    )
    acceptance_criteria = serializers.ListField(child=serializers.CharField())
    due_at = serializers.DateTimeField(allow_null=True)
    budget_tokens = serializers.IntegerField(allow_null=True)
    budget_cost_usd = serializers.FloatField(allow_null=True)
    time_limit = serializers.FloatField(allow_null=True, help_text="Minutes.")
    result = serializers.CharField(allow_blank=True, help_text="The summary of whoever ended it.")
    feedback = serializers.CharField(allow_blank=True, help_text="Of the review that sent it back.")
    origin = serializers.ChoiceField(Task.Origin.values, help_text="Who thought of it.")
    execution = LiveExecutionOutput(allow_null=True, help_text="The one under way.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)


class TaskListOutput(serializers.Serializer):
    tasks = TaskOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class TaskCountsOutput(serializers.Serializer):
    """How many tasks are in each state."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {status: serializers.IntegerField() for status in TASK_STATUSES}


class ProjectOutput(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(Project.Status.values)
    directory = serializers.CharField(allow_null=True)
    review_required = serializers.BooleanField()
    on_unknown = serializers.ChoiceField(Project.OnUnknown.values)
    task_counts = TaskCountsOutput()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ProjectListOutput(serializers.Serializer):
    projects = ProjectOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ProjectDetailOutput(ProjectOutput):
    tasks = TaskOutput(many=True, help_text="The newest.")
    next_cursor = serializers.CharField(
        allow_null=True, help_text="`GET /tasks?project_id=...&cursor=...` goes on from here."
    )


class RemovedOutput(serializers.Serializer):
    id = serializers.UUIDField()
    deleted = serializers.BooleanField()
