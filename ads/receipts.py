"""The receipt of a decision, for the agent that it was made for."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings

from ads.core import receipts
from ads.core.books import environment_of
from ads.core.ids import Mark, month_of, shown
from ads.core.micros import Pricing, charge_micros, split_price
from ads.core.receipts import ReceiptKey
from ads.models import Decision, DecisionUnit
from penguin_site.errors import NotFound


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """`text` is what was signed, and all that `content` says."""

    content: dict[str, Any]
    text: str
    signature: str
    key_id: str


@lru_cache(maxsize=4)
def _keys_of(secrets: tuple[str, ...]) -> tuple[ReceiptKey, ...]:
    return tuple(ReceiptKey.of(secret) for secret in secrets)


def signing_keys() -> tuple[ReceiptKey, ...]:
    """The newest first: it signs. What the others have signed can still be checked."""
    return _keys_of(tuple(settings.PENGUIN_AD_SIGNING_KEYS))


def receipt_of(decision_id: UUID, *, agent_id: UUID, book: str) -> SignedReceipt:
    """Raises NotFound for a decision of anybody else, or of the agent's other environment."""
    try:
        month = month_of(decision_id)
    except (ValueError, OverflowError):  # no id of ours
        raise NotFound from None
    decision = Decision.objects.filter(month=month, id=decision_id, agent_id=agent_id, book=book).first()
    if decision is None:
        raise NotFound
    units = DecisionUnit.objects.filter(month=month, decision_id=decision_id).order_by("position")
    content = {
        "version": receipts.RECEIPT_VERSION,
        "decision_id": shown(Mark.DECISION, decision.id),
        "agent_id": shown(Mark.AGENT, agent_id),
        "environment": environment_of(book).value,
        "decided_at": decision.decided_at.isoformat(),
        "reason": decision.reason,
        "auction_version": decision.auction_version,
        "relevance_model": decision.relevance_model,
        "calibration": decision.calibration,
        "reserve_cents": decision.reserve_cents,
        "units": [_unit(unit) for unit in units],
    }
    text, key = receipts.as_text(content), signing_keys()[0]
    return SignedReceipt(content, text, key.sign(text), key.key_id)


def _unit(unit: DecisionUnit) -> dict[str, Any]:
    ranked = {
        name: getattr(unit, name)
        for name in ("relevance", "quality", "weight", "pivotal_score", "price_cents")
    }
    charged = charge_micros(Pricing(unit.pricing), unit.price_cents)
    return {
        "position": unit.position,
        "unit_id": str(unit.unit_id),
        "campaign_id": str(unit.campaign_id),
        "pricing": unit.pricing,
        "bid_cents": unit.bid_cents,
        **ranked,
        "wins_tie": receipts.wins_tie(**ranked),
        "charge_micros": charged,
        "share_bps": unit.share_bps,
        "payout_micros": split_price(charged, unit.share_bps).agent_micros,
    }
