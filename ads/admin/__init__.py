"""What staff see and do of the marketplace: a module for each thing they look after. It only calls domain functions."""

from ads.admin import (
    advertisers,
    agents,
    campaigns,
    decisions,
    features,
    feedback,
    invalid_traffic,
    keys,
    ledger,
    payouts,
    policy,
    ratings,
    reviews,
    services,
    sessions,
    units,
)

__all__ = [
    "advertisers",
    "agents",
    "campaigns",
    "decisions",
    "features",
    "feedback",
    "invalid_traffic",
    "keys",
    "ledger",
    "payouts",
    "policy",
    "ratings",
    "reviews",
    "services",
    "sessions",
    "units",
]
