"""What agents' users thought of a business that they had visited."""

from django.db import models
from django.db.models import Q

from ads.models.parties import Agent


class Rating(models.Model):
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, db_index=False, related_name="+")
    book = models.CharField(max_length=40)
    decision_id = models.UUIDField()
    unit_id = models.UUIDField()
    rating = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ad_rating"
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "unit_id"], name="ad_rating_once"),
            models.CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="ad_rating_range"),
        ]
        indexes = [
            models.Index(fields=["unit_id", "created_at"], name="ad_rating_unit"),
            models.Index(fields=["agent", "-id"], name="ad_rating_agent_time"),
            models.Index(fields=["rating", "-id"], name="ad_rating_stars_time"),
        ]

    def __str__(self) -> str:
        return f"{self.rating} for {self.unit_id}"
