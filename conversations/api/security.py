"""One's permission mode and rules, what they would say to a call, and what was done about permissions."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import explanations, security_config, sessions
from conversations.api.fields import QueryIntegerField, StrictCharField, StrictChoiceField, StrictListField
from conversations.api.message_input import ContextField
from conversations.api.schema import errors, examples
from conversations.core.policy import Mode
from conversations.core.rules import MOST_RULES, Verdict
from conversations.explanations import Wished
from conversations.security_config import Config
from penguin_site import audit
from penguin_site.errors import InvalidField

MODES = [mode.value for mode in Mode]
DECISIONS = [verdict.value for verdict in Verdict]


class RuleInput(serializers.Serializer):
    """A rule speaks of calls that fit all it names."""

    decision = StrictChoiceField(DECISIONS)
    tool = StrictCharField(required=False, max_length=1000, help_text="A name; `*` stands for anything.")
    path = StrictCharField(required=False, max_length=1000, help_text="`src/**`, `*.sql`, `/srv/data/**`")
    argv = StrictListField(
        child=StrictCharField(max_length=1000),
        required=False,
        max_length=50,
        min_length=1,
        help_text="The first words of a command.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        # Ignored, a misspelled word would make the rule wider than it was meant.
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError({sorted(unknown)[0]: ["There is no such field."]})
        return super().to_internal_value(data)


class ConfigInput(serializers.Serializer):
    mode = StrictChoiceField(
        MODES, required=False, allow_null=True, help_text="null: the server's default mode."
    )
    rules = serializers.ListField(child=RuleInput(), required=False, max_length=MOST_RULES)


class RuleOutput(serializers.Serializer):
    decision = serializers.ChoiceField(DECISIONS)
    tool = serializers.CharField(required=False)
    path = serializers.CharField(required=False)
    argv = serializers.ListField(child=serializers.CharField(), required=False)


class ConfigOutput(serializers.Serializer):
    mode = serializers.ChoiceField(MODES, help_text="In effect.")
    default_mode = serializers.ChoiceField(MODES, help_text="The server's.")
    own_mode = serializers.ChoiceField(MODES, allow_null=True)
    rules = RuleOutput(many=True)
    updated_at = serializers.DateTimeField(allow_null=True)


class ExplainInput(serializers.Serializer):
    tool = StrictCharField(max_length=200)
    arguments = ContextField()
    session_id = StrictCharField(required=False, allow_null=True, default=None, max_length=128)
    directory = StrictCharField(required=False, allow_null=True, default=None, max_length=4096)
    agent_mode = StrictChoiceField(["build", "plan"], required=False, allow_null=True, default=None)


class ExplainOutput(serializers.Serializer):
    verdict = serializers.ChoiceField(DECISIONS)
    rule = serializers.CharField(help_text="`mode:workspace`, `rule:2`, `grant:<id>`, `secret_file`, ...")
    reason = serializers.CharField()
    operation = serializers.CharField()
    resource = serializers.CharField()
    grants = serializers.ListField(
        child=serializers.DictField(),
        help_text="What the scopes `session` and `always` would permit; empty: nothing can.",
    )


class AuditQuery(serializers.Serializer):
    limit = QueryIntegerField(min_value=1, max_value=200, default=50)
    before = QueryIntegerField(
        min_value=1, required=False, default=None, help_text="`next_before` of a page."
    )


class AuditItemOutput(serializers.Serializer):
    id = serializers.IntegerField()
    recorded_at = serializers.DateTimeField()
    action = serializers.CharField()
    object = serializers.CharField()
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)


class AuditOutput(serializers.Serializer):
    entries = AuditItemOutput(many=True)
    next_before = serializers.IntegerField(allow_null=True)


_CONFIG_EXAMPLE = {
    "mode": "workspace",
    "default_mode": "workspace",
    "own_mode": None,
    "rules": [{"decision": "deny", "path": "secrets/**"}, {"decision": "allow", "argv": ["pytest"]}],
    "updated_at": "2024-03-30T12:34:56Z",
}


def _config_body(config: Config) -> dict[str, Any]:
    return {
        "mode": config.mode.value,
        "default_mode": config.default_mode.value,
        "own_mode": config.mode.value if config.is_own_mode else None,
        "rules": [rule.as_json() for rule in config.rules],
        "updated_at": config.updated_at,
    }


class SecurityConfig(APIView):
    required_scopes = {"GET": "read", "PATCH": "chat"}

    @extend_schema(
        operation_id="get_security_config",
        summary="One's permission mode and rules",
        responses={200: ConfigOutput},
        examples=examples(response=_CONFIG_EXAMPLE),
    )
    def get(self, request: Request) -> Response:
        return Response(_config_body(security_config.config_of(request.user.pk)))

    @extend_schema(
        operation_id="change_security_config",
        summary="Change one's permission mode or rules",
        description=(
            "Works on every call that has not started yet. What makes it stricter takes the scope `chat`; a looser "
            "mode, a new allowing rule, or a rule less of the others takes `approvals:decide`. Denying rules win over "
            "asking ones, and these over allowing ones."
        ),
        request=ConfigInput,
        responses={200: ConfigOutput},
        examples=examples(request={"mode": "read_only"}, response=_CONFIG_EXAMPLE | {"mode": "read_only"}),
    )
    def patch(self, request: Request) -> Response:
        fields = ConfigInput(data=request.data)
        fields.is_valid(raise_exception=True)
        changes = dict(fields.validated_data)
        if "rules" in changes:
            changes["rules"] = [dict(rule) for rule in changes["rules"]]
        config = security_config.change_config(
            user=request.user,
            changes=changes,
            may_loosen=request.auth.may("approvals:decide"),
            now=timezone.now(),
            request=request,
        )
        return Response(_config_body(config))


class PolicyExplain(APIView):
    required_scopes = {"POST": "read"}

    @extend_schema(
        operation_id="explain_policy",
        summary="Which rule would decide about a call, and why",
        request=ExplainInput,
        responses={200: ExplainOutput, **errors(404)},
        examples=examples(
            request={"tool": "execute_command", "arguments": {"command": "pytest -q"}},
            response={
                "verdict": "ask",
                "rule": "mode:workspace",
                "reason": "In the mode workspace commands are asked about.",
                "operation": "execute",
                "resource": "pytest -q",
                "grants": [{"kind": "argv", "pattern": [["pytest", "-q"]], "line": "pytest -q", "cwd": "."}],
            },
        ),
    )
    def post(self, request: Request) -> Response:
        fields = ExplainInput(data=request.data)
        fields.is_valid(raise_exception=True)
        asked = fields.validated_data
        conversation = None
        if asked["session_id"] is not None:
            if asked["directory"] is not None:
                raise InvalidField("directory", "name the session or a directory, not both.")
            conversation = sessions.get_conversation(owner_id=request.user.pk, session_id=asked["session_id"])
        explained = explanations.explain(
            Wished(asked["tool"], asked["arguments"], asked["directory"], asked["agent_mode"] == "plan"),
            user=request.user,
            is_local_owner=request.auth.is_local_owner,
            conversation=conversation,
        )
        ruling = explained.ruling
        return Response(
            {
                "verdict": ruling.verdict.value,
                "rule": ruling.rule,
                "reason": explained.reason,
                "operation": ruling.operation,
                "resource": ruling.resource,
                "grants": [dict(matcher) for matcher in explained.matchers],
            }
        )


class SecurityAudit(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_security_audit",
        summary="What oneself has done about permissions and keys, newest first",
        parameters=[AuditQuery],
        responses={200: AuditOutput},
        examples=examples(
            response={
                "entries": [
                    {
                        "id": 7,
                        "recorded_at": "2024-03-30T12:35:20Z",
                        "action": "approval.approved",
                        "object": "conversations.approval:018e8f5a-0000-7000-8000-000000000002",
                        "before": {"status": "pending"},
                        "after": {"status": "approved", "scope": "once"},
                    }
                ],
                "next_before": None,
            }
        ),
    )
    def get(self, request: Request) -> Response:
        query = AuditQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        limit, before = query.validated_data["limit"], query.validated_data["before"]
        found = audit.entries_by(request.user.pk, before=before, limit=limit + 1)
        page = found[:limit]
        entries = [
            {
                "id": entry.pk,
                "recorded_at": entry.recorded_at,
                "action": entry.action,
                "object": entry.object,
                "before": entry.before,
                "after": entry.after,
            }
            for entry in page
        ]
        next_before = page[-1].pk if len(found) > limit else None
        return Response({"entries": entries, "next_before": next_before})
