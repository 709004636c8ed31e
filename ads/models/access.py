"""Who may ask: keys of agents and advertisers, and which parts of the service are switched on."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ads.models.parties import Advertiser, Agent


class AdKeyQuerySet(models.QuerySet["AdKey"]):
    def usable(self, now) -> "AdKeyQuerySet":
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class AdKey(models.Model):
    """A key of one agent or one advertiser, for one environment. Its text was shown once."""

    prefix = models.CharField(max_length=20)
    key_hash = models.BinaryField(unique=True, max_length=32)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="keys")
    advertiser = models.ForeignKey(Advertiser, on_delete=models.CASCADE, null=True, related_name="keys")
    environment = models.CharField(max_length=4, choices=Advertiser.Environment)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Set when a newer key has replaced it."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = AdKeyQuerySet.as_manager()

    class Meta:
        db_table = "ad_key"
        indexes = [models.Index(fields=["prefix"], name="ad_key_prefix")]
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=False, advertiser=None) | Q(agent=None, advertiser__isnull=False),
                name="ad_key_one_holder",
            ),
        ]

    def __str__(self) -> str:
        return self.prefix


class FeatureSwitch(models.Model):
    """A part of the service that staff has switched off; without a row it is on."""

    class Feature(models.TextChoices):
        DECIDE = "decide"
        SEARCH = "search"
        EVENTS = "events"
        CLICKS = "clicks", "billing of clicks"
        FEEDBACK = "feedback"
        SERVICES = "services"
        RATINGS = "ratings"
        SESSIONS = "sessions"
        SIGN_UP = "sign_up"
        ADVERTISERS = "advertisers", "advertisers' API"

    feature = models.CharField(max_length=12, choices=Feature, unique=True)
    is_on = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "ad_feature_switch"
        verbose_name_plural = "feature switches"

    def __str__(self) -> str:
        return f"{self.feature} {'on' if self.is_on else 'off'}"
