"""Sessions: an agent's user speaks with a business, until it has what its campaign asks for."""

from django.db import models
from django.db.models import Q

from ads.models.campaigns import Campaign
from ads.models.feedback import REACTIONS
from ads.models.parties import Agent


class Session(models.Model):
    """One for each shown unit. The price is the decision's, held from the start and billed on completion."""

    class State(models.TextChoices):
        ACTIVE = "active"
        COMPLETED = "completed"
        EXPIRED = "expired"
        ABORTED = "aborted"

    id = models.UUIDField(primary_key=True, editable=False)
    book = models.CharField(max_length=40)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_index=False, related_name="+")
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_index=False, related_name="+")
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    state = models.CharField(max_length=9, choices=State, default=State.ACTIVE)
    required_fields = models.JSONField(help_text="What was asked for when it began: names, in order.")
    structured_data = models.JSONField(help_text="What is known so far, by name.")
    message_count = models.PositiveIntegerField(default=0)
    total_tokens = models.PositiveIntegerField(default=0)
    cost_micros = models.BigIntegerField(default=0, help_text="What the business's answers cost to make.")
    escrow_micros = models.BigIntegerField(
        default=0, help_text="The agent's share, which waits for its feedback."
    )
    reaction = models.CharField(max_length=8, choices=REACTIONS, blank=True, help_text="Of its feedback.")
    feedback_key_hash = models.BinaryField(null=True, max_length=32)
    feedback_hash = models.BinaryField(null=True, max_length=32)
    started_at = models.DateTimeField(help_text="By the clock of its book, as all times here.")
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ad_session"
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "unit_id"], name="ad_session_once"),
            models.CheckConstraint(condition=Q(escrow_micros__gte=0), name="ad_session_escrow"),
            models.CheckConstraint(
                condition=Q(escrow_micros=0) | Q(state="completed", reaction=""),
                name="ad_session_escrow_open",
            ),
            models.CheckConstraint(
                condition=Q(state="active", ended_at=None)
                | Q(state__in=["completed", "expired", "aborted"], ended_at__isnull=False),
                name="ad_session_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["book", "expires_at"], condition=Q(state="active"), name="ad_session_active"
            ),
            models.Index(fields=["agent", "-id"], name="ad_session_agent_time"),
            models.Index(fields=["campaign", "-id"], name="ad_session_campaign_time"),
            models.Index(fields=["state", "-id"], name="ad_session_state_time"),
        ]

    def __str__(self) -> str:
        return f"ses_{self.id.hex}"


class SessionMessage(models.Model):
    """What was said, by the user (through their agent) or by the business."""

    class Speaker(models.TextChoices):
        USER = "user"
        BUSINESS = "business"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="messages")
    position = models.PositiveIntegerField()
    speaker = models.CharField(max_length=8, choices=Speaker)
    text = models.TextField()
    key_hash = models.BinaryField(null=True, max_length=32, help_text="Of the name the agent gave it.")
    content_hash = models.BinaryField(null=True, max_length=32)
    answers = models.PositiveIntegerField(null=True, help_text="The position of the message it answers.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ad_session_message"
        constraints = [
            models.UniqueConstraint(fields=["session", "position"], name="ad_session_message_once"),
            models.UniqueConstraint(fields=["session", "key_hash"], name="ad_session_message_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text[:40]}"
