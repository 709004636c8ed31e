"""`api-v1/session/...` and `api-v1/feedback`: a user's session with a business, and how it went."""

import json
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import features, sessions
from ads.api import fields
from ads.api.access import Caller
from ads.api.base import AdsView, check_agent_id
from ads.api.feedback import ANSWER as FEEDBACK_ANSWER
from ads.api.feedback import EXAMPLE as FEEDBACK_EXAMPLE
from ads.api.feedback import MAX_RESPONSE, FeedbackInput, give_feedback
from ads.api.request_keys import key_of
from ads.api.schema import obj, operation
from ads.models import FeatureSwitch, Session
from ads.sessions import Who
from penguin_site.errors import InvalidField

MAX_DATA_BYTES = 8 * 1024
_ID = "ses_0198c5d2a3b47e0f8a1b2c3d4e5f6071"
_STATES = {"type": "string", "enum": [state.value for state in Session.State]}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_SHAPE: dict[str, Any] = {
    "session_id": "string",
    "status": _STATES,
    "message": "string",
    "pending_fields": _TEXTS,
    "structured_data": {"type": "object"},
    "expires_at": {"type": "string", "format": "date-time"},
}
_EXAMPLE = {
    "session_id": _ID,
    "status": "active",
    "message": "Please tell us: budget. After that we need: current tool.",
    "pending_fields": ["budget", "current_tool"],
    "structured_data": {"team_size": "12"},
    "expires_at": "2026-05-20T12:30:00Z",
}


class StartInput(serializers.Serializer):
    capability_id = fields.Text(max_length=2_048, help_text="From a search; or the unit's tracking token.")
    ad_unit_id = fields.Text(max_length=64, required=False, allow_null=True)
    clearing_price_cents = fields.Integer(
        min_value=0, required=False, allow_null=True, help_text="As it was shown; another one is refused."
    )
    initial_data = fields.Object(
        required=False, allow_null=True, help_text="What is known already, by field."
    )
    consent = fields.Boolean(default=True, help_text="The user agrees that the business gets what they say.")
    agent_id = fields.Text(max_length=64, required=False)


class MessageInput(serializers.Serializer):
    session_id = fields.Text(max_length=64)
    message = fields.Text(max_length=4_000, help_text="What the user says; it is handed to the business.")
    data = fields.Object(required=False, allow_null=True, help_text="Fields that the agent has read from it.")
    idempotency_key = fields.Text(max_length=190, required=False)
    agent_id = fields.Text(max_length=64, required=False)


class EndInput(serializers.Serializer):
    session_id = fields.Text(max_length=64)
    agent_id = fields.Text(max_length=64, required=False)


class SessionFeedbackInput(serializers.Serializer):
    session_id = fields.Text(max_length=64)
    feedback_text = fields.Text(max_length=MAX_RESPONSE, help_text="Read, and dropped.")
    idempotency_key = fields.Text(max_length=190, required=False)
    agent_id = fields.Text(max_length=64, required=False)


class EitherFeedbackInput(FeedbackInput):
    """Of an ad, by `tracking_token`, as `/feedback` takes it; or of a session, by `session_id` and `feedback_text`."""

    tracking_token = fields.Text(max_length=2_048, required=False)
    session_id = fields.Text(max_length=64, required=False)
    feedback_text = fields.Text(max_length=MAX_RESPONSE, required=False, help_text="Read, and dropped.")


class SessionView(AdsView):
    feature = FeatureSwitch.Feature.SESSIONS


class StartSession(SessionView):
    @operation(
        "start_session",
        "Begin a session with a dynamic capability",
        request=StartInput,
        answer=obj(" ".join(_SHAPE), **_SHAPE),
        sample={
            "capability_id": "cap_0198c5d2a3b47e0f8a1b2c3d4e5f60717b1f6a5213d34d7e8a845d2f0d3a9c10",
            "clearing_price_cents": 61,
            "initial_data": {"team_size": 12},
            "consent": True,
        },
        example=_EXAMPLE,
    )
    def post(self, request: Request) -> Response:
        given, who = _read(StartInput, request)
        if not given["consent"]:
            raise InvalidField("consent", "is needed: a session hands what the user says to a business")
        session, text = sessions.start(
            given["capability_id"],
            unit_id=given.get("ad_unit_id"),
            price_cents=given.get("clearing_price_cents"),
            data=_data(given, "initial_data"),
            who=who,
        )
        return Response(_body(session, text))


