"""Campaigns: what an advertiser bids, how much may be spent, when, and for whom."""

from datetime import timedelta
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from ads.models.parties import Advertiser


def _words() -> ArrayField:
    return ArrayField(models.CharField(max_length=64), default=list, blank=True)


class Campaign(models.Model):
    """Bids with one price for all its units. Money that was spent stands in the budgets' own tables."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        PAUSED = "paused"
        ENDED = "ended"

    class Pricing(models.TextChoices):
        CPC = "cpc", "per click"
        CPM = "cpm", "per thousand impressions"
        SUCCESS = "success", "per successful service"
        SESSION = "session", "per completed session"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    advertiser = models.ForeignKey(Advertiser, on_delete=models.PROTECT, related_name="campaigns")
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=7, choices=Status, default=Status.DRAFT)
    pricing = models.CharField(max_length=7, choices=Pricing, default=Pricing.CPC)
    bid_cents = models.PositiveIntegerField(
        validators=[MinValueValidator(1)], help_text="The most that one is paid for."
    )
    total_budget_micros = models.BigIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    daily_budget_micros = models.BigIntegerField(
        null=True, blank=True, help_text="For a day in the advertiser's time zone; empty: no limit."
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    # Targeting: an empty list is no condition.
    countries = _words()
    languages = _words()
    platforms = _words()
    placements = _words()
    frequency_cap = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How often one user is shown it in the window; empty: no limit."
    )
    frequency_window = models.DurationField(default=timedelta(days=1))
    required_fields = models.JSONField(
        default=list, blank=True, help_text="What a session asks the user for: names, in order."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "ad_campaign"
        indexes = [
            models.Index(OpClass(Lower("name"), name="text_pattern_ops"), name="ad_campaign_name"),
            models.Index(fields=["-created_at"], name="ad_campaign_time"),
            models.Index(fields=["status", "-created_at"], name="ad_campaign_status"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(bid_cents__gte=1, bid_cents__lte=1_000_000), name="ad_campaign_bid"
            ),
            models.CheckConstraint(
                condition=Q(pricing__in=["cpc", "cpm", "success", "session"]), name="ad_campaign_pricing"
            ),
            models.CheckConstraint(
                condition=Q(total_budget_micros__gte=0) | Q(total_budget_micros=None),
                name="ad_campaign_total",
            ),
            models.CheckConstraint(
                condition=Q(daily_budget_micros__gte=0) | Q(daily_budget_micros=None),
                name="ad_campaign_daily",
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="ad_campaign_schedule",
            ),
        ]

    def __str__(self) -> str:
        return self.name
