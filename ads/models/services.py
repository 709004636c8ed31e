"""Services that one agent calls for another: a transaction is opened by the decision and ends once, by its report."""

from django.db import models
from django.db.models import Q

from ads.models.campaigns import Campaign
from ads.models.parties import Advertiser, Agent


class ServiceTransaction(models.Model):
    """Its money lies in escrow while it is open."""

    class State(models.TextChoices):
        OPEN = "open"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, editable=False)
    book = models.CharField(max_length=40)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_index=False, related_name="+")
    advertiser = models.ForeignKey(Advertiser, on_delete=models.PROTECT, related_name="+")
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_index=False, related_name="+")
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    amount_micros = models.BigIntegerField()
    share_bps = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    metadata = models.JSONField(null=True)

    class Meta:
        db_table = "ad_service_transaction"
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "unit_id"], name="ad_service_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="ad_service_amount"),
        ]
        indexes = [
            models.Index(fields=["book", "expires_at"], condition=Q(state="open"), name="ad_service_open"),
            models.Index(fields=["agent", "-id"], name="ad_service_agent_time"),
            models.Index(fields=["campaign", "-id"], name="ad_service_campaign_time"),
            models.Index(fields=["state", "-id"], name="ad_service_state_time"),
        ]

    def __str__(self) -> str:
        return f"txn_{self.id.hex}"
