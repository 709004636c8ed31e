"""Conversations, messages, the log, and what was uploaded or said about them."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from conversations.core.ids import new_epoch, uuid7

USER = settings.AUTH_USER_MODEL


class Conversation(models.Model):
    """A session: its messages, its log and its queue of runs belong to one owner."""

    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="conversations", db_index=False)
    session_id = models.CharField(max_length=128, help_text="The name clients use; unique per owner.")
    title = models.CharField(max_length=200, blank=True, db_default="")
    archived = models.BooleanField(default=False, db_default=False)
    directory = models.TextField(null=True, help_text="Resolved path of the bound directory; bound once.")
    directory_device = models.BigIntegerField(null=True)
    directory_inode = models.BigIntegerField(null=True)

    epoch = models.CharField(
        max_length=8, default=new_epoch, help_text="One life of the log; in every cursor."
    )
    head_seq = models.BigIntegerField(default=0, db_default=0, help_text="The newest event's seq.")
    kept_after_seq = models.BigIntegerField(
        default=0, db_default=0, help_text="Events up to this one are gone."
    )

    # Kept in the same transaction as the runs and messages they count, so that accept, claim and lists read one row.
    queued_runs = models.IntegerField(default=0, db_default=0)
    open_runs = models.IntegerField(default=0, db_default=0, help_text="Queued and active ones.")
    message_count = models.IntegerField(default=0, db_default=0)
    token_count = models.BigIntegerField(default=0, db_default=0)
    cost_micros = models.BigIntegerField(default=0, db_default=0, help_text="Millionths of a US dollar.")

    todos = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="The agent's list: [{content, status: pending|in_progress|completed}]",
    )

    sponsored = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Answers may carry ads, where the owner has allowed it, too.",
    )
    last_sponsored = models.IntegerField(
        null=True, help_text="After which message of its user, counted from 1, an ad was shown last."
    )

    created_at = models.DateTimeField(db_default=Now())
    last_active = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "conversation"
        constraints = [
            models.UniqueConstraint(fields=["owner", "session_id"], name="conversation_session_id_once"),
            models.CheckConstraint(
                condition=Q(queued_runs__gte=0)
                & Q(open_runs__gte=F("queued_runs"))
                & Q(open_runs__lte=F("queued_runs") + 1),
                name="conversation_one_active_run",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "archived", "-last_active", "-id"], name="conversation_newest"),
            # Staff look for a session whoever's it is.
            models.Index(
                fields=["session_id"], name="conversation_by_name", opclasses=["varchar_pattern_ops"]
            ),
            models.Index(fields=["-id"], condition=Q(archived=True), name="conversation_archived"),
        ]

    def __str__(self) -> str:
        return self.title or self.session_id


class Message(models.Model):
    """What was said: by the user, by the model, by a tool. Ordered by (turn, step)."""

    # The answer comes after everything that went into it: steering messages (from 1) and tool results.
    FIRST_TOOL_STEP = 10_000
    ANSWER_STEP = 30_000

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"

    id = models.UUIDField(primary_key=True, default=uuid7)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    run_id = models.UUIDField(null=True, help_text="The run it belongs to; empty in a forked history.")
    turn = models.BigIntegerField()
    step = models.SmallIntegerField(default=0, db_default=0)
    role = models.CharField(max_length=9, choices=Role)
    content = models.TextField(
        blank=True, db_default="", help_text="Of an answer: the text of its last model call."
    )
    parts = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="[{id, type: text|reasoning|image|file|tool, text?, status: complete|interrupted, call}]",
    )
    metadata = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    client_key = models.CharField(
        max_length=300, null=True, help_text="Makes a repeated message the same message."
    )
    body_hash = models.BinaryField(
        max_length=32, null=True, help_text="SHA-256 of the request behind client_key."
    )
    created_at = models.DateTimeField(db_default=Now())
    checked_at = models.DateTimeField(
        null=True,
        help_text="When moderation has looked at it; an answer is looked at when its run has ended.",
    )

    class Meta:
        db_table = "message"
        constraints = [
            models.UniqueConstraint(fields=["conversation", "turn", "step"], name="message_place_once"),
            models.UniqueConstraint(fields=["owner", "client_key"], name="message_client_key_once"),
        ]
        indexes = [
            GinIndex(
                SearchVector("content", config="english"), name="message_search", condition=~Q(content="")
            ),
            models.Index(
                fields=["id"],
                condition=Q(checked_at__isnull=True) & ~Q(role="tool"),
                name="message_unchecked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.content[:60]}"


class ConversationEvent(models.Model):
    """The log: what happened, in order, committed together with the state it tells of. Only ever added to."""

    pk = models.CompositePrimaryKey("conversation_id", "seq")
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    seq = models.BigIntegerField()
    run_id = models.UUIDField(null=True)
    attempt = models.IntegerField(default=0, db_default=0)
    type = models.CharField(max_length=32)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "conversation_event"
        indexes = [models.Index(fields=["created_at"], name="event_age")]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class ConversationSummary(models.Model):
    """What a compaction made of the turns up to `through_turn`; stands for them in the model's context."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="summaries", db_index=False
    )
    through_turn = models.BigIntegerField()
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "conversation_summary"
        constraints = [models.UniqueConstraint(fields=["conversation", "through_turn"], name="summary_once")]

    def __str__(self) -> str:
        return f"summary through turn {self.through_turn}"


