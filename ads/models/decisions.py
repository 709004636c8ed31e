"""What was decided: for every request one decision, and one row for each unit in it, with all that made its price.

Both tables are partitioned by the month in which the decision was made (migration 0005). The month follows from the
decision's id, so what belongs to a decision is found, and unique, without asking when it happened. What the user said
is not here.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from ads.models.parties import Agent


class Decision(models.Model):
    pk = models.CompositePrimaryKey("month", "id")
    month = models.DateField()
    id = models.UUIDField()
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    book = models.CharField(max_length=40)
    decided_at = models.DateTimeField(help_text="By the clock of its book.")
    placement = models.CharField(max_length=100)
    reason = models.CharField(max_length=20, help_text="Why nothing was shown; empty for a fill.")
    stages = models.JSONField(help_text="How many units were left after each stage.")
    units_count = models.PositiveSmallIntegerField()
    reserve_cents = models.PositiveIntegerField()
    relevance_model = models.CharField(max_length=60)
    calibration = models.CharField(max_length=20)
    auction_version = models.PositiveSmallIntegerField()
    took_ms = models.PositiveIntegerField()
    max_results = models.PositiveSmallIntegerField(null=True)
    candidates = models.BinaryField(
        null=True, help_text="The best that took part, as ads/core/recorded_auctions.py writes them."
    )
    campaign_ids = ArrayField(models.UUIDField(), null=True, help_text="Whose candidates those are.")

    class Meta:
        db_table = "ad_decision"

    def __str__(self) -> str:
        return f"dec_{self.id.hex}"


class DecisionUnit(models.Model):
    """`price_cents` is for one of `pricing`; tokens, events and money refer to this row."""

    pk = models.CompositePrimaryKey("month", "decision_id", "unit_id")
    month = models.DateField()
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    position = models.PositiveSmallIntegerField()
    campaign_id = models.UUIDField()
    advertiser_id = models.UUIDField()
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    book = models.CharField(max_length=40)
    decided_at = models.DateTimeField()
    ad_type = models.CharField(max_length=18)
    pricing = models.CharField(max_length=7)
    relevance = models.PositiveSmallIntegerField()
    quality = models.PositiveSmallIntegerField()
    bid_cents = models.PositiveIntegerField()
    weight = models.PositiveSmallIntegerField()
    price_cents = models.PositiveIntegerField()
    pivotal_score = models.BigIntegerField()
    share_bps = models.PositiveIntegerField()
    day = models.DateField(help_text="In the advertiser's time zone.")
    user_hash = models.BinaryField(
        null=True, help_text="Who was shown it, for frequency caps; cannot be turned back."
    )

    class Meta:
        db_table = "ad_decision_unit"

    def __str__(self) -> str:
        return f"{self.unit_id} in dec_{self.decision_id.hex}"


class DecisionKey(models.Model):
    """The answer to a request that named itself, for a day. Not partitioned: a month's end must not forget it."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    book = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    body_hash = models.BinaryField()
    answer = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ad_decision_key"
        constraints = [models.UniqueConstraint(fields=["agent", "book", "key"], name="ad_decision_key_once")]
        indexes = [models.Index(fields=["created_at"], name="ad_decision_key_age")]

    def __str__(self) -> str:
        return self.key


class UnitVectors(models.Model):
    """A unit's texts as the embedding model reads them, so that they are computed once and not in every process."""

    unit = models.OneToOneField(
        "ads.AdUnit", on_delete=models.CASCADE, primary_key=True, related_name="vectors"
    )
    fingerprint = models.BinaryField(help_text="Of the model and the texts; another one: compute anew.")
    positive = models.BinaryField(help_text="float16, 512 numbers for each text.")
    negative = models.BinaryField()

    class Meta:
        db_table = "ad_unit_vectors"

    def __str__(self) -> str:
        return str(self.unit_id)
