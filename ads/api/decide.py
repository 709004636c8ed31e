"""`POST /decide`: the ads that fit what a user said."""

import hashlib
import hmac
import json
import math
import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request as HTTPRequest

from ads import categories, decisions
from ads.api import fields, older_clients
from ads.api.access import Caller
from ads.api.base import check_agent_id, checked
from ads.api.busy_views import BusyView
from ads.api.error_bodies import request_id_of
from ads.api.origins import origin_of
from ads.api.request_keys import key_of
from ads.api.schema import obj, operation
from ads.core.ids import Mark, shown
from ads.core.no_fill import NoFill
from ads.decision_records import StoredKey
from ads.decisions import Decision, Request
from ads.models import FeatureSwitch
from ads.unit_bodies import unit_body

_OLDER = "Of older clients, who get their older form of answer."


class DecideInput(serializers.Serializer):
    context = fields.Text(min_length=1, max_length=16_000, help_text="What the user said. It is not stored.")
    user_intent = fields.Text(max_length=2_000, allow_blank=True, default="")
    categories = fields.TextList(
        max_length=100, required=False, help_text="IAB ids or names; children are included."
    )
    blocked_categories = fields.TextList(max_length=100, default=list)
    blocked_advertisers = fields.TextList(max_length=200, default=list)
    min_quality_score = fields.Number(min_value=0, max_value=1, default=0)
    min_relevance_score = fields.Number(
        min_value=0, max_value=1, required=False, help_text="Without it 0.25."
    )
    max_results = fields.Integer(min_value=1, max_value=20, default=5)
    response_format = fields.Choice(["concise", "verbose"], default="concise")
    max_wait_ms = fields.Integer(min_value=0, max_value=10_000, required=False)
    placement_id = fields.Text(max_length=100, allow_blank=True, default="")
    request_id = fields.Text(
        max_length=190, required=False, help_text="Repeated, it gets the first answer again."
    )
    user_ref = fields.Text(
        max_length=200, required=False, help_text="The same for the same user: for frequency caps."
    )
    session_context = fields.Object(
        required=False, help_text="Stands for the user where there is no user_ref."
    )
    country = fields.Text(max_length=64, allow_blank=True, default="", help_text=_OLDER)
    language = fields.Text(max_length=64, allow_blank=True, default="", help_text=_OLDER)
    platform = fields.Text(max_length=64, allow_blank=True, default="", help_text=_OLDER)
    consent = fields.Boolean(default=True, help_text="false: nothing is shown.")
    agent_id = fields.Text(max_length=64, required=False)


class OlderInput(DecideInput):
    """What older clients may say besides, in today's words."""

    response_format = fields.Choice(["concise", "verbose", "minimal", "standard"], required=False)
    min_bid_cents = fields.Number(min_value=0, max_value=1_000_000, default=0)
    optimize_for = fields.Choice(["revenue", "relevance"], default="revenue")


_SHAPE = DecideInput()
_OLDER_SHAPE = OlderInput()
UNIT = obj(
    "creative click_url tracking_token disclosure ad_type advertiser_id payout content_trust expires_at _score _meta",
    creative=obj(
        "title body cta landing_url", title="string", body="string", cta="string", landing_url="string"
    ),
    click_url="string",
    tracking_token="string",
    disclosure=obj("label sponsor_name why", label="string", sponsor_name="string", why="string"),
    ad_type={"type": "string", "enum": ["static_offer", "service", "dynamic_capability"]},
    advertiser_id="string",
    payout={"type": "number", "description": "Cents for one billed event."},
    content_trust={"type": "string", "enum": ["untrusted"]},
    expires_at={"type": "string", "format": "date-time"},
    transaction_id="string",
    service=obj("endpoint auth description", endpoint="string", auth="string", description="string"),
    auction={"type": "object"},
    _score=obj(
        "relevance quality bid final", relevance="number", quality="number", bid="number", final="number"
    ),
    _meta=obj(
        "unit_id campaign_id clearing_price_cents position",
        unit_id="string",
        campaign_id="string",
        clearing_price_cents="integer",
        position="integer",
    ),
)
DECISION = obj(
    "status request_id decision_id units",
    status={"type": "string", "enum": ["fill", "no_fill"]},
    request_id="string",
    decision_id="string",
    units={"type": "array", "items": UNIT},
    reason={"type": "string", "enum": [reason.value for reason in NoFill]},
    stages={"type": "object", "additionalProperties": {"type": "integer"}},
)
EXAMPLE = {
    "status": "fill",
    "request_id": "req_abc123",
    "decision_id": "dec_0198c5d2a3b47e0f8a1b2c3d4e5f6071",
    "units": [
        {
            "creative": {
                "title": "CloudTax: AI Tax Filing",
                "body": "File your freelancer taxes in 15 minutes with AI guidance.",
                "cta": "Start Free",
                "landing_url": "https://cloudtax.ca",
            },
            "click_url": "https://penguin.example.com/functions/v1/track-click/eyJ2Ijox.c2ln",
            "tracking_token": "trk_eyJ2Ijox",
            "disclosure": {"label": "Sponsored", "sponsor_name": "CloudTax", "why": "Fits what was asked."},
            "ad_type": "static_offer",
            "advertiser_id": "0b7e3c62-5d3c-4f6e-9a51-6a1f4f0c2d11",
            "payout": 24.5,
            "content_trust": "untrusted",
            "expires_at": "2026-05-21T12:00:00Z",
            "_score": {"relevance": 0.92, "quality": 0.85, "bid": 0.5, "final": 0.39},
            "_meta": {
                "unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10",
                "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22",
                "clearing_price_cents": 35,
                "position": 1,
            },
        }
    ],
}


