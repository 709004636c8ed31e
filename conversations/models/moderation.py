"""Moderation: rules, what they have found, what staff decided, hidden messages, warnings and blocks."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations.core.moderation import CheckKind, Excerpt, FlagOutcome, FlagState
from conversations.models.conversations import Conversation, Message

USER = settings.AUTH_USER_MODEL


class ModerationRule(models.Model):
    """One check that every new message goes through. Switched off instead of deleted: flags name their rule."""

    class AppliesTo(models.TextChoices):
        USER = "user", "what people write"
        ASSISTANT = "assistant", "answers"
        BOTH = "both", "both"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=[(kind.value, kind.label) for kind in CheckKind])
    threshold = models.FloatField(
        default=0.5,
        help_text="From 0 to 1: a score of so much or more makes a flag. Lower finds more, and more that is harmless.",
    )
    applies_to = models.CharField(max_length=9, choices=AppliesTo, default=AppliesTo.BOTH)
    phrases = models.TextField(
        blank=True,
        help_text="One a line: words that make a flag when they stand in a message, whatever their case. An asterisk "
        "at the end of a word stands for any ending.",
    )
    examples = models.TextField(
        blank=True,
        help_text="One a line: sentences of the kind that is to be found, in any language. A message is compared by "
        "its meaning with each of them.",
    )
    counterexamples = models.TextField(
        blank=True,
        help_text="One a line: harmless sentences that are easily mistaken. What is nearer to one of them is no hit.",
    )
    only = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        help_text="Of personal data, secrets and profanity: only these kinds, with commas (email, strong); "
        "empty: all.",
    )
    notice = models.CharField(
        max_length=300,
        blank=True,
        help_text="The reason that is given to the author where the moderator writes none.",
    )
    is_on = models.BooleanField("on", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "moderation_rule"
        constraints = [
            models.CheckConstraint(
                condition=Q(threshold__gte=0, threshold__lte=1), name="moderation_rule_threshold"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ModerationFlag(models.Model):
    """A rule that was hit by a message: what staff look at, once for each message and rule."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="flags", db_index=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(
        USER,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        help_text="Whose conversation it is.",
    )
    rule = models.ForeignKey(ModerationRule, on_delete=models.PROTECT, related_name="flags", db_index=False)
    score = models.FloatField()
    excerpt = models.TextField(help_text="The hit with what stands around it.")
    hit_start = models.IntegerField(help_text="Where the hit stands in the excerpt, in code points.")
    hit_end = models.IntegerField()
    created_at = models.DateTimeField(db_default=Now())

    state = models.CharField(
        max_length=8,
        choices=[(s.value, s.value) for s in FlagState],
        default=FlagState.OPEN.value,
        db_default=FlagState.OPEN.value,
    )
    claimed_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    claimed_at = models.DateTimeField(null=True)
    outcome = models.CharField(
        max_length=9, blank=True, db_default="", choices=[(o.value, o.value) for o in FlagOutcome]
    )
    decided_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True, db_default="")

    class Meta:
        db_table = "moderation_flag"
        verbose_name_plural = "moderation queue"
        permissions = [
            ("decide_moderationflag", "Can decide flags: hide, restore, dismiss, warn"),
            ("block_author", "Can block people from writing, and lift blocks"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["message", "rule"], name="moderation_flag_once"),
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=1), name="moderation_flag_score"),
            models.CheckConstraint(
                condition=Q(hit_start__gte=0) & Q(hit_end__gte=F("hit_start")), name="moderation_flag_hit"
            ),
            models.CheckConstraint(
                condition=Q(state="open", claimed_at__isnull=True, decided_at__isnull=True, outcome="")
                | Q(state="claimed", claimed_at__isnull=False, decided_at__isnull=True, outcome="")
                | (Q(state="decided", decided_at__isnull=False) & ~Q(outcome="")),
                name="moderation_flag_state",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at", "id"], condition=~Q(state="decided"), name="moderation_flag_waiting"
            ),
            models.Index(
                fields=["rule", "created_at", "id"],
                condition=~Q(state="decided"),
                name="moderation_flag_of_rule",
            ),
            models.Index(fields=["author", "created_at", "id"], name="moderation_flag_of_author"),
            models.Index(
                fields=["-decided_at", "-id"], condition=Q(state="decided"), name="moderation_flag_decided"
            ),
            models.Index(
                fields=["outcome", "-decided_at", "-id"],
                condition=Q(state="decided"),
                name="moderation_flag_outcome",
            ),
            models.Index(
                fields=["decided_by", "-decided_at", "-id"],
                condition=Q(state="decided"),
                name="moderation_flag_decided_by",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} on {self.message_id}"

    @property
    def excerpt_parts(self) -> tuple[str, str, str]:
        return Excerpt(self.excerpt, self.hit_start, self.hit_end).parts


class ModerationDecision(ModerationFlag):
    """A flag that was decided, for its own list in the admin."""

    class Meta:
        proxy = True
        verbose_name = "moderation decision"


class HiddenMessage(models.Model):
    """What a hidden message said. Its own row holds a notice meanwhile, so no reader can forget to look."""

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.CASCADE, related_name="hidden_original"
    )
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    content = models.TextField(blank=True)
    parts = models.JSONField(default=list)
    title = models.CharField(
        max_length=200, null=True, help_text="Of the conversation, where it was made of this message."
    )
    reason = models.CharField(max_length=500, blank=True, db_default="")
    hidden_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    hidden_at = models.DateTimeField()

    class Meta:
        db_table = "hidden_message"

    def __str__(self) -> str:
        return str(self.message_id)


class UserWarning(models.Model):
    """A moderator's word to a person about one of their messages; they see it beside that message."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    message_id = models.UUIDField(help_text="It may have been deleted meanwhile.")
    reason = models.CharField(max_length=500)
    warned_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    warned_at = models.DateTimeField()
    withdrawn_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "user_warning"
        indexes = [
            models.Index(fields=["user", "-warned_at"], name="user_warning_of_user"),
            models.Index(fields=["-warned_at", "-id"], name="user_warning_newest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["message_id"], condition=Q(withdrawn_at__isnull=True), name="user_warning_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.reason}"


class UserBlock(models.Model):
    """A person who may read but not write; over when it is lifted."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    reason = models.CharField(max_length=500)
    blocked_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    blocked_at = models.DateTimeField()
    lifted_by = models.ForeignKey(
        USER, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "user_block"
        indexes = [
            models.Index(fields=["user", "-blocked_at"], name="user_block_of_user"),
            models.Index(fields=["-blocked_at", "-id"], name="user_block_newest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(lifted_at__isnull=True), name="user_block_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {'lifted' if self.lifted_at else 'blocked'}"
