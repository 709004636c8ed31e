"""Tasks, and which of them need which."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations.core.ids import uuid7
from tasks.core.task_states import TaskStatus
from tasks.models.projects import Project


class Task(models.Model):
    """A piece of work, for an agent or a person."""

    class Origin(models.TextChoices):
        PERSON = "person"
        AGENT = "agent"

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tasks", db_index=False
    )
    project = models.ForeignKey(
        Project, null=True, on_delete=models.CASCADE, related_name="tasks", db_index=False
    )
    parent = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="subtasks",
        help_text="Of the same project.",
    )
    depends_on = models.ManyToManyField(
        "self",
        through="TaskDependency",
        through_fields=("task", "depends_on"),
        symmetrical=False,
        related_name="needed_by",
    )
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, db_default="")
    acceptance_criteria = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="Sentences that are true when it is done.",
    )
    priority = models.SmallIntegerField(default=0, db_default=0, help_text="Higher is done first.")
    due_at = models.DateTimeField(null=True)

    # The limits of each of its executions.
    budget_tokens = models.BigIntegerField(null=True)
    budget_cost_micros = models.BigIntegerField(null=True, help_text="Millionths of a US dollar.")
    time_limit_seconds = models.IntegerField(null=True)

    status = models.CharField(
        max_length=14, choices=[(s.value, s.value) for s in TaskStatus], default=TaskStatus.ACTIVE.value
    )
    result = models.TextField(blank=True, db_default="", help_text="The summary of whoever ended it.")
    feedback = models.TextField(
        blank=True,
        db_default="",
        help_text="Of the last review that sent it back; the next execution is told.",
    )
    completed_at = models.DateTimeField(
        null=True, help_text="What depends on it may begin; stays when it is archived afterwards."
    )
    origin = models.CharField(max_length=6, choices=Origin, default=Origin.PERSON, db_default="person")
    added_by = models.ForeignKey(
        "Execution",
        null=True,
        on_delete=models.SET_NULL,
        related_name="added_tasks",
        help_text="The execution whose agent added it.",
    )
    added_by_call = models.UUIDField(
        null=True,
        unique=True,
        help_text="The tool call that added it: repeated after a crash, it adds nothing.",
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "task"
        constraints = [
            models.CheckConstraint(condition=~Q(title=""), name="task_has_a_title"),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="task_not_its_own_parent"
            ),
            models.CheckConstraint(
                condition=(Q(budget_tokens__isnull=True) | Q(budget_tokens__gt=0))
                & (Q(budget_cost_micros__isnull=True) | Q(budget_cost_micros__gt=0))
                & (Q(time_limit_seconds__isnull=True) | Q(time_limit_seconds__gt=0)),
                name="task_limits_positive",
            ),
            models.CheckConstraint(
                condition=Q(status="archived")
                | Q(status="completed", completed_at__isnull=False)
                | (~Q(status="completed") & Q(completed_at__isnull=True)),
                name="task_completed_at_when_completed",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="task_newest_of_owner"),
            models.Index(fields=["project", "-created_at", "-id"], name="task_newest_of_project"),
            models.Index(fields=["project", "status"], name="task_status_of_project"),
            models.Index(fields=["status", "-updated_at", "-id"], name="task_on_the_board"),
        ]

    def __str__(self) -> str:
        return self.title


class TaskDependency(models.Model):
    """`task` can begin when `depends_on` is completed."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="dependencies", db_index=False)
    depends_on = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="dependents")

    class Meta:
        db_table = "task_dependency"
        constraints = [
            models.UniqueConstraint(fields=["task", "depends_on"], name="task_dependency_once"),
            models.CheckConstraint(condition=~Q(task=F("depends_on")), name="task_dependency_not_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} needs {self.depends_on_id}"
