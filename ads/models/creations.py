"""What advertisers have made under a key of their own (`Idempotency-Key`), so that a repetition makes nothing new."""

from django.db import models
from django.utils import timezone

from ads.models.parties import Advertiser


class CreationKey(models.Model):
    advertiser = models.ForeignKey(Advertiser, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    body_hash = models.BinaryField()
    made_id = models.UUIDField(null=True, help_text="The campaign or unit.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ad_creation_key"
        constraints = [models.UniqueConstraint(fields=["advertiser", "key"], name="ad_creation_key_once")]
        indexes = [models.Index(fields=["created_at"], name="ad_creation_key_age")]

    def __str__(self) -> str:
        return self.key
