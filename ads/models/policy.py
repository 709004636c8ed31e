"""What the marketplace does not show: phrases that reviewers are warned of, and categories without ads."""

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class PolicyPhrase(models.Model):
    """Words that an ad may not use, or not without a second look. A reviewer is told where they stand."""

    phrase = models.CharField(max_length=100)
    is_forbidden = models.BooleanField(
        default=False, help_text="An ad with it cannot be approved. Otherwise the reviewer is only warned."
    )
    note = models.CharField(max_length=200, blank=True, help_text="Why: shown to the reviewer.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "ad_policy_phrase"
        constraints = [models.UniqueConstraint(Lower("phrase"), name="ad_policy_phrase_once")]

    def __str__(self) -> str:
        return self.phrase


class BlockedCategory(models.Model):
    """A category, with all below it, of which no ad is approved."""

    category_id = models.CharField(max_length=10, unique=True)
    note = models.CharField(max_length=200, blank=True)
    blocked_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "ad_blocked_category"
        verbose_name_plural = "blocked categories"

    def __str__(self) -> str:
        return self.category_id
