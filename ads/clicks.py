"""Clicks on ads: always led on to the landing page, billed when everything about them is in order."""

from dataclasses import dataclass
from datetime import datetime

from ads import ad_tokens, billing, conversions, features, invalid_traffic, shown_units
from ads.billing import EventKind
from ads.core.days import local_day
from ads.core.landing_urls import problem_with
from ads.core.tokens import BadToken, Window
from penguin_site.errors import NotFound


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where to, and what became of the click. `reason` is empty for a billed one."""

    url: str
    is_billed: bool
    reason: str


def follow(token: str, *, automatic: str, address: str = "", now: datetime) -> Redirect:
    """Records the click of a token. Raises NotFound for what is no token of ours.

    `automatic` says that no person has clicked (bot, prefetch, head): that is recorded, and the token stays good for
    the person who does. A click that nobody reported an impression for was an impression too. `address`: whence it
    came; only a hash of it that lasts a day is kept.
    """
    try:
        facts = ad_tokens.read_click(token)
    except BadToken:
        raise NotFound from None
    found = shown_units.find(facts)
    if found is None:
        raise NotFound
    shown, zone = found
    if problem_with(shown.landing_url):
        raise NotFound
    moment = shown.time(facts.environment, now)
    day = local_day(moment, zone)
    refusal = automatic
    if not refusal and not facts.is_alive(Window.CLICK, int(moment.timestamp())):
        refusal = "expired"
    if not refusal and not shown.is_running:
        refusal = "paused"
    if not refusal and features.Feature.CLICKS.value in features.switched_off():
        refusal = "switched_off"
    visitor = invalid_traffic.visitor_hash(address, now=now)
    if not refusal and invalid_traffic.is_crowded(visitor, book=shown.book, now=moment):
        refusal = "invalid"
    if not refusal and not billing.was_recorded(shown, EventKind.IMPRESSION):
        billing.record(shown, EventKind.IMPRESSION, day=day, occurred_at=moment)
    recorded = billing.record(
        shown, EventKind.CLICK, day=day, occurred_at=moment, refusal=refusal, visitor_hash=visitor
    )
    return Redirect(conversions.landing_url(shown), recorded.is_billed, recorded.reason)
