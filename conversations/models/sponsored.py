"""Ads beside answers: who wants them, and what was shown."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from conversations.models.conversations import Conversation, Message

USER = settings.AUTH_USER_MODEL


class SponsoredWish(models.Model):
    """Whether a person allows ads in conversations at all; no row: no."""

    user = models.OneToOneField(USER, primary_key=True, on_delete=models.CASCADE, related_name="+")
    is_on = models.BooleanField(default=False, db_default=False)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "sponsored_wish"

    def __str__(self) -> str:
        return f"{self.user_id}: {'on' if self.is_on else 'off'}"


class SponsoredSuggestion(models.Model):
    """What one answer carried. The message itself holds the units too, for everybody who reads it."""

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.CASCADE, related_name="+", help_text="The answer."
    )
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.IntegerField(help_text="Which message of its user it followed, from 1.")
    environment = models.CharField(max_length=4, help_text="Of the marketplace: live or test.")
    units = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    shown_at = models.DateTimeField(null=True, help_text="When a client said that it was seen.")
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "sponsored_suggestion"
        constraints = [
            models.UniqueConstraint(fields=["conversation", "number"], name="sponsored_once_per_message"),
        ]

    def __str__(self) -> str:
        return f"beside {self.message_id}"
