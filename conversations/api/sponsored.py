"""Sponsored suggestions beside answers: one's switch, and what became of one that was shown."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import sponsored
from conversations.api.fields import StrictBooleanField
from conversations.api.schema import errors, examples
from conversations.models import SponsoredSuggestion


class SwitchInput(serializers.Serializer):
    enabled = StrictBooleanField()


class SwitchOutput(serializers.Serializer):
    enabled = serializers.BooleanField()


class SuggestionOutput(serializers.Serializer):
    message_id = serializers.UUIDField()
    shown_at = serializers.DateTimeField(allow_null=True)
    dismissed_at = serializers.DateTimeField(allow_null=True)


_EXAMPLE = {
    "message_id": "018e8f5a-0000-7000-8000-000000000003",
    "shown_at": "2024-03-30T12:35:03Z",
    "dismissed_at": None,
}


class SponsoredSwitch(APIView):
    required_scopes = {"GET": "read", "PATCH": "chat"}

    @extend_schema(
        operation_id="get_sponsored_switch",
        summary="Whether one allows sponsored suggestions beside answers; off until it is switched on",
        responses={200: SwitchOutput},
        examples=examples(response={"enabled": False}),
    )
    def get(self, request: Request) -> Response:
        return Response({"enabled": sponsored.is_allowed(request.user.pk)})

    @extend_schema(
        operation_id="change_sponsored_switch",
        summary="Allow or forbid sponsored suggestions in all of one's conversations",
        description="They are shown in conversations for which `PATCH /conversations/{session_id}` has switched them "
        "on, too. Without both, nothing that is said reaches the marketplace.",
        request=SwitchInput,
        responses={200: SwitchOutput},
        examples=examples(request={"enabled": True}, response={"enabled": True}),
    )
    def patch(self, request: Request) -> Response:
        data = SwitchInput(data=request.data)
        data.is_valid(raise_exception=True)
        is_on = sponsored.allow(
            user_id=request.user.pk, is_on=data.validated_data["enabled"], now=timezone.now()
        )
        return Response({"enabled": is_on})


class SponsoredSeen(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        operation_id="sponsored_suggestion_seen",
        summary="Say that the sponsored suggestion of an answer was seen",
        description="Counts as its impression, once. Repeating it changes nothing.",
        request=None,
        responses={200: SuggestionOutput, **errors(404)},
        examples=examples(response=_EXAMPLE),
    )
    def post(self, request: Request, message_id: UUID) -> Response:
        seen = sponsored.see(owner_id=request.user.pk, message_id=message_id, now=timezone.now())
        return Response(_body(seen))


class SponsoredDismiss(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        operation_id="dismiss_sponsored_suggestion",
        summary="Take the sponsored suggestion of an answer away",
        description="Switches suggestions off for the conversation: there are none until one switches them on again. "
        "Repeating it changes nothing.",
        request=None,
        responses={200: SuggestionOutput, **errors(404)},
        examples=examples(response=_EXAMPLE | {"dismissed_at": "2024-03-30T12:35:09Z"}),
    )
    def post(self, request: Request, message_id: UUID) -> Response:
        dismissed = sponsored.dismiss(owner_id=request.user.pk, message_id=message_id, now=timezone.now())
        return Response(_body(dismissed))


def _body(suggestion: SponsoredSuggestion) -> dict[str, object]:
    return {
        "message_id": suggestion.message_id,
        "shown_at": suggestion.shown_at,
        "dismissed_at": suggestion.dismissed_at,
    }
