"""Events that were found to be invalid traffic: marks beside the events, which themselves are never changed."""

from django.db import models
from django.utils import timezone


class InvalidMark(models.Model):
    """Why an event does not count. Which rule it was is for staff: whoever caused the event is not told."""

    class Rule(models.TextChoices):
        CROWDED = "crowded", "too many clicks of one visitor"
        STAFF = "staff", "marked by staff"

    event_id = models.UUIDField(primary_key=True)
    month = models.DateField(help_text="Of the event's decision.")
    rule = models.CharField(max_length=12, choices=Rule)
    note = models.CharField(max_length=200, blank=True)
    marked_at = models.DateTimeField(default=timezone.now)
    reversal_id = models.UUIDField(null=True, help_text="The transaction that gave the money back.")

    class Meta:
        db_table = "ad_invalid_mark"
        indexes = [models.Index(fields=["marked_at"], name="ad_invalid_mark_time")]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.rule}"
