"""Thumbs up and down on messages."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import feedback
from conversations.api.fields import StrictCharField, StrictChoiceField, StrictListField
from conversations.api.schema import errors, examples


class FeedbackInput(serializers.Serializer):
    rating = StrictChoiceField(["up", "down"])
    comment = StrictCharField(required=False, allow_blank=True, default="", max_length=4000)
    tags = StrictListField(child=StrictCharField(max_length=64), required=False, default=list, max_length=20)


class FeedbackOutput(serializers.Serializer):
    message_id = serializers.UUIDField()
    rating = serializers.ChoiceField(["up", "down"])
    comment = serializers.CharField(allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class MessageFeedbackView(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        operation_id="rate_message",
        summary="Say whether a message was good; the last word counts",
        request=FeedbackInput,
        responses={200: FeedbackOutput, **errors(404)},
        examples=examples(
            request={"rating": "down", "comment": "The code does not run.", "tags": ["wrong"]},
            response={
                "message_id": "018e8f5a-0000-7000-8000-000000000001",
                "rating": "down",
                "comment": "The code does not run.",
                "tags": ["wrong"],
                "created_at": "2024-03-30T12:34:56Z",
                "updated_at": "2024-03-30T12:34:56Z",
            },
        ),
    )
    def post(self, request: Request, message_id: UUID) -> Response:
        data = FeedbackInput(data=request.data)
        data.is_valid(raise_exception=True)
        rated = feedback.rate_message(
            user_id=request.user.id, message_id=message_id, now=timezone.now(), **data.validated_data
        )
        return Response(FeedbackOutput(rated).data)
