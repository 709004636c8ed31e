"""An older generation of clients of `/decide`: their requests in today's words, and today's answer in theirs.

They are known by what only they send: an `opportunity`, an object as `placement`, a place or language on top, names in
camel case. They ask the same question and get the same decision, as units in their form or as one flat ad.
"""

from collections.abc import Mapping
from typing import Any

from ads.api.schema import obj
from ads.core.ids import Mark, shown
from ads.core.tokens import LIFETIME_SECONDS, Window
from ads.decision_records import Placed
from ads.decisions import Decision
from ads.models import Agent
from ads.unit_bodies import unit_body
from penguin_site.errors import InvalidField

IMPRESSION_PATH = "/functions/v1/track-impression/"
FLAT_FORMATS = frozenset(["minimal", "standard"])
EXPLANATION = "A sponsored suggestion: chosen because it fits the conversation, and paid for by the sponsor."
UNIT_TYPE = "sponsored_suggestion"
_CONTROLS = {
    "minQualityScore": "min_quality_score",
    "minRelevanceScore": "min_relevance_score",
    "allowedCategories": "categories",
    "blockedCategories": "blocked_categories",
    "blockedAdvertisers": "blocked_advertisers",
    "minCPC": "min_bid_cents",
    "optimizeFor": "optimize_for",
}
_PLACES = ("country", "language", "platform")
_MARKS = frozenset(["opportunity", "constraints", *_PLACES, *_CONTROLS])


_DISCLOSURE = obj("label sponsor_name", label="string", sponsor_name="string", explanation="string")
_HEAD: dict[str, Any] = {
    "status": {"type": "string", "enum": ["filled", "no_fill"]},
    "request_id": "string",
    "decision_id": "string",
    "ttl_ms": "integer",
}
UNITS = obj(
    "status request_id decision_id ttl_ms units",
    **_HEAD,
    units={
        "type": "array",
        "items": obj(
            "unit_id unit_type suggestion disclosure tracking _score",
            unit_id="string",
            unit_type={"type": "string", "enum": [UNIT_TYPE]},
            suggestion=obj(
                "title body cta action_url tracking_url",
                title="string",
                body="string",
                cta="string",
                action_url="string",
                tracking_url="string",
                service_endpoint="string",
                service_auth="string",
                service_description="string",
            ),
            disclosure=_DISCLOSURE,
            tracking=obj(
                "token impression_url click_url", token="string", impression_url="string", click_url="string"
            ),
            _score="object",
        ),
    },
    reason="string",
    stages="object",
)
FLAT = obj(
    "status creative click_url tracking_token advertiser_id payout relevance_score disclosure _meta",
    status={"type": "string", "enum": ["filled"]},
    creative="object",
    click_url="string",
    tracking_token="string",
    advertiser_id="string",
    payout={"type": "number", "description": "Cents for one billed event."},
    relevance_score="number",
    disclosure=_DISCLOSURE,
    _meta="object",
)


def is_older(data: Mapping[str, Any]) -> bool:
    return (
        not _MARKS.isdisjoint(data)
        or isinstance(data.get("placement"), dict)
        or data.get("response_format") in ("minimal", "standard")
    )


def in_todays_words(data: Mapping[str, Any]) -> dict[str, Any]:
    """The request as today's fields say it. What is said today's way wins; what has the wrong form stays to be seen."""
    opportunity = _object(data, "opportunity")
    about, intent = _object(opportunity, "context"), opportunity.get("intent")
    intent = intent if isinstance(intent, dict) else {"query": intent} if intent is not None else {}
    constraints = _object(opportunity, "constraints") | _object(data, "constraints")
    placement = data.get("placement")
    found: dict[str, Any] = {
        "context": intent.get("query") or _words(intent.get("taxonomy")),
        "max_results": constraints.get("max_units"),
        "blocked_categories": constraints.get("blocked_categories"),
        "blocked_advertisers": constraints.get("blocked_advertisers"),
        "placement_id": _name_of(placement),
        **{name: about.get(name) for name in _PLACES},
        **{today: data.get(older) for older, today in _CONTROLS.items()},
    }
    given = {name: value for name, value in found.items() if value is not None}
    return given | {name: value for name, value in data.items() if name not in _CONTROLS}


