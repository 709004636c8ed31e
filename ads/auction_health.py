"""Whether auctions keep what they promise: the newest recorded ones are run again, with one bid changed."""

from dataclasses import replace
from datetime import datetime, timedelta

from ads.core.auction import Candidate, Placement, run_auction
from ads.core.ids import month_of, new_id
from ads.core.recorded_auctions import RecordedAuction, unpack
from ads.ledger_health import SHOWN, Finding
from ads.models import Decision

LOOKED_AT = 100
DAYS = timedelta(days=30)
# Each of the best is tried with a cent more, and with twice as much.
TRIED = 6


def look(*, now: datetime) -> list[Finding]:
    """I13 and I14, on a sample. Invariants of the code: a finding means that its version changed under the records."""
    raised, removed = [], []
    for name, auction in _newest(now):
        raised += [f"{name}: {problem}" for problem in raised_bid_problems(auction)]
        removed += [f"{name}: {problem}" for problem in removed_loser_problems(auction)]
    titles = {
        "I13": f"a higher bid never loses a place, nor changes a kept place's price: newest {LOOKED_AT} auctions",
        "I14": f"without a loser no winner pays more: newest {LOOKED_AT} auctions",
    }
    found = {"I13": raised, "I14": removed}
    return [Finding(code, titles[code], not found[code], found[code][:SHOWN]) for code in titles]


def raised_bid_problems(auction: RecordedAuction) -> list[str]:
    candidates = auction.candidates()
    before = _placements(auction, candidates)
    problems = []
    for candidate in candidates[:TRIED]:
        for bid in (candidate.bid_cents + 1, candidate.bid_cents * 2):
            higher = [replace(each, bid_cents=bid) if each is candidate else each for each in candidates]
            was, became = before.get(candidate.unit_id), _placements(auction, higher).get(candidate.unit_id)
            if was and (became is None or became.position > was.position):
                problems.append(f"unit {candidate.unit_id} falls with {bid} cents")
            elif was and became and became.position == was.position and became.price_cents != was.price_cents:
                problems.append(f"unit {candidate.unit_id} pays something else with {bid} cents")
    return problems


def removed_loser_problems(auction: RecordedAuction) -> list[str]:
    candidates = auction.candidates()
    before = _placements(auction, candidates)
    losers = [each for each in candidates if each.unit_id not in before][:TRIED]
    problems = []
    for loser in losers:
        after = _placements(auction, [each for each in candidates if each is not loser])
        problems += [
            f"unit {unit_id} pays more without {loser.unit_id}"
            for unit_id, placement in before.items()
            if unit_id in after and after[unit_id].price_cents > placement.price_cents
        ]
    return problems


def _placements(auction: RecordedAuction, candidates: list[Candidate]) -> dict[str, Placement]:
    placed = run_auction(candidates, reserve_cents=auction.reserve_cents, max_results=auction.max_results)
    return {each.candidate.unit_id: each for each in placed}


def _newest(now: datetime) -> list[tuple[str, RecordedAuction]]:
    rows = (
        Decision.objects.filter(
            month__gte=month_of(new_id(now - DAYS)), candidates__isnull=False, units_count__gt=0
        )
        .order_by("-month", "-id")
        .values_list("id", "reserve_cents", "max_results", "candidates")[:LOOKED_AT]
    )
    return [
        (f"dec_{identifier.hex}", RecordedAuction(reserve, most, unpack(bytes(data))))
        for identifier, reserve, most, data in rows
        if most is not None
    ]
