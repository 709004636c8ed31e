"""Projects: where tasks belong together."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from conversations.core.ids import uuid7


class Project(models.Model):
    """Tasks that belong together, the directory they work in, and how their results are judged."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        ARCHIVED = "archived"

    class OnUnknown(models.TextChoices):
        ASK = "ask"
        TELL = "tell"

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="projects", db_index=False
    )
    name = models.CharField(max_length=200, help_text="Unique per owner.")
    description = models.TextField(blank=True, db_default="")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE, db_default="active")
    directory = models.TextField(null=True, help_text="Resolved path of the directory its tasks work in.")
    directory_device = models.BigIntegerField(null=True)
    directory_inode = models.BigIntegerField(null=True)
    review_required = models.BooleanField(
        default=True, db_default=True, help_text="What an agent has done waits for a person's yes."
    )
    on_unknown = models.CharField(
        max_length=4,
        choices=OnUnknown,
        default=OnUnknown.ASK,
        db_default="ask",
        help_text="A tool call whose end nobody knows: ask a person, or tell the model and go on.",
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "project"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="project_name_once"),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="project_newest_of_owner"),
        ]

    def __str__(self) -> str:
        return self.name
