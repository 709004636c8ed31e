"""Tables of the site itself: people, keys, one-time links, the audit chain, stored answers, rate limits."""

from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class User(AbstractUser):
    """A person, or the local owner of this installation, to whom conversations, runs and keys belong."""

    class Meta(AbstractUser.Meta):
        permissions = [("block_user", "Can block people and let them in again")]


class ApiKeys(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime) -> "ApiKeys":
        """Neither revoked nor expired, and of a user who may still come in."""
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True, user__is_active=True
        )


class ApiKey(models.Model):
    """A program's way in, on behalf of a user and within its scopes. The key itself is shown once and not kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="What it is for.")
    prefix = models.CharField(max_length=16, help_text="The beginning of the key, to recognise it by.")
    key_hash = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32))
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="Exact to a minute.")

    objects = ApiKeys.as_manager()

    class Meta:
        db_table = "api_key"
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"


class AgentLink(models.Model):
    """Somebody has shown this key of an agent of the marketplace, and sees its figures as long as the key is good."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.ForeignKey("ads.AdKey", on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_link"
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="agent_link_once")]

    def __str__(self) -> str:
        return f"user {self.user_id}, key {self.key_id}"


class LoginLink(models.Model):
    """A link that signs its opener in as the local owner, once."""

    token_hash = models.BinaryField(max_length=32, unique=True)
    is_banners = models.BooleanField(
        help_text="Made for the banner: lives until the next start instead of minutes."
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "login_link"

    def __str__(self) -> str:
        return f"login link of {self.created_at:%Y-%m-%d %H:%M}"


class Ticket(models.Model):
    """Opens one socket or event stream within seconds, for clients that cannot send a header. Deleted when used."""

    token_hash = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, help_text="The kind of the principal that asked for it.")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    session_key = models.CharField(max_length=40, blank=True)
    loopback_only = models.BooleanField(
        help_text="Asked for with the startup token: valid from this machine only."
    )
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "ticket"
        indexes = [models.Index(fields=["expires_at"], name="ticket_age")]

    def __str__(self) -> str:
        return f"ticket of user {self.user_id}"


class AuditEntry(models.Model):
    """Who did what to which object. Only ever added to; each row carries the hash of the one before."""

    recorded_at = models.DateTimeField()
    # No foreign keys: the history outlives what it tells of.
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=200, help_text="Name of the user, or `system`.")
    action = models.CharField(max_length=100)
    object = models.CharField(max_length=300)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    address_hash = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32, unique=True)

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["object", "-id"], name="audit_of_object"),
            models.Index(fields=["actor_id", "-id"], name="audit_of_actor"),
            models.Index(fields=["action", "-id"], name="audit_of_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object}"


class StoredAnswer(models.Model):
    """The answer given to a request that carried an Idempotency-Key; it is given again when the request is repeated."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    route = models.CharField(max_length=300, help_text="Method and path.")
    key = models.CharField(max_length=255)
    body_hash = models.BinaryField(max_length=32)
    status = models.SmallIntegerField(null=True)
    body = models.TextField(blank=True, help_text="JSON, as it was sent.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stored_answer"
        constraints = [models.UniqueConstraint(fields=["user", "route", "key"], name="stored_answer_once")]
        indexes = [models.Index(fields=["created_at"], name="stored_answer_age")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class RateBucket(models.Model):
    """A token bucket: how many requests somebody may still make at once."""

    key = models.CharField(primary_key=True, max_length=200)
    tokens = models.FloatField()
    granted = models.BooleanField(help_text="Whether the last request got its token.")
    refilled_at = models.DateTimeField()

    class Meta:
        db_table = "rate_bucket"
        indexes = [models.Index(fields=["refilled_at"], name="rate_bucket_age")]

    def __str__(self) -> str:
        return self.key
