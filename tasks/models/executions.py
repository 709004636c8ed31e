"""Executions: an agent at work on a task."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.core.ids import uuid7
from conversations.models import Conversation
from tasks.core.execution_states import LIVE, STANDING, ExecutionStatus, WaitReason
from tasks.models.project_runs import ProjectRun
from tasks.models.tasks import Task

_LIVE = [s.value for s in sorted(LIVE)]
_STANDING = [s.value for s in sorted(STANDING)]


class Execution(models.Model):
    """An agent at work on a task: one conversation, and one run after another in it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    task = models.ForeignKey(
        Task,
        on_delete=models.CASCADE,
        related_name="executions",
        db_index=False,
        help_text="The task it works on: a continuous one goes on with others.",
    )
    first_task = models.ForeignKey(
        Task,
        null=True,
        on_delete=models.SET_NULL,
        related_name="started_executions",
        help_text="The task it was started for.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="executions", db_index=False
    )
    # The conversations app deletes with statements of its own, so the database itself has to let go of it: its
    # constraint, with ON DELETE SET NULL, stands in the migration.
    conversation = models.ForeignKey(
        Conversation, null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    current_run_id = models.UUIDField(null=True, help_text="The run that is under way, or was last.")
    project_run = models.ForeignKey(
        ProjectRun, null=True, on_delete=models.SET_NULL, related_name="executions"
    )
    follows = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="followed_by",
        help_text="The execution after which a continuous one went on with this task.",
    )
    continuous = models.BooleanField(default=False, db_default=False)
    options = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Of its runs: model, agent_mode, max_iterations, is_local_owner.",
    )

    status = models.CharField(
        max_length=9,
        choices=[(s.value, s.value) for s in ExecutionStatus],
        default=ExecutionStatus.QUEUED.value,
    )
    wait_reason = models.CharField(
        max_length=13, blank=True, db_default="", choices=[(r.value, r.value) for r in WaitReason]
    )
    stop_reason = models.CharField(max_length=40, blank=True, db_default="", help_text="Why it ended.")
    result = models.JSONField(null=True, help_text="{summary, status: done|partial|blocked, ...}")
    error = models.JSONField(null=True, help_text="{kind, message, retryable} of a failed one.")
    cancel_requested_at = models.DateTimeField(null=True)
    pause_requested_at = models.DateTimeField(null=True)

    time_limit_seconds = models.IntegerField(null=True)
    used_seconds = models.FloatField(
        default=0,
        db_default=0,
        help_text="Time at work up to `running_since`; waiting and queueing excluded.",
    )
    running_since = models.DateTimeField(null=True, help_text="Empty while its time stands still.")
    budget_tokens = models.BigIntegerField(null=True)
    budget_cost_micros = models.BigIntegerField(null=True, help_text="Millionths of a US dollar.")
    used_tokens = models.BigIntegerField(default=0, db_default=0)
    used_cost_micros = models.BigIntegerField(default=0, db_default=0)

    base_tree = models.CharField(
        max_length=64, blank=True, db_default="", help_text="Git tree of its directory as it started."
    )
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "execution"
        constraints = [
            # Whatever two workers, two clients or a schedule do: nothing works on a task twice at once.
            models.UniqueConstraint(
                fields=["task"], condition=Q(status__in=_LIVE), name="execution_one_live_per_task"
            ),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=_LIVE),
                name="execution_one_live_per_conversation",
            ),
            models.CheckConstraint(
                condition=Q(status__in=_LIVE, ended_at__isnull=True)
                | (~Q(status__in=_LIVE) & Q(ended_at__isnull=False)),
                name="execution_ended_at_its_end",
            ),
            models.CheckConstraint(
                condition=Q(status="running") | Q(running_since__isnull=True),
                name="execution_time_runs_while_running",
            ),
            models.CheckConstraint(
                condition=(Q(status__in=_STANDING) & ~Q(wait_reason=""))
                | (~Q(status__in=_STANDING) & Q(wait_reason="")),
                name="execution_says_what_it_waits_for",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="execution_newest_of_owner"),
            models.Index(fields=["task", "-created_at", "-id"], name="execution_newest_of_task"),
            models.Index(fields=["status"], condition=Q(status__in=_LIVE), name="execution_live"),
            models.Index(
                fields=["-id"],
                condition=Q(status__in=["failed", "cancelled", "timed_out"]),
                name="execution_ended_badly",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


class ExecutionRun(models.Model):
    """One of an execution's runs. A number is given once, so two who both go on make one run."""

    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="runs", db_index=False)
    task = models.ForeignKey(Task, null=True, on_delete=models.SET_NULL, related_name="execution_runs")
    number = models.IntegerField(help_text="From 1.")
    run_id = models.UUIDField(unique=True, help_text="In the execution's conversation.")
    reason = models.CharField(max_length=20, help_text="start, next_task, no_finish")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "execution_run"
        constraints = [
            models.UniqueConstraint(fields=["execution", "number"], name="execution_run_once"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.run_id}"
