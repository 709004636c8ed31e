"""Tool calls, and what people decide about them: approvals, grants, questions, each person's rules."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.core.ids import uuid7
from conversations.core.tool_calls import ENDED, OPEN, CallStatus, Effect
from conversations.models.conversations import Artifact, Conversation
from conversations.models.runs import Run

USER = settings.AUTH_USER_MODEL


def _empty_list() -> models.Value:
    return models.Value([], models.JSONField())


class ToolCall(models.Model):
    """One call the model made, whole before any effect of it; its result is the tool message."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="tool_calls", db_index=False
    )
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tool_calls", db_index=False)
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    step = models.IntegerField(help_text="The model call of the run that made it.")
    place = models.SmallIntegerField(help_text="Its place among the calls of that model call, from 0.")
    round = models.SmallIntegerField(
        default=0, db_default=0, help_text="Above 0: a person had an unknown call tried again."
    )
    provider_call_id = models.CharField(max_length=200, help_text="The id the model gave it.")
    name = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict)
    raw_arguments = models.TextField(
        null=True, help_text="What the model wrote, where that is no JSON object."
    )
    edited_arguments = models.JSONField(null=True, help_text="What a person made of them.")
    effect = models.CharField(max_length=12, choices=[(e.value, e.value) for e in Effect])
    status = models.CharField(max_length=20, choices=[(s.value, s.value) for s in CallStatus])
    attempt = models.IntegerField(null=True, help_text="The attempt of the run that started it last.")
    effects = models.JSONField(
        default=list,
        db_default=_empty_list(),
        help_text="[{path, before, after}]: SHA-256 of the files it writes; empty for none",
    )
    message_id = models.UUIDField(null=True, help_text="The tool message that holds its result.")
    summary = models.TextField(blank=True, db_default="", help_text="The beginning of its result.")
    truncated = models.BooleanField(default=False, db_default=False)
    artifact = models.ForeignKey(
        Artifact, null=True, on_delete=models.SET_NULL, related_name="+", help_text="The whole output."
    )
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "tool_call"
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "place", "round"], name="tool_call_place_once"),
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in sorted(ENDED)], finished_at__isnull=False)
                | Q(status__in=[s.value for s in sorted(OPEN)], finished_at__isnull=True),
                name="tool_call_finished_iff_ended",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["started", "succeeded", "unknown"]) | Q(attempt__isnull=False),
                name="tool_call_started_by_an_attempt",
            ),
        ]
        indexes = [models.Index(fields=["conversation", "created_at"], name="tool_call_of_conversation")]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"


