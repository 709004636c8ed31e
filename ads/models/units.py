"""Ad units: what is shown, what it may be shown for, and whether a person has approved it."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from ads.models.campaigns import Campaign

MAX_TEXTS = 20


def _texts() -> ArrayField:
    return ArrayField(models.CharField(max_length=300), default=list, blank=True, size=MAX_TEXTS)


class AdUnit(models.Model):
    """One ad of a campaign. Every change of its words or its address sends it back to review."""

    class Type(models.TextChoices):
        STATIC_OFFER = "static_offer", "a link"
        SERVICE = "service", "a service that another agent calls"
        DYNAMIC_CAPABILITY = "dynamic_capability", "a session"

    class Review(models.TextChoices):
        DRAFT = "draft"
        PENDING = "pending_review"
        APPROVED = "approved"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="units")
    ad_type = models.CharField(max_length=18, choices=Type, default=Type.STATIC_OFFER)
    title = models.CharField(max_length=100)
    body = models.CharField(max_length=300)
    cta = models.CharField(max_length=40)
    landing_url = models.CharField(max_length=2_048)
    service_endpoint = models.CharField(max_length=2_048, blank=True)
    service_auth = models.CharField(
        max_length=50, blank=True, help_text="How its caller signs in: a word, no secret."
    )
    service_description = models.CharField(max_length=500, blank=True)
    intents = _texts()
    example_queries = _texts()
    negative_contexts = _texts()
    categories = ArrayField(
        models.CharField(max_length=10), default=list, blank=True, help_text="Ids of IAB categories."
    )
    review = models.CharField(max_length=14, choices=Review, default=Review.DRAFT)
    review_reason = models.CharField(max_length=300, blank=True)
    approved_content = models.JSONField(
        null=True, blank=True, editable=False, help_text="As it was approved last, to compare with."
    )
    is_paused = models.BooleanField(default=False)
    quality = models.PositiveSmallIntegerField(default=5_000, editable=False)
    quality_version = models.PositiveSmallIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "ad_unit"
        permissions = [("review_adunit", "Can approve and reject ads")]
        constraints = [
            models.CheckConstraint(condition=Q(quality__lte=10_000), name="ad_unit_quality"),
            models.CheckConstraint(
                condition=~Q(review="approved") | Q(approved_content__isnull=False),
                name="ad_unit_approved_as",
            ),
            models.CheckConstraint(
                condition=~Q(ad_type="service") | ~Q(service_endpoint=""), name="ad_unit_service_endpoint"
            ),
        ]
        indexes = [
            models.Index(
                fields=["changed_at"], condition=Q(review="pending_review"), name="ad_unit_to_review"
            ),
            models.Index(OpClass(Lower("title"), name="text_pattern_ops"), name="ad_unit_title"),
            models.Index(fields=["-changed_at"], name="ad_unit_time"),
            models.Index(fields=["review", "-changed_at"], name="ad_unit_review_time"),
        ]

    def __str__(self) -> str:
        return self.title


class UnitReview(models.Model):
    """What a reviewer decided, and of which words: only ever added to. The unit itself says how it stands now."""

    class Outcome(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn", "withdrawn: waits again"

    unit = models.ForeignKey(AdUnit, on_delete=models.CASCADE, db_index=False, related_name="reviews")
    outcome = models.CharField(max_length=9, choices=Outcome)
    reason = models.CharField(max_length=300, blank=True)
    content = models.JSONField(help_text="The words that were judged.")
    content_before = models.JSONField(null=True, help_text="As it had been approved before.")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    reviewed_at = models.DateTimeField()

    class Meta:
        db_table = "ad_unit_review"
        indexes = [
            models.Index(fields=["unit", "-id"], name="ad_unit_review_unit"),
            models.Index(fields=["reviewer", "-id"], name="ad_unit_review_reviewer"),
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.outcome}"


class Inventory(models.Model):
    """One row whose version changes with everything that decides what can be shown (by triggers, migration 0004)."""

    version = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ad_inventory"
        verbose_name_plural = "inventory"

    def __str__(self) -> str:
        return str(self.version)
