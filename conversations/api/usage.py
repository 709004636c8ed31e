"""Tokens and cost: of oneself, of a conversation, and how full a conversation's context window is."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import sessions, token_usage
from conversations.api.fields import MomentField
from conversations.api.schema import errors, examples

_USAGE_EXAMPLE = {
    "main_model": {"prompt": 1200, "completion": 300, "total": 1500},
    "models": {
        "openai-chat:gpt-4o-mini": {
            "prompt": 1200,
            "completion": 300,
            "total": 1500,
            "reasoning": 0,
            "cache_read": 0,
            "cache_write": 0,
            "calls": 4,
            "cost_usd": 0.00036,
        }
    },
    "prompt": 1200,
    "completion": 300,
    "total": 1500,
    "calls": 4,
    "cost_usd": 0.00036,
    "today": 700,
    "today_cost_usd": 0.00017,
}


class TokensOutput(serializers.Serializer):
    prompt = serializers.IntegerField()
    completion = serializers.IntegerField()
    total = serializers.IntegerField()


class ModelTokensOutput(TokensOutput):
    reasoning = serializers.IntegerField(help_text="Part of `completion`.")
    cache_read = serializers.IntegerField(help_text="Part of `prompt`.")
    cache_write = serializers.IntegerField(help_text="Part of `prompt`.")
    calls = serializers.IntegerField()
    cost_usd = serializers.FloatField()


class FiguresOutput(TokensOutput):
    main_model = TokensOutput(help_text="Of the model that is used when a message names none.")
    models = serializers.DictField(child=ModelTokensOutput())
    calls = serializers.IntegerField()
    cost_usd = serializers.FloatField()
    today = serializers.IntegerField(help_text="Tokens since midnight UTC.")
    today_cost_usd = serializers.FloatField()


class TokenUsageOutput(serializers.Serializer):
    usage = FiguresOutput()


class WindowOutput(serializers.Serializer):
    model = serializers.CharField()
    used = serializers.IntegerField(help_text="Input and output tokens of the last model call.")
    limit = serializers.IntegerField(allow_null=True, help_text="Null when the model's window is not known.")
    fraction = serializers.FloatField(allow_null=True)
    estimated = serializers.BooleanField(help_text="The provider reported no tokens.")


class SessionTokenUsageOutput(TokenUsageOutput):
    session_id = serializers.CharField()
    conversation_id = serializers.CharField()
    context_window = WindowOutput()


class UsageQuery(serializers.Serializer):
    session_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=128)
    end = MomentField(required=False, default=None)

    def get_fields(self) -> dict[str, Any]:
        # `from` and `to` in the address; a class cannot have a field named `from`.
        fields = super().get_fields()
        fields["from"] = MomentField(required=False, default=None)
        fields["to"] = fields.pop("end")
        return fields


class TokenUsage(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_token_usage",
        summary="One's tokens and cost, by model",
        parameters=[
            OpenApiParameter("session_id", str, description="Of this conversation only."),
            OpenApiParameter(
                "from", str, description="ISO date or time (UTC unless it says otherwise), included."
            ),
            OpenApiParameter("to", str, description="The same, not included."),
        ],
        responses={200: TokenUsageOutput, **errors(404)},
        examples=examples(response={"usage": _USAGE_EXAMPLE}),
    )
    def get(self, request: Request) -> Response:
        query = UsageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        values = query.validated_data
        conversation = None
        if values["session_id"]:
            conversation = sessions.get_conversation(
                owner_id=request.user.id, session_id=values["session_id"]
            )
        usage = token_usage.usage_of(
            owner_id=request.user.id,
            main_model=settings.PENGUIN_MODEL,
            now=timezone.now(),
            conversation_id=conversation.id if conversation else None,
            start=values["from"],
            end=values["to"],
        )
        return Response({"usage": usage})


class SessionTokenUsage(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_session_token_usage",
        summary="A conversation's tokens and cost, and how full its context window is",
        responses={200: SessionTokenUsageOutput, **errors(404)},
        examples=examples(
            response={
                "session_id": "repo-session-1",
                "conversation_id": "repo-session-1",
                "usage": _USAGE_EXAMPLE,
                "context_window": {
                    "model": "openai-chat:gpt-4o-mini",
                    "used": 1500,
                    "limit": 128000,
                    "fraction": 0.0117,
                    "estimated": False,
                },
            }
        ),
    )
    def get(self, request: Request, session_id: str) -> Response:
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        usage = token_usage.usage_of(
            owner_id=request.user.id,
            main_model=settings.PENGUIN_MODEL,
            now=timezone.now(),
            conversation_id=conversation.id,
        )
        window = token_usage.context_window(conversation, default_model=settings.PENGUIN_MODEL)
        return Response(
            {
                "session_id": session_id,
                "conversation_id": session_id,
                "usage": usage,
                "context_window": window,
            }
        )
