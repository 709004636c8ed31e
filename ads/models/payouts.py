"""Payouts: batches of money for developers, and what became of each on its way."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ads.models.ledger import LedgerTransaction
from ads.models.parties import Agent


class PayoutBatch(models.Model):
    """Payouts that were made together, to be sent by a bank. What it is worth is the sum of its payouts."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    minimum_micros = models.BigIntegerField(help_text="Who had less to get was left out.")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ad_payout_batch"
        verbose_name_plural = "payout batches"
        permissions = [
            ("export_payoutbatch", "Can export payouts for the bank"),
            ("settle_payoutbatch", "Can import what the bank says of payouts"),
        ]
        indexes = [models.Index(fields=["-created_at"], name="ad_payout_batch_time")]

    def __str__(self) -> str:
        return f"Batch of {self.created_at:%Y-%m-%d %H:%M}"


class Payout(models.Model):
    """Money sent to an agent's developer, as a line of a batch that is exported to a bank."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    # The unique constraint below begins with it.
    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, db_index=False, related_name="payouts")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="payouts")
    amount_micros = models.BigIntegerField()
    transaction = models.OneToOneField(LedgerTransaction, on_delete=models.PROTECT, related_name="payout")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ad_payout"
        constraints = [
            models.UniqueConstraint(fields=["batch", "agent"], name="ad_payout_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="ad_payout_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} to {self.agent_id}"


class PayoutResult(models.Model):
    """What the bank says of a payout. What came back is the agent's again, by a transaction that reverses it."""

    class Outcome(models.TextChoices):
        PAID = "paid"
        RETURNED = "returned"

    payout = models.OneToOneField(Payout, on_delete=models.PROTECT, primary_key=True, related_name="result")
    outcome = models.CharField(max_length=8, choices=Outcome)
    bank_reference = models.CharField(max_length=100, blank=True)
    note = models.CharField(max_length=200, blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        db_table = "ad_payout_result"
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=["paid", "returned"]), name="ad_payout_outcome")
        ]

    def __str__(self) -> str:
        return f"{self.payout_id} {self.outcome}"
