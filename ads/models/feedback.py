"""What agents say of how an ad was taken, and the bonus that a right prediction earns."""

from django.db import models
from django.db.models import Q

from ads.models.parties import Agent

REACTIONS = [(name, name) for name in ("positive", "neutral", "negative")]


class Feedback(models.Model):
    """One for each shown unit. What the user said is not here: it was read and dropped."""

    id = models.UUIDField(primary_key=True, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_index=False, related_name="+")
    book = models.CharField(max_length=40)
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    reaction = models.CharField(max_length=8, choices=REACTIONS)
    is_detected = models.BooleanField(help_text="Read from the user's words; else the agent has said so.")
    key_hash = models.BinaryField(null=True, max_length=32, help_text="Of the name the agent gave it.")
    content_hash = models.BinaryField(max_length=32, help_text="Keyed: what was said cannot be guessed.")
    resolves_at = models.DateTimeField(help_text="By the clock of its book.")
    created_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True, help_text="It counts for nothing any more.")
    void_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "ad_feedback"
        permissions = [("void_feedback", "Can declare predictions void")]
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "unit_id"], name="ad_feedback_once"),
            models.UniqueConstraint(fields=["agent", "book", "key_hash"], name="ad_feedback_key_once"),
            models.CheckConstraint(
                condition=Q(reaction__in=["positive", "neutral", "negative"]), name="ad_feedback_reaction"
            ),
        ]
        indexes = [
            models.Index(fields=["unit_id", "created_at"], name="ad_feedback_unit"),
            models.Index(fields=["book", "resolves_at"], name="ad_feedback_resolves"),
            models.Index(fields=["agent", "-id"], name="ad_feedback_agent_time"),
        ]

    def __str__(self) -> str:
        return f"{self.reaction} {self.id}"


class Bonus(models.Model):
    """Money of the platform that waits for a conversion. While it is open it lies in the bonus reserve."""

    class State(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        RETURNED = "returned"

    feedback = models.OneToOneField(
        Feedback, on_delete=models.PROTECT, primary_key=True, related_name="bonus"
    )
    book = models.CharField(max_length=40)
    amount_micros = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    resolves_at = models.DateTimeField(help_text="As its feedback: by the clock of its book.")
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ad_bonus"
        verbose_name_plural = "bonuses"
        constraints = [
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="ad_bonus_amount"),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None)
                | Q(state__in=["paid", "returned"], ended_at__isnull=False),
                name="ad_bonus_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["book", "resolves_at"], condition=Q(state="open"), name="ad_bonus_open")
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.state}"


class Conversion(models.Model):
    """An advertiser's word that a shown unit has led to what it was for."""

    class Source(models.TextChoices):
        API = "api"
        POSTBACK = "postback"
        ADMIN = "admin"

    advertiser = models.ForeignKey("ads.Advertiser", on_delete=models.PROTECT, related_name="+")
    book = models.CharField(max_length=40)
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    source = models.CharField(max_length=8, choices=Source)
    confirmed_at = models.DateTimeField(help_text="By the clock of its book.")

    class Meta:
        db_table = "ad_conversion"
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "unit_id"], name="ad_conversion_once"),
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} in dec_{self.decision_id.hex}"
