"""Money as whole numbers: micros (millionths of a US dollar) inside, cents where people bid. Never a float."""

from dataclasses import dataclass
from enum import StrEnum

MICROS_PER_DOLLAR = 1_000_000
MICROS_PER_CENT = 10_000
BASIS_POINTS = 10_000
DEFAULT_SHARE_BPS = 7_000
POSITIVE_BONUS_BPS = 2_000
NEGATIVE_BONUS_BPS = 500


class Pricing(StrEnum):
    """What an advertiser pays for; a bid and a price are cents for one of these."""

    CPC = "cpc"  # a click
    CPM = "cpm"  # a thousand impressions
    SUCCESS = "success"  # a service that was done
    SESSION = "session"  # a session that was completed


class Reaction(StrEnum):
    """How a user took an ad, in the agent's words."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Split:
    """Who gets what of a price; both parts together are the price."""

    agent_micros: int
    platform_micros: int


def charge_micros(pricing: Pricing, price_cents: int) -> int:
    """What one billable event costs. A price per thousand impressions is ten micros a cent for each of them."""
    if price_cents < 0:
        raise ValueError("a price is not negative")
    return price_cents * (10 if pricing is Pricing.CPM else MICROS_PER_CENT)


def split_price(price_micros: int, share_bps: int = DEFAULT_SHARE_BPS) -> Split:
    """The agent's share, rounded down; the platform has the rest."""
    if price_micros < 0 or not 0 <= share_bps <= BASIS_POINTS:
        raise ValueError("a price is not negative, and a share is from 0 to 10,000 basis points")
    agent = price_micros * share_bps // BASIS_POINTS
    return Split(agent, price_micros - agent)


def bonus_micros(split: Split, reaction: Reaction) -> int:
    """What a prediction can earn: a part of the agent's share of the click, never more than the platform's fee."""
    bps = {Reaction.POSITIVE: POSITIVE_BONUS_BPS, Reaction.NEGATIVE: NEGATIVE_BONUS_BPS}.get(reaction, 0)
    return min(split.agent_micros * bps // BASIS_POINTS, split.platform_micros)
