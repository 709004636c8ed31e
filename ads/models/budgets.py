"""What may be spent, is held and was spent: three limits that every billed event passes, in this order of locks.

The advertiser's wallet, the campaign's total, the campaign's day. Each row belongs to a book: the live one, or the own
test book of one agent (see `books.py`). The database refuses a row that would spend more than its cap.
"""

from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ads.models.campaigns import Campaign
from ads.models.parties import Advertiser


def _limits(name: str) -> list[models.CheckConstraint]:
    return [
        models.CheckConstraint(condition=Q(held_micros__gte=0), name=f"{name}_held"),
        models.CheckConstraint(condition=Q(spent_micros__gte=0), name=f"{name}_spent"),
        models.CheckConstraint(
            condition=Q(cap_micros=None) | Q(cap_micros__gte=F("held_micros") + F("spent_micros")),
            name=f"{name}_within_cap",
        ),
    ]


class Wallet(models.Model):
    """`cap_micros` is all that was ever paid in."""

    book = models.CharField(max_length=40)
    advertiser = models.ForeignKey(Advertiser, on_delete=models.PROTECT, related_name="wallets")
    cap_micros = models.BigIntegerField(default=0)
    held_micros = models.BigIntegerField(default=0)
    spent_micros = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ad_wallet"
        permissions = [("top_up_wallet", "Can book payments into wallets")]
        constraints = [
            models.UniqueConstraint(fields=["advertiser", "book"], name="ad_wallet_once"),
            *_limits("ad_wallet"),
        ]

    def __str__(self) -> str:
        return f"{self.advertiser_id} {self.book}"


class CampaignBudget(models.Model):
    """The campaign as a whole; `cap_micros` NULL is no limit."""

    book = models.CharField(max_length=40)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="budgets")
    cap_micros = models.BigIntegerField(null=True)
    held_micros = models.BigIntegerField(default=0)
    spent_micros = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ad_campaign_budget"
        constraints = [
            models.UniqueConstraint(fields=["campaign", "book"], name="ad_campaign_budget_once"),
            *_limits("ad_campaign_budget"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.book}"


class CampaignDay(models.Model):
    """One day of a campaign, in its advertiser's time zone; `cap_micros` NULL is no limit."""

    book = models.CharField(max_length=40)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="days")
    day = models.DateField()
    cap_micros = models.BigIntegerField(null=True)
    held_micros = models.BigIntegerField(default=0)
    spent_micros = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ad_campaign_day"
        constraints = [
            models.UniqueConstraint(fields=["campaign", "book", "day"], name="ad_campaign_day_once"),
            *_limits("ad_campaign_day"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.day} {self.book}"


class Hold(models.Model):
    """Money kept ready for one unit of a decision until the event that is billed, or until it expires."""

    class State(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        RELEASED = "released"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    book = models.CharField(max_length=40)
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    advertiser = models.ForeignKey(
        Advertiser, on_delete=models.PROTECT, db_constraint=False, related_name="+"
    )
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    day = models.DateField(help_text="The day of the campaign that it counts for.")
    amount_micros = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(help_text="By the clock of its book.")

    class Meta:
        db_table = "ad_hold"
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "unit_id"], name="ad_hold_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="ad_hold_amount"),
        ]
        indexes = [
            models.Index(fields=["book", "expires_at"], condition=Q(state="open"), name="ad_hold_open"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.state}"
