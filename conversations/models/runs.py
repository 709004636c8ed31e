"""Runs, the model calls they make, and the workers that carry them out."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.core.ids import uuid7
from conversations.core.run_states import ACTIVE, OPEN, RunStatus
from conversations.models.conversations import Conversation

USER = settings.AUTH_USER_MODEL


class Run(models.Model):
    """One execution of the model loop for one message."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="runs", db_index=False)
    turn = models.BigIntegerField(
        help_text="Orders the runs of a conversation: the seq of the event that queued it."
    )
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in RunStatus])
    priority = models.SmallIntegerField(default=0, db_default=0, help_text="Higher is claimed first.")
    hold = models.CharField(
        max_length=6,
        blank=True,
        default="",
        db_default="",
        help_text="Why it may not be claimed yet: check (moderation has not seen its message), review (staff has not).",
    )
    options = models.JSONField(
        default=dict, help_text="What the message asked for: model, agent mode, limits."
    )
    input_message_id = models.UUIDField(help_text="The user's message.")
    answer_message_id = models.UUIDField(help_text="The answer's message; known from the start.")
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="retries", db_index=False
    )

    attempt = models.IntegerField(default=0, db_default=0, help_text="Fences writers; only ever rises.")
    lease_owner = models.UUIDField(null=True, help_text="The worker that runs it.")
    step = models.IntegerField(
        default=0, db_default=0, help_text="Model calls begun so far; the last one is current."
    )
    step_started = models.BooleanField(
        default=False, db_default=False, help_text="The current step has begun and not ended."
    )
    losses = models.IntegerField(default=0, db_default=0, help_text="Workers lost in the middle of this run.")
    step_losses = models.IntegerField(default=0, db_default=0, help_text="Workers lost in the current step.")
    steered = models.IntegerField(default=0, db_default=0, help_text="Messages put into the running run.")
    cancel_requested_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(
        max_length=20,
        blank=True,
        db_default="",
        help_text="Why it is paused, or will be at its next step: asked, budget_tokens, budget_cost.",
    )
    active_seconds = models.FloatField(
        default=0, db_default=0, help_text="Time spent running in earlier attempts."
    )

    usage = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    error = models.JSONField(null=True, help_text="{kind, message, retryable} of a failed run.")
    created_at = models.DateTimeField(db_default=Now())
    queued_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, help_text="First claimed.")
    claimed_at = models.DateTimeField(null=True, help_text="Last claimed.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "run"
        constraints = [
            models.UniqueConstraint(fields=["conversation", "turn"], name="run_turn_once"),
            # R1: a conversation has one active run, whatever two workers or two clients do.
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=[s.value for s in sorted(ACTIVE)]),
                name="run_one_active_per_conversation",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["running", "cancelling"]) | Q(lease_owner__isnull=True),
                name="run_lease_only_while_running",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-priority", "queued_at"],
                condition=Q(status="queued", hold=""),
                name="run_claimable",
            ),
            models.Index(
                fields=["lease_owner"], condition=Q(status__in=["running", "cancelling"]), name="run_leases"
            ),
            models.Index(fields=["owner", "-created_at", "-id"], name="run_newest_of_owner"),
            models.Index(
                fields=["conversation", "status"],
                condition=Q(status__in=[s.value for s in sorted(OPEN)]),
                name="run_open",
            ),
            # Most runs are completed; staff look for the others.
            models.Index(
                fields=["-id"],
                condition=Q(status__in=["failed", "cancelled", "timed_out"]),
                name="run_ended_badly",
            ),
            models.Index(fields=["input_message_id"], condition=~Q(hold=""), name="run_held"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


class ModelCall(models.Model):
    """One request to a model: what it used and cost. The rows behind every usage figure."""

    class Status(models.TextChoices):
        STARTED = "started"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        INTERRUPTED = "interrupted"  # its worker was lost; tokens are estimated

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="model_calls")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    step = models.IntegerField()
    attempt = models.IntegerField()
    purpose = models.CharField(
        max_length=10, default="answer", db_default="answer", help_text="answer or compaction"
    )
    model = models.CharField(max_length=200)
    status = models.CharField(max_length=11, choices=Status)
    input_tokens = models.IntegerField(default=0, db_default=0)
    output_tokens = models.IntegerField(default=0, db_default=0)
    reasoning_tokens = models.IntegerField(default=0, db_default=0)
    cache_read_tokens = models.IntegerField(default=0, db_default=0)
    cache_write_tokens = models.IntegerField(default=0, db_default=0)
    estimated = models.BooleanField(
        default=False, db_default=False, help_text="The provider reported no usage."
    )
    cost_micros = models.BigIntegerField(
        null=True, help_text="Millionths of a US dollar; empty when no price is known."
    )
    error_kind = models.CharField(max_length=40, blank=True, db_default="")
    started_at = models.DateTimeField(db_default=Now())
    first_token_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "model_call"
        indexes = [models.Index(fields=["owner", "started_at"], name="model_call_of_owner")]

    def __str__(self) -> str:
        return f"{self.model} ({self.status})"


class Worker(models.Model):
    """A worker process and its lease: all runs it holds are its own until `lease_expires_at`.

    A takeover locks this row, and so does every write of the worker: none can slip in beside a takeover.
    """

    id = models.UUIDField(primary_key=True)
    hostname = models.CharField(max_length=255)
    process_id = models.IntegerField()
    concurrency = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    lease_expires_at = models.DateTimeField()
    draining = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "worker"
        indexes = [models.Index(fields=["heartbeat_at"], name="worker_heartbeat")]

    def __str__(self) -> str:
        return f"{self.hostname}:{self.process_id}"
