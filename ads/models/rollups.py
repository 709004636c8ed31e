"""Days of the live book, added up, so that reports over months read few rows."""

from django.db import models


class Rollup(models.Model):
    """One day (UTC) of one agent, campaign and placement. `invalid_...` are parts of the figures beside them."""

    day = models.DateField()
    agent_id = models.UUIDField()
    advertiser_id = models.UUIDField()
    campaign_id = models.UUIDField()
    placement = models.CharField(max_length=100, blank=True)
    shown = models.PositiveIntegerField()
    impressions = models.PositiveIntegerField()
    clicks = models.PositiveIntegerField()
    conversions = models.PositiveIntegerField()
    invalid_impressions = models.PositiveIntegerField()
    invalid_clicks = models.PositiveIntegerField()
    invalid_conversions = models.PositiveIntegerField()
    charged_micros = models.BigIntegerField(help_text="What the advertiser was charged.")
    invalid_charged_micros = models.BigIntegerField()
    earned_micros = models.BigIntegerField(help_text="What the agent got of it.")
    invalid_earned_micros = models.BigIntegerField()

    class Meta:
        db_table = "ad_rollup"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "agent_id", "campaign_id", "placement"], name="ad_rollup_once"
            )
        ]
        indexes = [
            models.Index(fields=["agent_id", "day"], name="ad_rollup_agent"),
            models.Index(fields=["advertiser_id", "day"], name="ad_rollup_advertiser"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.agent_id} {self.campaign_id}"


class RolledDay(models.Model):
    """A day that is added up: reports read its rollups and not its events."""

    day = models.DateField(primary_key=True)
    rolled_at = models.DateTimeField()

    class Meta:
        db_table = "ad_rolled_day"

    def __str__(self) -> str:
        return str(self.day)