class SendMessage(SessionView):
    @operation(
        "send_session_message",
        "Say something to the business",
        request=MessageInput,
        answer=obj(" ".join([*_SHAPE, "reply"]), **_SHAPE, reply="string"),
        sample={"session_id": _ID, "message": "We are 12 people."},
        example=_EXAMPLE | {"reply": _EXAMPLE["message"]},
    )
    def post(self, request: Request) -> Response:
        given, who = _read(MessageInput, request)
        session, text = sessions.say(
            given["session_id"],
            text=given["message"],
            data=_data(given, "data"),
            key=key_of(request, "idempotency_key", given.get("idempotency_key")),
            who=who,
        )
        return Response(_body(session, text) | {"reply": text})


class EndSession(SessionView):
    @operation(
        "end_session",
        "End a session: completed and billed when nothing is pending, else aborted",
        request=EndInput,
        answer=obj(
            "session_id status summary message_count total_tokens total_cost_usd",
            session_id="string",
            status={"type": "string", "enum": ["completed", "aborted"]},
            summary="string",
            message_count="integer",
            total_tokens="integer",
            total_cost_usd={"type": "number", "description": "What the business's answers cost to make."},
        ),
        sample={"session_id": _ID},
        example={
            "session_id": _ID,
            "status": "completed",
            "summary": "Salesgarden: team size: 12; budget: 500 a month; current tool: a spreadsheet",
            "message_count": 5,
            "total_tokens": 0,
            "total_cost_usd": 0.0,
        },
    )
    def post(self, request: Request) -> Response:
        given, who = _read(EndInput, request)
        return Response(sessions.ending_of(sessions.end(given["session_id"], who=who)))


class EitherFeedback(AdsView):
    @operation(
        "give_feedback_v1",
        "Say how an ad was taken, or how a session went",
        request=EitherFeedbackInput,
        answer={
            "anyOf": [
                FEEDBACK_ANSWER,
                obj("success message", success="boolean", message="string", session_id="string",
                    sentiment_detected="string"),
            ]
        },
        sample={"session_id": _ID, "feedback_text": "That helped a lot."},
        example=FEEDBACK_EXAMPLE,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        is_of_session = isinstance(request.data, dict) and request.data.get("session_id") is not None
        features.require(FeatureSwitch.Feature.SESSIONS if is_of_session else FeatureSwitch.Feature.FEEDBACK)
        if not is_of_session:
            return Response(give_feedback(request))
        given, who = _read(SessionFeedbackInput, request)
        session = sessions.give_feedback(
            given["session_id"],
            text=given["feedback_text"],
            key=key_of(request, "idempotency_key", given.get("idempotency_key")),
            who=who,
        )
        return Response(
            {
                "success": True,
                "message": "Thank you for the feedback: the payout is released.",
                "session_id": str(session),
                "sentiment_detected": session.reaction,
            }
        )


def _read(shape: type[serializers.Serializer], request: Request) -> tuple[dict[str, Any], Who]:
    body = shape(data=request.data)
    body.is_valid(raise_exception=True)
    caller: Caller = request.auth
    check_agent_id(caller, body.validated_data.get("agent_id"))
    return body.validated_data, Who(caller.agent, caller.environment, caller.now())


def _data(given: dict[str, Any], field: str) -> dict[str, Any]:
    data: dict[str, Any] = given.get(field) or {}
    if len(json.dumps(data).encode()) > MAX_DATA_BYTES:
        raise InvalidField(field, f"must have at most {MAX_DATA_BYTES} bytes")
    return data


def _body(session: Session, text: str) -> dict[str, Any]:
    return {
        "session_id": str(session),
        "status": session.state,
        "message": text,
        "pending_fields": sessions.pending_fields(session),
        "structured_data": session.structured_data,
        "expires_at": session.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
