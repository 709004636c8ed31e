"""Why nothing is shown, told by how far the candidates got."""

from enum import StrEnum


class Stage(StrEnum):
    """What candidates pass, in order; the count of a stage is how many were left after it."""

    INVENTORY = "inventory"
    TARGETED = "targeted"  # schedule, place, language, categories asked for, not the developer's own ads
    ALLOWED = "allowed"  # not blocked by the request
    MATCHED = "matched"  # has to do with what the user said
    RELEVANT = "relevant"  # as much as the request asks for
    GOOD = "good"  # of the quality that the request asks for
    BIDDING = "bidding"  # at the reserve or above
    UNCAPPED = "uncapped"  # not shown to this user too often
    FUNDED = "funded"  # with money left
    PLACED = "placed"


class NoFill(StrEnum):
    NO_MATCH = "no_match"
    BELOW_RELEVANCE = "below_relevance"
    BELOW_QUALITY = "below_quality"
    BLOCKED = "blocked"
    SENSITIVE_CONTEXT = "sensitive_context"
    FREQUENCY_CAP = "frequency_cap"
    BUDGET = "budget"
    TIMEOUT = "timeout"
    CONSENT_REQUIRED = "consent_required"


_REASONS = {
    Stage.INVENTORY: NoFill.NO_MATCH,
    Stage.TARGETED: NoFill.NO_MATCH,
    Stage.ALLOWED: NoFill.BLOCKED,
    Stage.MATCHED: NoFill.NO_MATCH,
    Stage.RELEVANT: NoFill.BELOW_RELEVANCE,
    Stage.GOOD: NoFill.BELOW_QUALITY,
    Stage.BIDDING: NoFill.NO_MATCH,
    Stage.UNCAPPED: NoFill.FREQUENCY_CAP,
    Stage.FUNDED: NoFill.BUDGET,
    Stage.PLACED: NoFill.BUDGET,
}


def reason_for(stages: dict[Stage, int]) -> NoFill:
    """The reason of the first stage that nobody passed."""
    return next((_REASONS[stage] for stage in Stage if not stages.get(stage)), NoFill.NO_MATCH)
