"""`POST /feedback`: how a user took an ad."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import feedback
from ads.api import fields
from ads.api.access import Caller
from ads.api.base import AdsView, check_agent_id
from ads.api.request_keys import key_of
from ads.api.schema import obj, operation
from ads.core.micros import Reaction
from ads.feedback import Opinion
from ads.models import FeatureSwitch
from penguin_site.errors import InvalidField

MAX_RESPONSE = 4_000
# What makes two requests the same one; all else is ignored.
_CONTENT = (
    "tracking_token",
    "reaction",
    "user_response",
    "agent_response",
    "conversation_history",
    "context",
)
MESSAGE = "Feedback recorded. Bonus will be calculated after 7-day conversion window."
ANSWER = obj(
    "status feedback_id resolution_date potential_bonus message sentiment_detected success potential_penalty",
    status={"type": "string", "enum": ["received"]},
    feedback_id="string",
    resolution_date={"type": "string", "format": "date"},
    potential_bonus={"type": "string", "description": "Of the agent's share of the click."},
    message="string",
    sentiment_detected={"type": "string", "enum": [reaction.value for reaction in Reaction]},
    success="boolean",
    potential_penalty="string",
)
EXAMPLE = {
    "status": "received",
    "feedback_id": "evt_0198c5d2a3b47e0f8a1b2c3d4e5f6071",
    "resolution_date": "2026-05-27",
    "potential_bonus": "20%",
    "message": MESSAGE,
    "sentiment_detected": "positive",
    "success": True,
    "potential_penalty": "0%",
}


class FeedbackInput(serializers.Serializer):
    tracking_token = fields.Text(max_length=2_048)
    reaction = fields.Choice([reaction.value for reaction in Reaction], required=False, allow_null=True)
    user_response = fields.Text(
        max_length=MAX_RESPONSE, allow_blank=True, default="", help_text="Read, and dropped; reaction wins."
    )
    agent_response = fields.Text(
        max_length=16_000, allow_blank=True, default="", help_text="Of older clients; not judged."
    )
    conversation_history = fields.TextList(
        longest=16_000, default=list, help_text="Not judged: the user's answer is."
    )
    context = fields.Text(max_length=1_000, allow_blank=True, default="", help_text="Not judged either.")
    idempotency_key = fields.Text(
        max_length=190, required=False, help_text="Repeated, it gets the first answer again."
    )
    agent_id = fields.Text(max_length=64, required=False)


class GiveFeedback(AdsView):
    feature = FeatureSwitch.Feature.FEEDBACK

    @operation(
        "give_feedback",
        "Say how a user took an ad; a right prediction earns a bonus",
        request=FeedbackInput,
        answer=ANSWER,
        sample={"tracking_token": "trk_eyJ2Ijox", "reaction": "positive"},
        example=EXAMPLE,
    )
    def post(self, request: Request) -> Response:
        return Response(give_feedback(request))


def give_feedback(request: Request) -> dict[str, Any]:
    """The answer to feedback on a tracking token; `api-v1/feedback` takes it too."""
    body = FeedbackInput(data=request.data)
    body.is_valid(raise_exception=True)
    given = body.validated_data
    caller: Caller = request.auth
    check_agent_id(caller, given.get("agent_id"))
    if not given.get("reaction") and not given["user_response"].strip():
        raise InvalidField("reaction", "is required, or user_response to read it from")
    opinion = Opinion(
        tracking_token=given["tracking_token"],
        reaction=Reaction(given["reaction"]) if given.get("reaction") else None,
        user_response=given["user_response"],
        key=key_of(request, "idempotency_key", given.get("idempotency_key")) or "",
        content={name: request.data.get(name) for name in _CONTENT},
    )
    stored = feedback.give(opinion, agent=caller.agent, environment=caller.environment, now=caller.now())
    return {
        "status": "received",
        **feedback.as_result(stored),
        "message": MESSAGE,
        "success": True,
        "potential_penalty": "0%",
    }
