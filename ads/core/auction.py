"""The auction: generalized second price over whole numbers, without a clock and without chance.

The same candidates give the same placements and prices wherever and whenever they are ranked, so that a price can be
recomputed from what was written down. A campaign that does not bid per click enters with its click equivalent: bid
times weight, an exact ratio; its price is given back in its own unit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ads.core.micros import Pricing

SCALE = 10_000  # relevance and quality are from 0 to this
AUCTION_VERSION = 1
# Weights are tenths of a click: a thousand impressions count as a tenth of a click's bid for each cent.
WEIGHT_SCALE = 10
WEIGHTS = {Pricing.CPC: 10, Pricing.CPM: 1, Pricing.SUCCESS: 10, Pricing.SESSION: 10}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be shown. `seniority` orders campaigns by age: the smaller, the older."""

    unit_id: str
    advertiser_id: str
    seniority: int
    relevance: int
    quality: int
    bid_cents: int
    weight: int = WEIGHT_SCALE

    @property
    def effect(self) -> int:
        """How much a cent of this unit's bid counts, before its weight."""
        return self.relevance * self.quality

    @property
    def score(self) -> int:
        """Ranks the candidates: effect * bid * weight, in SCALE^2 * WEIGHT_SCALE-ths of a cent."""
        return self.effect * self.bid_cents * self.weight

    @property
    def rank(self) -> tuple[int, int, str]:
        """Smaller is better: the higher score, then the older campaign, then the smaller unit id."""
        return (-self.score, self.seniority, self.unit_id)


@dataclass(frozen=True, slots=True)
class Placement:
    """A unit that is shown, and what it pays, in cents of its own pricing.

    `pivotal_score` is the score of the candidate that it had to beat (0: nobody, the reserve set the price).
    """

    position: int
    candidate: Candidate
    price_cents: int
    pivotal_score: int


def reserve_for(candidate: Candidate, reserve_cents: int) -> int:
    """The reserve, which is per click, in cents of the candidate's own pricing; rounded up."""
    return -(-reserve_cents * WEIGHT_SCALE // candidate.weight)


def run_auction(candidates: Iterable[Candidate], *, reserve_cents: int, max_results: int) -> list[Placement]:
    """The placements, best first: at most one unit an advertiser, each at the least price that keeps its place.

    Who cannot pay the reserve, or whose relevance or quality is 0, does not take part. Of an advertiser's units only
    the best takes part: it is chosen before prices are made, so nobody pays more for competing with themselves.
    reserve <= price <= bid always holds.
    """
    ranked = _one_per_advertiser(
        sorted(
            (c for c in candidates if c.effect > 0 and c.bid_cents >= reserve_for(c, reserve_cents)),
            key=lambda candidate: candidate.rank,
        )
    )
    placements = []
    for index, candidate in enumerate(ranked[:max_results]):
        price, pivotal_score = reserve_for(candidate, reserve_cents), 0
        if index + 1 < len(ranked):
            next_one = ranked[index + 1]
            needed = price_to_beat(candidate, next_one)
            if needed >= price:
                price, pivotal_score = needed, next_one.score
        placements.append(Placement(index + 1, candidate, price, pivotal_score))
    return placements


def price_to_beat(candidate: Candidate, other: Candidate) -> int:
    """The least whole cents with which `candidate` ranks above `other`."""
    score_of_a_cent = candidate.effect * candidate.weight
    price = -(-other.score // score_of_a_cent)
    is_tie = price * score_of_a_cent == other.score
    loses_ties = (candidate.seniority, candidate.unit_id) > (other.seniority, other.unit_id)
    return price + 1 if is_tie and loses_ties else price


def minimum_to_win(
    candidate: Candidate, candidates: Iterable[Candidate], *, reserve_cents: int, max_results: int
) -> int | None:
    """The least bid with which `candidate` would have been shown among the others; None if no bid is enough."""
    if candidate.effect == 0 or max_results < 1:
        return None
    others = run_auction(
        (other for other in candidates if other.advertiser_id != candidate.advertiser_id),
        reserve_cents=reserve_cents,
        max_results=max_results,
    )
    reserve = reserve_for(candidate, reserve_cents)
    if len(others) < max_results:
        return reserve
    return max(reserve, price_to_beat(candidate, others[-1].candidate))


def _one_per_advertiser(ranked: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in ranked:
        best.setdefault(candidate.advertiser_id, candidate)
    return list(best.values())
