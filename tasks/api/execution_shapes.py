"""What goes in and out of the routes about executions and runs of projects."""

from rest_framework import serializers

from conversations.api.fields import (
    QueryBooleanField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictUUIDField,
)
from conversations.api.serializers import PageQuery, RunErrorOutput
from conversations.core.run_states import RunStatus
from tasks.api.shapes import MOST_CRITERIA, MOST_TEXT, MinutesField, UsdField
from tasks.core.execution_states import ExecutionStatus, WaitReason
from tasks.models import ProjectRun

STATUSES = [status.value for status in ExecutionStatus]


class StartFields(serializers.Serializer):
    session_id = StrictCharField(
        required=False,
        allow_null=True,
        max_length=128,
        help_text="The session to work in; without one a new one.",
    )
    directory = StrictCharField(
        required=False,
        allow_null=True,
        max_length=4096,
        help_text="Absolute path to work in; without one the project's, else a folder of the session's own.",
    )
    continuous = StrictBooleanField(
        default=False,
        help_text="Go on with the project's next ready task, without a project with those the agent adds, until time, "
        "budget or work is used up.",
    )
    time_limit = MinutesField(
        source="time_limit_seconds",
        required=False,
        allow_null=True,
        help_text="Minutes at work; waiting does not count.",
    )
    budget_tokens = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=10**12,
        help_text="It pauses when they are used.",
    )
    budget_cost_usd = UsdField(source="budget_cost_micros", required=False, allow_null=True)
    model = StrictCharField(required=False, allow_null=True, max_length=200)
    agent_mode = StrictChoiceField(choices=["build", "plan"], required=False, allow_null=True)
    max_iterations = StrictIntegerField(
        required=False, allow_null=True, min_value=1, max_value=1000, help_text="Model calls of one run."
    )


class ExecuteInput(StartFields):
    """The task, and how to work on it."""

    name = StrictCharField(max_length=200, trim_whitespace=True, help_text="The title of the task.")
    description = StrictCharField(required=False, allow_blank=True, allow_null=True, max_length=MOST_TEXT)
    acceptance_criteria = StrictListField(
        child=StrictCharField(max_length=2000), required=False, max_length=MOST_CRITERIA
    )
    project_id = StrictUUIDField(required=False, allow_null=True)
    priority = StrictIntegerField(required=False, min_value=-100, max_value=100)


class WaitQuery(serializers.Serializer):
    wait = QueryBooleanField(default=False, help_text="`true`: answer with the execution when it has ended.")


class ExecutionQuery(PageQuery):
    task_id = serializers.UUIDField(required=False)
    project_id = serializers.UUIDField(required=False)
    status = serializers.ChoiceField(STATUSES, required=False)


class ResumeInput(serializers.Serializer):
    """New limits, where those it has are used up."""

    budget_tokens = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=10**12)
    budget_cost_usd = UsdField(source="budget_cost_micros", required=False, allow_null=True)
    time_limit = MinutesField(source="time_limit_seconds", required=False, allow_null=True)


class ClarificationInput(serializers.Serializer):
    answer = StrictCharField(max_length=MOST_TEXT)
    question_id = StrictUUIDField(required=False, allow_null=True, help_text="Where several are open.")


class ProjectRunInput(serializers.Serializer):
    continuous = StrictBooleanField(
        default=False, help_text="Also what becomes ready meanwhile; else only what is ready now."
    )
    time_limit = MinutesField(
        source="time_limit_seconds",
        required=False,
        allow_null=True,
        help_text="Minutes, of all of it together.",
    )
    parallel = StrictIntegerField(default=1, min_value=1, max_value=4, help_text="Executions at once.")
    model = StrictCharField(required=False, allow_null=True, max_length=200)
    agent_mode = StrictChoiceField(choices=["build", "plan"], required=False, allow_null=True)
    max_iterations = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=1000)