class Approval(models.Model):
    """A tool call that waits, or waited, for a person's yes or no."""

    class Status(models.TextChoices):
        PENDING = "pending"
        APPROVED = "approved"
        DENIED = "denied"
        EXPIRED = "expired"
        CANCELLED = "cancelled"  # the run ended first
        SUPERSEDED = "superseded"  # what was approved is not what would run now

    id = models.UUIDField(primary_key=True, default=uuid7)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="approvals", db_index=False
    )
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="approvals", db_index=False)
    tool_call = models.ForeignKey(ToolCall, on_delete=models.CASCADE, related_name="approvals")
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    tool_name = models.CharField(max_length=200)
    operation = models.CharField(max_length=20, help_text="read, write, delete, execute, network or call")
    resource = models.TextField(help_text="The command, paths or address it is about.")
    arguments = models.JSONField(default=dict)
    edited_arguments = models.JSONField(null=True)
    digest = models.CharField(max_length=64, help_text="What exactly is approved; see core/digests.py.")
    subject = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="What was judged beside the arguments: {definition_hash, sandbox, root, targets}.",
    )
    reason = models.TextField(help_text="Which rule asks, and why.")
    diff = models.TextField(null=True, help_text="What a file write would change.")
    status = models.CharField(max_length=10, choices=Status)
    feedback = models.TextField(blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(USER, null=True, on_delete=models.SET_NULL, related_name="+")
    resolution_scope = models.CharField(max_length=10, blank=True, db_default="")

    class Meta:
        db_table = "approval"
        constraints = [
            models.UniqueConstraint(
                fields=["tool_call"], condition=Q(status="pending"), name="approval_one_pending_per_call"
            ),
            models.CheckConstraint(
                condition=Q(status="pending", resolved_at__isnull=True)
                | (~Q(status="pending") & Q(resolved_at__isnull=False)),
                name="approval_resolved_iff_not_pending",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="approval_newest_of_owner"),
            models.Index(fields=["expires_at"], condition=Q(status="pending"), name="approval_due"),
            models.Index(fields=["run"], condition=Q(status="pending"), name="approval_pending_of_run"),
            models.Index(fields=["conversation"], name="approval_of_conversation"),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} ({self.status})"


class Grant(models.Model):
    """A standing yes to calls like one that was approved, or that was approved beforehand."""

    class Scope(models.TextChoices):
        RUN = "run"
        SESSION = "session"
        USER = "user"

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=7, choices=Scope)
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(
        Conversation,
        null=True,
        on_delete=models.CASCADE,
        related_name="grants",
        help_text="Of a run's grant too.",
    )
    tool_name = models.CharField(max_length=200)
    matcher = models.JSONField(
        help_text="{kind: any | argv | path | host, pattern: [...] or text}; see core/grants.py"
    )
    definition_hash = models.CharField(max_length=64, help_text="Of the tool when it was granted.")
    sandbox_level = models.CharField(max_length=20)
    approval = models.ForeignKey(Approval, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "tool_grant"
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="run", run__isnull=False, conversation__isnull=False)
                | Q(scope="session", conversation__isnull=False)
                | Q(scope="user", run__isnull=True, conversation__isnull=True),
                name="grant_has_its_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} for the {self.scope}"


class Question(models.Model):
    """Something only a person can answer: what the agent asked, or what became of a call nobody knows the end of."""

    class Kind(models.TextChoices):
        ASK_USER = "ask_user"
        RECOVERY = "recovery"
        LOOP = "loop"  # the agent goes in circles: continue or stop

    class Status(models.TextChoices):
        OPEN = "open"
        ANSWERED = "answered"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="questions", db_index=False
    )
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="questions", db_index=False)
    tool_call = models.ForeignKey(ToolCall, on_delete=models.CASCADE, related_name="questions")
    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.TextField()
    choices = models.JSONField(
        default=list, db_default=_empty_list(), help_text="Offered answers; may be empty."
    )
    status = models.CharField(max_length=9, choices=Status)
    answer = models.TextField(blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(USER, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        db_table = "question"
        constraints = [
            models.UniqueConstraint(
                fields=["tool_call"], condition=Q(status="open"), name="question_one_open_per_call"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="question_newest_of_owner"),
            models.Index(fields=["expires_at"], condition=Q(status="open"), name="question_due"),
            models.Index(fields=["run"], condition=Q(status="open"), name="question_open_of_run"),
            models.Index(fields=["conversation"], name="question_of_conversation"),
        ]

    def __str__(self) -> str:
        return f"{self.text[:60]} ({self.status})"


class SecurityPolicy(models.Model):
    """What one person's agents may do without asking; no row means the server's default mode and no rules."""

    user = models.OneToOneField(USER, primary_key=True, on_delete=models.CASCADE, related_name="+")
    mode = models.CharField(
        max_length=10, null=True, help_text="read_only, workspace or full; empty: the default"
    )
    rules = models.JSONField(
        default=list,
        db_default=_empty_list(),
        help_text="[{decision: allow|ask|deny, tool?, path?, argv?}]; see core/policy.py",
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "security_policy"

    def __str__(self) -> str:
        return f"{self.user_id}: {self.mode or 'default'}"


class ToolPin(models.Model):
    """The definition of a foreign tool as it was when its owner first approved it; another one has to ask again."""

    owner = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+", db_index=False)
    tool_name = models.CharField(max_length=200)
    definition_hash = models.CharField(max_length=64)
    pinned_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "tool_pin"
        constraints = [models.UniqueConstraint(fields=["owner", "tool_name"], name="tool_pin_once")]

    def __str__(self) -> str:
        return self.tool_name
