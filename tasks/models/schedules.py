"""Schedules: tasks that are executed again and again."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.core.ids import uuid7
from tasks.models.executions import Execution
from tasks.models.tasks import Task


class Schedule(models.Model):
    """When a task is executed: a cron line in a time zone."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="schedules", db_index=False
    )
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="schedules")
    cron = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, default="UTC", db_default="UTC", help_text="A name of IANA's.")
    enabled = models.BooleanField(default=True, db_default=True)
    is_local_owner = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Made by the local owner: its executions may use what is theirs.",
    )
    next_at = models.DateTimeField(null=True, help_text="Empty while it is not enabled.")
    last_at = models.DateTimeField(null=True, help_text="When it last fired.")
    last_outcome = models.CharField(
        max_length=40, blank=True, db_default="", help_text="started, or why nothing was started."
    )
    last_missed = models.IntegerField(
        default=0, db_default=0, help_text="How often it had been due before that without anybody looking."
    )
    last_execution = models.ForeignKey(Execution, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "schedule"
        constraints = [
            models.CheckConstraint(
                condition=Q(enabled=True) | Q(next_at__isnull=True), name="schedule_next_only_if_enabled"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="schedule_newest_of_owner"),
            models.Index(fields=["next_at"], condition=Q(enabled=True), name="schedule_due"),
        ]

    def __str__(self) -> str:
        return f"{self.cron} ({self.timezone})"