class StartedOutput(serializers.Serializer):
    status = serializers.ChoiceField(["started"])
    task_id = serializers.UUIDField()
    execution_id = serializers.UUIDField()
    session_id = serializers.CharField()
    links = serializers.DictField(child=serializers.CharField())


class ProgressOutput(serializers.Serializer):
    percent = serializers.IntegerField(allow_null=True, help_text="As its agent says.")
    note = serializers.CharField(allow_blank=True)
    model_calls = serializers.IntegerField()
    tool_calls = serializers.IntegerField()
    tasks_done = serializers.IntegerField(help_text="On which the agent has ended its work.")
    todos = serializers.ListField(child=serializers.DictField(), help_text="The agent's own list.")


class RunOfExecutionOutput(serializers.Serializer):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    task_id = serializers.UUIDField(allow_null=True)
    reason = serializers.CharField(help_text="start, next_task, no_finish (a reminder).")
    status = serializers.ChoiceField([status.value for status in RunStatus])
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    usage = serializers.DictField()
    error = RunErrorOutput(allow_null=True)


class ExecutionOutput(serializers.Serializer):
    id = serializers.UUIDField()
    execution_id = serializers.UUIDField(help_text="The same as `id`.")
    task_id = serializers.UUIDField(allow_null=True, help_text="The task it was started for.")
    current_task_id = serializers.UUIDField(help_text="The task it works on, or did last.")
    project_id = serializers.UUIDField(allow_null=True)
    project_run_id = serializers.UUIDField(allow_null=True)
    session_id = serializers.CharField(allow_null=True, help_text="Empty when its conversation was deleted.")
    status = serializers.ChoiceField(STATUSES)
    state = serializers.ChoiceField(STATUSES, help_text="The same as `status`.")
    wait_reason = serializers.ChoiceField(["", *(reason.value for reason in WaitReason)])
    cancel_requested = serializers.BooleanField()
    pause_requested = serializers.BooleanField()
    continuous = serializers.BooleanField()
    stop_reason = serializers.CharField(allow_blank=True)
    result = serializers.DictField(allow_null=True, help_text="summary, status, tasks, stop_reason, detail.")
    error = RunErrorOutput(allow_null=True)
    time_limit = serializers.FloatField(allow_null=True, help_text="Minutes.")
    used_seconds = serializers.FloatField(help_text="At work; without waiting.")
    budget_tokens = serializers.IntegerField(allow_null=True)
    used_tokens = serializers.IntegerField()
    budget_cost_usd = serializers.FloatField(allow_null=True)
    used_cost_usd = serializers.FloatField()
    cost_is_known = serializers.BooleanField(
        help_text="Whether this server knows the model's prices; without them a cost budget limits nothing."
    )
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class ExecutionDetailOutput(ExecutionOutput):
    progress = ProgressOutput()
    runs = RunOfExecutionOutput(many=True)
    usage = serializers.DictField(help_text="Of all its runs.")
    approvals = serializers.ListField(child=serializers.UUIDField(), help_text="That wait for a person.")
    questions = serializers.ListField(child=serializers.DictField(), help_text="That wait for a person.")


class ExecutionListOutput(serializers.Serializer):
    executions = ExecutionOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ProjectRunOutput(serializers.Serializer):
    id = serializers.UUIDField()
    project_id = serializers.UUIDField()
    status = serializers.ChoiceField(ProjectRun.Status.values)
    continuous = serializers.BooleanField()
    parallel = serializers.IntegerField()
    time_limit = serializers.FloatField(allow_null=True)
    used_seconds = serializers.FloatField()
    stop_reason = serializers.CharField(allow_blank=True)
    result = serializers.DictField(allow_null=True)
    executions = ExecutionOutput(many=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ProjectRunStartedOutput(serializers.Serializer):
    status = serializers.ChoiceField(["started"])
    project_id = serializers.UUIDField()
    project_run_id = serializers.UUIDField()
    executions = StartedOutput(many=True)
    links = serializers.DictField(child=serializers.CharField())
