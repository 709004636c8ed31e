"""What goes in and out of the routes and frames about approvals, grants and questions."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.api.fields import StrictCharField, StrictChoiceField, StrictIntegerField
from conversations.api.message_input import ContextField
from conversations.core.grants import MOST_PATTERN
from conversations.models import Approval, Grant, Question

MOST_FEEDBACK = 20_000
MOST_WORDS = 50
SCOPES = ["once", "session", "pattern", "always"]


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "minLength": 1, "maxLength": MOST_PATTERN},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_WORDS},
        ],
        "description": "`pytest *`, `src/**`, `*.example.org`; or the first words of a command.",
    }
)
class PatternField(serializers.Field):
    default_error_messages = {"invalid": f"Send a text, or a list of at most {MOST_WORDS} words."}

    def to_internal_value(self, data: Any) -> str | list[str]:
        words = [data] if isinstance(data, str) else data
        if not isinstance(words, list) or not 0 < len(words) <= MOST_WORDS:
            self.fail("invalid")
        if not all(isinstance(word, str) and word.strip() for word in words):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class ApproveInput(serializers.Serializer):
    scope = StrictChoiceField(
        SCOPES,
        default="once",
        help_text="`session` and `always` cover the same command or files, or what `pattern` says.",
    )
    pattern = PatternField(required=False, allow_null=True, default=None)
    digest = StrictCharField(
        required=False, allow_null=True, default=None, max_length=64, help_text="Of what was shown."
    )
    arguments = ContextField(
        required=False, allow_null=True, default=None, help_text="Edited ones; the policy sees them again."
    )


class DenyInput(serializers.Serializer):
    feedback = StrictCharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=MOST_FEEDBACK,
        help_text="Told to the model.",
    )
    digest = StrictCharField(required=False, allow_null=True, default=None, max_length=64)


class PreApproveInput(serializers.Serializer):
    tool = StrictCharField(max_length=200)
    pattern = PatternField(
        required=False, allow_null=True, default=None, help_text="Without one: all calls of the tool."
    )
    session_id = StrictCharField(
        required=False, allow_null=True, default=None, max_length=128, help_text="Without one: all sessions."
    )
    ttl_seconds = StrictIntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=366 * 86_400
    )


class ApprovalOutput(serializers.Serializer):
    id = serializers.UUIDField()
    session_id = serializers.CharField()
    run_id = serializers.UUIDField()
    tool_call_id = serializers.UUIDField()
    tool_name = serializers.CharField()
    operation = serializers.CharField(help_text="read, write, delete, execute, network or call")
    resource = serializers.CharField(help_text="The command, paths or addresses it is about.")
    arguments = serializers.DictField(help_text="As the model wrote them.")
    edited_arguments = serializers.DictField(allow_null=True, help_text="What a person made of them.")
    digest = serializers.CharField(help_text="Send it back with the decision: it is for exactly this.")
    reason = serializers.CharField(help_text="Which rule asks, and why.")
    diff = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(Approval.Status.values)
    feedback = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField(allow_null=True)
    resolution_scope = serializers.ChoiceField(SCOPES, allow_null=True)


class PendingOutput(serializers.Serializer):
    pending = ApprovalOutput(many=True, help_text="The longest waiting first; at most 200.")
    count = serializers.IntegerField()


class GrantOutput(serializers.Serializer):
    id = serializers.UUIDField()
    scope = serializers.ChoiceField(Grant.Scope.values)
    session_id = serializers.CharField(allow_null=True)
    run_id = serializers.UUIDField(allow_null=True)
    tool_name = serializers.CharField()
    matcher = serializers.DictField(help_text="kind: any, argv, path, host or arguments; pattern.")
    approval_id = serializers.UUIDField(allow_null=True, help_text="The decision that made it.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class SessionApprovalsOutput(PendingOutput):
    grants = GrantOutput(many=True)


class RevokedOutput(serializers.Serializer):
    revoked = serializers.IntegerField()


class GrantListOutput(serializers.Serializer):
    grants = GrantOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class AnswerInput(serializers.Serializer):
    answer = StrictCharField(
        max_length=MOST_FEEDBACK, help_text="One of `choices`; free text where the agent asked."
    )


class QuestionOutput(serializers.Serializer):
    id = serializers.UUIDField()
    session_id = serializers.CharField()
    run_id = serializers.UUIDField()
    tool_call_id = serializers.UUIDField()
    kind = serializers.ChoiceField(Question.Kind.values)
    text = serializers.CharField()
    choices = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(Question.Status.values)
    answer = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    answered_by = serializers.CharField(allow_null=True)


class QuestionListOutput(serializers.Serializer):
    questions = QuestionOutput(many=True)


APPROVAL_EXAMPLE = {
    "id": "018e8f5a-0000-7000-8000-000000000002",
    "session_id": "repo-session-1",
    "run_id": "018e8f5a-0000-7000-8000-000000000001",
    "tool_call_id": "018e8f5a-0000-7000-8000-000000000003",
    "tool_name": "execute_command",
    "operation": "execute",
    "resource": "pytest -q",
    "arguments": {"command": "pytest -q"},
    "edited_arguments": None,
    "digest": "9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de",
    "reason": "In the mode workspace commands are asked about.",
    "diff": None,
    "status": "pending",
    "feedback": "",
    "created_at": "2024-03-30T12:34:56Z",
    "expires_at": "2024-03-31T12:34:56Z",
    "resolved_at": None,
    "resolved_by": None,
    "resolution_scope": None,
}
DECIDED_EXAMPLE = APPROVAL_EXAMPLE | {
    "status": "approved",
    "resolved_at": "2024-03-30T12:35:20Z",
    "resolved_by": "owner",
    "resolution_scope": "session",
}
GRANT_EXAMPLE = {
    "id": "018e8f5a-0000-7000-8000-000000000004",
    "scope": "session",
    "session_id": "repo-session-1",
    "run_id": None,
    "tool_name": "execute_command",
    "matcher": {"kind": "argv", "pattern": "pytest *"},
    "approval_id": None,
    "created_at": "2024-03-30T12:34:56Z",
    "expires_at": None,
    "revoked_at": None,
}
QUESTION_EXAMPLE = {
    "id": "018e8f5a-0000-7000-8000-000000000005",
    "session_id": "repo-session-1",
    "run_id": "018e8f5a-0000-7000-8000-000000000001",
    "tool_call_id": "018e8f5a-0000-7000-8000-000000000003",
    "kind": "ask_user",
    "text": "Which database shall I use?",
    "choices": ["postgres", "sqlite"],
    "status": "answered",
    "answer": "postgres",
    "created_at": "2024-03-30T12:34:56Z",
    "expires_at": "2024-03-31T12:34:56Z",
    "answered_at": "2024-03-30T12:40:00Z",
    "answered_by": "owner",
}
