"""Work through a project: its ready tasks, one after the other or some at once."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.core.ids import uuid7
from tasks.models.projects import Project


class ProjectRun(models.Model):
    """One request to work through ready tasks, or through what an execution's agent adds (then without a project)."""

    class Status(models.TextChoices):
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"
        TIMED_OUT = "timed_out"

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="project_runs")
    project = models.ForeignKey(
        Project, null=True, on_delete=models.CASCADE, related_name="project_runs", db_index=False
    )
    continuous = models.BooleanField(
        default=False, db_default=False, help_text="Tasks that become ready meanwhile are done, too."
    )
    parallel = models.SmallIntegerField(default=1, db_default=1, help_text="Executions at once.")
    time_limit_seconds = models.IntegerField(null=True)
    used_seconds = models.FloatField(
        default=0, db_default=0, help_text="Time in which any of its executions was at work."
    )
    running_since = models.DateTimeField(null=True, help_text="Empty while its time stands still.")
    options = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Of its executions; `task_ids`: without `continuous` only these.",
    )
    status = models.CharField(max_length=9, choices=Status, default=Status.RUNNING, db_default="running")
    stop_reason = models.CharField(max_length=40, blank=True, db_default="")
    result = models.JSONField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "project_run"
        constraints = [
            models.CheckConstraint(
                condition=Q(parallel__gte=1) & Q(parallel__lte=4), name="project_run_parallel_1_to_4"
            ),
            models.CheckConstraint(
                condition=Q(status="running", ended_at__isnull=True)
                | (~Q(status="running") & Q(ended_at__isnull=False)),
                name="project_run_ended_at_its_end",
            ),
            models.UniqueConstraint(
                fields=["project"], condition=Q(status="running"), name="project_run_one_live_per_project"
            ),
        ]
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="project_run_newest")]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"
