"""Who takes part: advertisers, who pay, and agents, whose developers earn."""

from datetime import timedelta
from uuid import uuid4

from django.contrib.postgres.indexes import OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from ads.core.ids import Mark, shown
from ads.core.micros import BASIS_POINTS, DEFAULT_SHARE_BPS, MICROS_PER_DOLLAR

# What each agent's own copy of a test advertiser's wallet starts with.
TEST_WALLET_MICROS = 10_000 * MICROS_PER_DOLLAR


class Advertiser(models.Model):
    """A company that advertises: a live one's ads are shown to live keys only, a test one's to test keys only."""

    class Environment(models.TextChoices):
        LIVE = "live"
        TEST = "test"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=100, help_text="Named as the sponsor beside every ad.")
    organisation = models.CharField(
        max_length=254,
        blank=True,
        help_text="Its domain. Agents of the same organisation are not shown its ads.",
    )
    environment = models.CharField(
        max_length=4, choices=Environment, default=Environment.LIVE, editable=False
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Days of budgets begin here.")
    is_active = models.BooleanField(default=True)
    test_wallet_micros = models.BigIntegerField(default=TEST_WALLET_MICROS, validators=[MinValueValidator(0)])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "ad_advertiser"
        indexes = [
            models.Index(OpClass(Lower("name"), name="text_pattern_ops"), name="ad_advertiser_name"),
            models.Index(fields=["-created_at"], name="ad_advertiser_time"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(environment__in=["live", "test"]), name="ad_advertiser_environment"
            ),
            models.CheckConstraint(condition=Q(test_wallet_micros__gte=0), name="ad_advertiser_test_wallet"),
        ]

    def __str__(self) -> str:
        return self.name


class Agent(models.Model):
    """An agent that shows ads, and with it its developer's account."""

    class Status(models.TextChoices):
        PENDING_REVIEW = "pending_review"
        ACTIVE = "active"
        SUSPENDED = "suspended"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    owner_email = models.EmailField()
    name = models.CharField(max_length=100)
    organisation = models.CharField(max_length=254, blank=True)
    sdk_type = models.CharField(max_length=50, blank=True)
    declared_placements = models.JSONField(default=list, blank=True)
    status = models.CharField(max_length=14, choices=Status, default=Status.PENDING_REVIEW)
    share_bps = models.PositiveIntegerField(
        default=DEFAULT_SHARE_BPS,
        validators=[MaxValueValidator(BASIS_POINTS)],
        help_text="The agent's part of each price, in hundredths of a percent.",
    )
    test_clock_ahead = models.DurationField(
        default=timedelta, editable=False, help_text="How far its own test clock was moved forward."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "ad_agent"
        indexes = [
            models.Index(OpClass(Lower("name"), name="text_pattern_ops"), name="ad_agent_name"),
            models.Index(fields=["-created_at"], name="ad_agent_time"),
            models.Index(fields=["status", "-created_at"], name="ad_agent_status"),
        ]
        permissions = [("approve_agent", "Can give agents live access, and suspend them")]
        constraints = [
            models.UniqueConstraint(Lower("owner_email"), Lower("name"), name="ad_agent_once"),
            models.CheckConstraint(condition=Q(share_bps__lte=BASIS_POINTS), name="ad_agent_share"),
            models.CheckConstraint(
                condition=Q(test_clock_ahead__gte=timedelta()), name="ad_agent_clock_forward"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return shown(Mark.AGENT, self.id)