def answer(
    decision: Decision,
    agent: Agent,
    *,
    request_id: str,
    origin: str,
    response_format: str | None,
    optimize_for: str,
) -> dict[str, Any]:
    """The decision in the older form: units, or one flat ad where `response_format` asks for it."""
    is_flat = response_format in FLAT_FORMATS
    placed = decision.placed
    if optimize_for == "relevance":
        placed = sorted(placed, key=lambda each: -each.placement.candidate.relevance)
    head: dict[str, Any] = {
        "status": "no_fill" if decision.reason else "filled",
        "request_id": request_id,
        "decision_id": shown(Mark.DECISION, decision.id),
        "ttl_ms": LIFETIME_SECONDS[Window.IMPRESSION] * 1_000,
    }
    if decision.reason:
        return head | {"units": [], "reason": decision.reason, "stages": decision.stages}
    is_verbose = response_format == "verbose"
    if is_flat:
        unit = unit_body(decision, placed[0], agent, origin=origin, is_verbose=False)
        return _flat(unit, head, has_explanation=response_format == "standard")
    return head | {"units": [_unit(decision, each, agent, origin, is_verbose) for each in placed]}


def _flat(unit: dict[str, Any], head: dict[str, Any], *, has_explanation: bool) -> dict[str, Any]:
    disclosure = {name: unit["disclosure"][name] for name in ("label", "sponsor_name")}
    if has_explanation:
        disclosure["explanation"] = EXPLANATION
    ids = {"request_id": head["request_id"], "decision_id": head["decision_id"]}
    return {
        "status": head["status"],
        "creative": unit["creative"],
        "click_url": unit["click_url"],
        "tracking_token": unit["tracking_token"],
        "advertiser_id": unit["advertiser_id"],
        "payout": unit["payout"],
        "relevance_score": unit["_score"]["relevance"],
        "disclosure": disclosure,
        "_meta": unit["_meta"] | ids,
        **{name: unit[name] for name in ("transaction_id", "service") if name in unit},
    }


def _unit(decision: Decision, placed: Placed, agent: Agent, origin: str, is_verbose: bool) -> dict[str, Any]:
    unit = unit_body(decision, placed, agent, origin=origin, is_verbose=is_verbose)
    creative, token = unit["creative"], unit["tracking_token"]
    tracked, seen = unit["click_url"], f"{origin}{IMPRESSION_PATH}{token}"
    suggestion = {
        "title": creative["title"],
        "body": creative["body"],
        "cta": creative["cta"],
        "action_url": tracked,
        "tracking_url": tracked,
    }
    if service := unit.get("service"):
        suggestion |= {
            "service_endpoint": service["endpoint"],
            "service_auth": service["auth"],
            "service_description": service["description"],
        }
    return unit | {
        "unit_id": unit["_meta"]["unit_id"],
        "unit_type": UNIT_TYPE,
        "suggestion": suggestion,
        "disclosure": unit["disclosure"] | {"explanation": EXPLANATION},
        "tracking": {"token": token, "impression_url": seen, "click_url": tracked},
        "_score": unit["_score"]
        | {"composite": unit["_score"]["final"], "position": unit["_meta"]["position"]},
    }


def _object(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if value is not None and not isinstance(value, dict):
        raise InvalidField(name, "must be an object")
    return value or {}


def _words(taxonomy: object) -> object:
    """`insurance.auto.quote` as a question; anything else as it is."""
    return taxonomy.replace(".", " ").replace("_", " ") if isinstance(taxonomy, str) else taxonomy


def _name_of(placement: object) -> object:
    if isinstance(placement, dict):
        return placement.get("placement_id") or placement.get("id") or placement.get("surface")
    return placement