class Decide(BusyView):
    feature = FeatureSwitch.Feature.DECIDE

    @operation(
        "decide",
        "Ads that fit a user's message",
        request=DecideInput,
        answer={"anyOf": [DECISION, older_clients.UNITS, older_clients.FLAT]},
        sample={"context": "I need a tax accountant", "max_results": 3, "min_quality_score": 0.5},
        example=EXAMPLE,
    )
    def post(self, request: HttpRequest, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        until_default = time.monotonic() + decisions.LONGEST_WAIT_SECONDS
        is_older = older_clients.is_older(data)
        given = (
            checked(_OLDER_SHAPE, older_clients.in_todays_words(data)) if is_older else checked(_SHAPE, data)
        )
        check_agent_id(caller, given.get("agent_id"))
        wished = _request(caller, given, until_default, stored_key(request, given, data))
        origin, request_id = origin_of(request), request_id_of(request)

        def render(decision: Decision) -> dict[str, Any]:
            if is_older:
                return older_clients.answer(
                    decision,
                    caller.agent,
                    request_id=request_id,
                    origin=origin,
                    response_format=given.get("response_format"),
                    optimize_for=given["optimize_for"],
                )
            return decision_body(
                decision,
                caller,
                request_id=request_id,
                origin=origin,
                is_verbose=given["response_format"] == "verbose",
            )

        return _named(decisions.decide(wished, render), given.get("request_id"))


def _named(answer: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    """With the client's own name for its request, which is not stored with the answer."""
    if request_id is None:
        return answer
    meta = answer.get("_meta")
    if meta is not None:
        return answer | {"_meta": meta | {"request_id": request_id}}
    return answer | {"request_id": request_id}


def decision_body(
    decision: Decision, caller: Caller, *, request_id: str, origin: str, is_verbose: bool
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "status": "no_fill" if decision.reason else "fill",
        "request_id": request_id,
        "decision_id": shown(Mark.DECISION, decision.id),
        "units": [
            unit_body(decision, placed, caller.agent, origin=origin, is_verbose=is_verbose)
            for placed in decision.placed
        ],
    }
    if decision.reason:
        body |= {"reason": decision.reason, "stages": decision.stages}
    return body


def _request(caller: Caller, given: dict[str, Any], until: float, key: StoredKey | None) -> Request:
    if "max_wait_ms" in given:
        until = min(until, time.monotonic() + given["max_wait_ms"] / 1000)
    relevance = given.get("min_relevance_score")
    return Request(
        agent=caller.agent,
        environment=caller.environment,
        now=caller.now(),
        context=given["context"],
        user_intent=given["user_intent"],
        categories=categories.known_ids(given["categories"]) if given.get("categories") else None,
        blocked_categories=categories.known_ids(given["blocked_categories"]),
        blocked_advertisers=frozenset(map(_advertiser_id, given["blocked_advertisers"])) - {None},  # type: ignore[arg-type]
        min_quality=decisions.floor_of(given["min_quality_score"]),
        min_relevance=None if relevance is None else decisions.floor_of(relevance),
        min_bid_cents=math.ceil(given.get("min_bid_cents", 0)),
        max_results=given["max_results"],
        until=until,
        placement=given["placement_id"],
        country=given["country"],
        language=given["language"],
        platform=given["platform"],
        user_hash=user_hash(caller, given),
        has_consent=given["consent"],
        key=key,
    )


def _advertiser_id(text: str) -> UUID | None:
    """A name that is no id blocks nobody: older clients send names of their own."""
    try:
        return UUID(text)
    except ValueError:
        return None


def user_hash(caller: Caller, given: dict[str, Any]) -> bytes | None:
    """Who is shown something, so that nobody can tell who it was: keyed, and another for every agent."""
    user = given.get("user_ref") or (
        json.dumps(given["session_context"], sort_keys=True) if given.get("session_context") else None
    )
    if user is None:
        return None
    text = f"ads user:{caller.agent.pk.hex}:{user}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).digest()


def stored_key(
    request: HttpRequest | HTTPRequest, given: dict[str, Any], data: dict[str, Any]
) -> StoredKey | None:
    """The client's own name for this request, and a hash of all that it says; neither can be turned back."""
    key = key_of(request, "request_id", request.META.get("HTTP_IDEMPOTENCY_KEY") or given.get("request_id"))
    if key is None:
        return None
    content = json.dumps(data, sort_keys=True)
    return StoredKey(_keyed_hash("key", key).hex(), _keyed_hash("content", content))


def _keyed_hash(purpose: str, text: str) -> bytes:
    message = f"ads request {purpose}:{text}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).digest()
