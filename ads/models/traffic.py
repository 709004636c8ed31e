"""Events that were found to be invalid traffic: marks beside the events, which themselves are never changed."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone

from ads.models.campaigns import Campaign
from ads.models.parties import Agent


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


class TrafficReversal(models.Model):
    """Somebody of staff wants the money of a range of traffic taken back; the worker does it, a batch at a time."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    since = models.DateTimeField()
    until = models.DateTimeField(help_text="The first moment that does not belong to it.")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, db_index=False, related_name="+")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    note = models.CharField(max_length=200)
    expected_count = models.PositiveIntegerField(
        help_text="Events that were to be marked when it was asked for."
    )
    marked_count = models.PositiveIntegerField(default=0)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    asked_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ad_traffic_reversal"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(agent__isnull=False) | models.Q(campaign__isnull=False),
                name="ad_traffic_reversal_of_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("since")), name="ad_traffic_reversal_range"
            ),
        ]
        indexes = [
            models.Index(fields=["-asked_at"], name="ad_traffic_reversal_time"),
            models.Index(
                fields=["asked_at"], condition=models.Q(finished_at=None), name="ad_traffic_reversal_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"
