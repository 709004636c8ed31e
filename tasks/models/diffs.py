"""What an execution changed in the repository it worked in."""

from django.db import models
from django.db.models.functions import Now

from tasks.models.executions import Execution


class ExecutionDiff(models.Model):
    """The diff of an execution that has ended. A table of its own: lists of executions never read it."""

    execution = models.OneToOneField(
        Execution, primary_key=True, on_delete=models.CASCADE, related_name="stored_diff"
    )
    diff = models.JSONField(help_text="As over REST: text, files, their lines, truncated.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "execution_diff"

    def __str__(self) -> str:
        return str(self.execution_id)