class Fragment(models.Model):
    """A piece of text that is being written; deleted when its part is complete and stands in the log as a whole."""

    pk = models.CompositePrimaryKey("conversation_id", "part_id", "offset")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+", db_index=False)
    part_id = models.UUIDField()
    offset = models.IntegerField(help_text="Unicode code points before this piece in its part.")
    run_id = models.UUIDField()
    kind = models.CharField(max_length=9, help_text="text, reasoning or output (of a tool)")
    text = models.TextField()

    class Meta:
        db_table = "fragment"

    def __str__(self) -> str:
        return f"{self.part_id} from {self.offset}"


class Artifact(models.Model):
    """An uploaded file, or output too large to stand in the log."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(
        Conversation, null=True, on_delete=models.CASCADE, related_name="artifacts"
    )
    filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100)
    size_bytes = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    content = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "artifact"

    def __str__(self) -> str:
        return self.filename


class MessageFeedback(models.Model):
    """One person's thumb on one message; changeable, reviewed in the admin."""

    class Rating(models.TextChoices):
        UP = "up"
        DOWN = "down"

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    rating = models.CharField(max_length=4, choices=Rating)
    comment = models.TextField(blank=True, db_default="")
    tags = models.JSONField(default=list)
    review_status = models.CharField(
        max_length=9, default="new", db_default="new", help_text="new, in_review, done"
    )
    assignee = models.ForeignKey(
        USER, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    labels = ArrayField(models.CharField(max_length=40), default=list, db_default=[], blank=True)
    note = models.TextField(
        blank=True, default="", db_default="", help_text="Of the reviewers, for themselves."
    )
    reviewed_at = models.DateTimeField(null=True, help_text="Last changed by a reviewer.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "message_feedback"
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="feedback_once_per_user")]
        verbose_name = verbose_name_plural = "feedback on answers"
        permissions = [("export_messagefeedback", "Can export feedback as an evaluation set")]
        indexes = [
            models.Index(fields=["review_status", "-updated_at"], name="feedback_queue"),
            models.Index(fields=["-updated_at", "-id"], name="feedback_newest"),
            models.Index(
                fields=["-updated_at", "-id"], condition=~Q(review_status="done"), name="feedback_waiting"
            ),
            models.Index(fields=["rating", "-updated_at", "-id"], name="feedback_by_rating"),
            models.Index(
                fields=["assignee", "-updated_at"],
                condition=Q(assignee__isnull=False),
                name="feedback_of_assignee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} by {self.user_id}"
