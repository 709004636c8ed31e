"""Impressions by address: what clients load that cannot send an event, once for each shown unit."""

from datetime import datetime
from typing import Any

from ads import ad_tokens, billing, shown_units
from ads.billing import EventKind
from ads.core.days import local_day
from ads.core.tokens import BadToken, Window
from penguin_site.errors import NotFound


def see(tracking_token: str, *, automatic: str, now: datetime) -> dict[str, Any]:
    """Records the impression, as an event would; `automatic` says which program has come by instead of a person."""
    try:
        facts = ad_tokens.read_tracking(tracking_token)
    except BadToken:
        raise NotFound("There is no such tracking token.") from None
    found = shown_units.find(facts)
    if found is None:
        raise NotFound
    shown, zone = found
    moment = shown.time(facts.environment, now)
    refusal = automatic
    if not refusal and billing.was_recorded(shown, EventKind.IMPRESSION):
        return {"accepted": True, "billable": False, "reason": "duplicate"}
    if not refusal and not facts.is_alive(Window.IMPRESSION, int(moment.timestamp())):
        refusal = "late"
    if refusal:
        return {"accepted": True, "billable": False, "reason": refusal}
    recorded = billing.record(shown, EventKind.IMPRESSION, day=local_day(moment, zone), occurred_at=moment)
    answer: dict[str, Any] = {"accepted": True, "billable": recorded.is_billed}
    return answer if not recorded.reason else answer | {"reason": recorded.reason}
