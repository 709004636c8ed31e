"""How a decision's units are shown to agents."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from ads import ad_tokens
from ads.core.ids import Mark, shown
from ads.core.micros import MICROS_PER_CENT, split_price
from ads.core.shown_scores import shown_score
from ads.core.tokens import LIFETIME_SECONDS, Window
from ads.decision_records import Placed
from ads.decisions import Decision
from ads.models import Agent

LABEL = "Sponsored"
WHY = "Shown because it fits what was asked; the sponsor pays for it."
CLICK_PATH = "/functions/v1/track-click/"


def unit_body(
    decision: Decision, placed: Placed, agent: Agent, *, origin: str, is_verbose: bool
) -> dict[str, Any]:
    """One unit as the current clients read it; `is_verbose` adds how its place and price came about."""
    facts = ad_tokens.facts_of(decision, placed, agent.pk)
    unit, placement = placed.entry.unit, placed.placement
    score: dict[str, Any] = asdict(shown_score(placement.candidate))
    body: dict[str, Any] = {
        "creative": {
            "title": unit.title,
            "body": unit.body,
            "cta": unit.cta,
            "landing_url": unit.landing_url,
        },
        "click_url": f"{origin}{CLICK_PATH}{ad_tokens.click_token(facts)}",
        "tracking_token": ad_tokens.tracking_token(facts),
        "disclosure": {"label": LABEL, "sponsor_name": placed.entry.campaign.advertiser.name, "why": WHY},
        "ad_type": unit.ad_type,
        "advertiser_id": str(placed.entry.advertiser_id),
        "payout": payout_cents(placed, agent),
        "content_trust": "untrusted",
        "expires_at": expires_at(decision),
        "_score": score,
        "_meta": {
            "unit_id": str(unit.pk),
            "campaign_id": str(placed.entry.campaign.pk),
            "clearing_price_cents": placement.price_cents,
            "position": placement.position,
        },
    }
    if placed.transaction_id:
        body["transaction_id"] = shown(Mark.TRANSACTION, placed.transaction_id)
        body["service"] = {
            "endpoint": unit.service_endpoint,
            "auth": unit.service_auth,
            "description": unit.service_description,
        }
    if is_verbose:
        score["debug"] = {"model": decision.model, "calibration": decision.calibration}
        body["auction"] = {
            "pricing": placed.pricing.value,
            "bid_cents": placement.candidate.bid_cents,
            "reserve_cents": decision.reserve_cents,
            "pivotal_score": placement.pivotal_score,
        }
    return body


def payout_cents(placed: Placed, agent: Agent) -> float:
    """What one billed event brings the agent, in cents."""
    return split_price(placed.claim.amount_micros, agent.share_bps).agent_micros / MICROS_PER_CENT


def expires_at(decision: Decision) -> str:
    """Until when a click counts."""
    moment = decision.decided_at + timedelta(seconds=LIFETIME_SECONDS[Window.CLICK])
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
