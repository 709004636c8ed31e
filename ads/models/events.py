"""What happened with shown units, only ever added to; and the ids that agents gave what they reported.

Events lie in the month of their decision, so that "billed once for a decision, a unit and a kind" is one unique index
that no month's end interrupts. An agent's own event ids are unique over all months in a table of their own.
"""

from django.db import models

from ads.models.parties import Agent


class AdEvent(models.Model):
    class Kind(models.TextChoices):
        IMPRESSION = "impression"
        CLICK = "click"  # by the signed redirect
        REPORTED_CLICK = "reported_click"  # by the agent: counted, never billed
        CONVERSION = "conversion"
        AD_SHOWN = "ad_shown"
        AD_DISMISSED = "ad_dismissed"
        AGENT_CALL = "agent_call"
        ACTION = "action"
        DISMISS = "dismiss"
        HIDE_ADVERTISER = "hide_advertiser"
        REPORT = "report"
        FEEDBACK = "feedback"
        SESSION = "session"  # a completed one; no agent reports it

    pk = models.CompositePrimaryKey("month", "id")
    month = models.DateField(help_text="Of the decision; of the report where that names no decision.")
    id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=Kind)
    book = models.CharField(max_length=40)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    decision_id = models.UUIDField(null=True)
    unit_id = models.UUIDField()
    campaign_id = models.UUIDField()
    advertiser_id = models.UUIDField()
    is_billed = models.BooleanField()
    price_micros = models.BigIntegerField(help_text="What was charged for it; 0 for what was not billed.")
    reason = models.CharField(
        max_length=20, help_text="Why it was not billed; empty for what was, or never is."
    )
    transaction_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField(help_text="By the clock of its book.")
    received_at = models.DateTimeField()
    metadata = models.JSONField(null=True)
    visitor_hash = models.BinaryField(
        null=True, help_text="Of a click: who came, under a salt that lasts a day; no address is kept."
    )

    class Meta:
        db_table = "ad_event"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class EventId(models.Model):
    """An event id of an agent, what was reported with it, and the answer."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    event_id = models.CharField(max_length=200)
    body_hash = models.BinaryField()
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ad_event_id"
        constraints = [models.UniqueConstraint(fields=["agent", "event_id"], name="ad_event_id_once")]
        indexes = [models.Index(fields=["created_at"], name="ad_event_id_age")]

    def __str__(self) -> str:
        return self.event_id
