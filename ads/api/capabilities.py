"""`api-v1/search`: the capabilities that fit a question."""

import time
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request as HTTPRequest
from rest_framework.response import Response

from ads import ad_tokens, capabilities, decisions
from ads.api import fields
from ads.api.access import Caller
from ads.api.base import AdsView, check_agent_id
from ads.api.decide import stored_key, user_hash
from ads.api.error_bodies import request_id_of
from ads.api.origins import origin_of
from ads.api.schema import obj, operation
from ads.core.auction import SCALE
from ads.decision_records import Placed
from ads.decisions import Decision, Request
from ads.models import AdUnit, FeatureSwitch
from ads.unit_bodies import CLICK_PATH, LABEL, WHY

AD_TYPES = frozenset([AdUnit.Type.STATIC_OFFER.value, AdUnit.Type.DYNAMIC_CAPABILITY.value])


@extend_schema_field({"type": ["string", "object"], "maxLength": 2_000, "additionalProperties": {}})
class UserContext(serializers.Field):
    """What is known of the user: a text, or an object of which country, language and platform are looked at."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str | dict):
            raise serializers.ValidationError("Must be a text or an object.")
        if isinstance(data, str) and len(data) > 2_000:
            raise serializers.ValidationError("Ensure this field has no more than 2000 characters.")
        return data


class SearchInput(serializers.Serializer):
    query = fields.Text(min_length=1, max_length=16_000, help_text="What is looked for. It is not stored.")
    max_results = fields.Integer(min_value=1, max_value=20, default=5)
    user_context = UserContext(required=False, allow_null=True)
    agent_id = fields.Text(max_length=64, required=False)


CAPABILITY = obj(
    "capability_id ad_unit_id name description type cta click_url clearing_price_cents relevance_score tracking_token"
    " sponsored disclosure",
    capability_id="string",
    ad_unit_id="string",
    name="string",
    description="string",
    type={"type": "string", "enum": sorted(AD_TYPES)},
    cta="string",
    click_url="string",
    clearing_price_cents="integer",
    relevance_score="number",
    tracking_token="string",
    sponsored="boolean",
    disclosure=obj("label sponsor_name why", label="string", sponsor_name="string", why="string"),
)
EXAMPLE = {
    "capabilities": [
        {
            "capability_id": "cap_0198c5d2a3b47e0f8a1b2c3d4e5f60717b1f6a5213d34d7e8a845d2f0d3a9c10",
            "ad_unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10",
            "name": "Which CRM fits your startup?",
            "description": "Three questions, then a recommendation with prices.",
            "type": "dynamic_capability",
            "cta": "Start",
            "click_url": "https://penguin.example.com/functions/v1/track-click/eyJ2Ijox.c2ln",
            "clearing_price_cents": 61,
            "relevance_score": 0.97,
            "tracking_token": "trk_eyJ2Ijox",
            "sponsored": True,
            "disclosure": {"label": LABEL, "sponsor_name": "Salesgarden", "why": WHY},
        }
    ],
    "request_id": "req_0198c5d2",
}


class Search(AdsView):
    feature = FeatureSwitch.Feature.SEARCH

    @operation(
        "search",
        "Capabilities that fit a question: offers to click, and sessions to begin",
        request=SearchInput,
        answer=obj(
            "capabilities request_id",
            capabilities={"type": "array", "items": CAPABILITY},
            request_id="string",
        ),
        sample={"query": "best CRM for startups", "max_results": 3},
        example=EXAMPLE,
    )
    def post(self, request: HTTPRequest) -> Response:
        until = time.monotonic() + decisions.LONGEST_WAIT_SECONDS
        body = SearchInput(data=request.data)
        body.is_valid(raise_exception=True)
        given, caller = body.validated_data, request.auth
        check_agent_id(caller, given.get("agent_id"))
        origin, request_id = origin_of(request), request_id_of(request)

        def render(decision: Decision) -> dict[str, Any]:
            shown = [_body(decision, placed, caller, origin) for placed in decision.placed]
            return {"capabilities": shown, "request_id": request_id}

        return Response(decisions.decide(_request(request, caller, given, until), render))


def _request(request: HTTPRequest, caller: Caller, given: dict[str, Any], until: float) -> Request:
    context = given.get("user_context") or {}
    about = {} if isinstance(context, str) else context
    return Request(
        agent=caller.agent,
        environment=caller.environment,
        now=caller.now(),
        context=given["query"],
        user_intent=context if isinstance(context, str) else "",
        ad_types=AD_TYPES,
        max_results=given["max_results"],
        until=until,
        **{name: _word(about.get(name)) for name in ("country", "language", "platform")},
        user_hash=user_hash(caller, {"session_context": about}),
        key=stored_key(request, {}, request.data),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _body(decision: Decision, placed: Placed, caller: Caller, origin: str) -> dict[str, Any]:
    facts, unit = ad_tokens.facts_of(decision, placed, caller.agent.pk), placed.entry.unit
    return {
        "capability_id": capabilities.name_of(decision.id, unit.pk),
        "ad_unit_id": str(unit.pk),
        "name": unit.title,
        "description": unit.body,
        "type": unit.ad_type,
        "cta": unit.cta,
        "click_url": f"{origin}{CLICK_PATH}{ad_tokens.click_token(facts)}",
        "clearing_price_cents": placed.placement.price_cents,
        "relevance_score": placed.placement.candidate.relevance / SCALE,
        "tracking_token": ad_tokens.tracking_token(facts),
        "sponsored": True,
        "disclosure": {"label": LABEL, "sponsor_name": placed.entry.campaign.advertiser.name, "why": WHY},
    }
