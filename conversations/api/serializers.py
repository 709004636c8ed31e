"""Shapes that several resources share."""

from rest_framework import serializers

from conversations.api.fields import QueryIntegerField
from conversations.core.run_states import RunStatus

STATUSES = ["idle", "busy", "waiting"]


class PageQuery(serializers.Serializer):
    limit = QueryIntegerField(min_value=1, max_value=200, default=50)
    cursor = serializers.CharField(
        allow_blank=True, default="", max_length=200, help_text="`next_cursor` of the page before."
    )


class ConversationOutput(serializers.Serializer):
    """A conversation in a list: no message is read for it."""

    session_id = serializers.CharField()
    id = serializers.CharField(source="session_id")
    conversation_id = serializers.CharField(source="session_id")
    title = serializers.CharField()
    message_count = serializers.IntegerField(help_text="Of user, assistant and tool messages.")
    created_at = serializers.DateTimeField()
    last_active = serializers.DateTimeField()
    directory = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(STATUSES)
    archived = serializers.BooleanField()
    sponsored = serializers.BooleanField(
        help_text="Answers may carry ads, where their person allows it, too."
    )
    token_count = serializers.IntegerField()
    cost_usd = serializers.FloatField()


class MessageOutput(serializers.Serializer):
    id = serializers.UUIDField()
    role = serializers.ChoiceField(["user", "assistant", "tool"])
    content = serializers.CharField(
        allow_blank=True, help_text="Of an answer: the text of its last model call."
    )
    created_at = serializers.DateTimeField()
    parts = serializers.ListField(
        child=serializers.DictField(), help_text="Texts, reasoning, images, in order."
    )
    metadata = serializers.DictField()
    run_id = serializers.UUIDField(allow_null=True)


class RunErrorOutput(serializers.Serializer):
    kind = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField()


class OpenRunOutput(serializers.Serializer):
    """A run that has not ended."""

    id = serializers.UUIDField()
    session_id = serializers.CharField()
    status = serializers.ChoiceField([status.value for status in RunStatus])
    attempt = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    usage = serializers.DictField()
    error = RunErrorOutput(allow_null=True)
    queue_position = serializers.IntegerField(allow_null=True)
    queue_reason = serializers.ChoiceField(
        ["moderation_check", "moderation_review"],
        allow_null=True,
        help_text="Why a run waits although it is the next one: its message is not checked yet, or staff look at it.",
    )
    input_message_id = serializers.UUIDField()
    answer_message_id = serializers.UUIDField()
