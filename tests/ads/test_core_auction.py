"""The auction: a table of cases, and what must hold for every set of bids."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ads.core.auction import SCALE, WEIGHTS, Candidate, minimum_to_win, reserve_for, run_auction
from ads.core.micros import Pricing
from ads.core.shown_scores import shown_score


def unit(name: str, bid_cents: int, relevance=10_000, quality=10_000, **others) -> Candidate:
    facts = {"advertiser_id": f"of {name}", "seniority": 1, **others}
    return Candidate(name, relevance=relevance, quality=quality, bid_cents=bid_cents, **facts)


def outcome(candidates, reserve_cents=5, max_results=5) -> list[tuple[str, int]]:
    placements = run_auction(candidates, reserve_cents=reserve_cents, max_results=max_results)
    return [(placement.candidate.unit_id, placement.price_cents) for placement in placements]


@pytest.mark.parametrize(
    "candidates, reserve, expected",
    [
        pytest.param([], 5, [], id="nobody"),
        pytest.param([unit("a", 50)], 5, [("a", 5)], id="alone pays the reserve"),
        pytest.param([unit("a", 5)], 5, [("a", 5)], id="alone, exactly at the reserve"),
        pytest.param([unit("a", 4)], 5, [], id="under the reserve"),
        pytest.param([unit("a", 50, relevance=0)], 5, [], id="irrelevant"),
        pytest.param([unit("a", 50, quality=0)], 5, [], id="without quality"),
        pytest.param(
            [unit("a", 50, 9_200, 8_500), unit("b", 45, 7_500, 8_000)],
            5,
            [("a", 35), ("b", 5)],
            id="published example",
        ),
        pytest.param([unit("a", 50), unit("b", 30)], 40, [("a", 40)], id="runner-up under the reserve"),
        pytest.param(
            [unit("a", 50, seniority=2), unit("b", 50, seniority=1)],
            5,
            [("b", 50), ("a", 5)],
            id="older campaign first",
        ),
        pytest.param(
            [unit("b", 50), unit("a", 50)], 5, [("a", 50), ("b", 5)], id="same age: the smaller unit id first"
        ),
        pytest.param(
            [unit("a", 50, seniority=2), unit("b", 49, seniority=1)],
            5,
            [("a", 50), ("b", 5)],
            id="a cent more where the tie would be lost",
        ),
        pytest.param(
            [unit("a", 50, seniority=1), unit("b", 49, seniority=2)],
            5,
            [("a", 49), ("b", 5)],
            id="the same bid where the tie would be won",
        ),
        pytest.param(
            [unit("a", 90, advertiser_id="x"), unit("b", 80, advertiser_id="x"), unit("c", 30)],
            5,
            [("a", 30), ("c", 5)],
            id="one unit an advertiser, and no price against oneself",
        ),
        pytest.param(
            [unit("a", 50), unit("m", 400, weight=WEIGHTS[Pricing.CPM])],
            5,
            [("a", 40), ("m", 50)],
            id="a bid of 400 a thousand counts as 40 a click, and its reserve is ten times as high",
        ),
        pytest.param(
            [unit("m", 405, weight=WEIGHTS[Pricing.CPM]), unit("a", 40)],
            5,
            [("m", 401), ("a", 5)],
            id="a tie that would be lost costs a whole cent in the bid's own unit",
        ),
    ],
)
def test_places_and_prices(candidates, reserve, expected):
    assert outcome(candidates, reserve) == expected


def test_the_next_candidate_sets_the_price_also_beyond_the_last_place():
    assert outcome([unit("a", 50), unit("b", 30), unit("c", 20)], max_results=1) == [("a", 30)]


def test_the_published_example_is_shown_as_published():
    score = shown_score(unit("a", 50, 9_200, 8_500))
    assert (score.relevance, score.quality, score.bid, score.final) == (0.92, 0.85, 0.5, 0.39)


@pytest.mark.parametrize(
    "relevance, bid_cents, weight, bid, final",
    [
        (10_000, 400, 1, 0.4, 0.4),  # a thousand impressions, as a click
        (5_000, 25, 10, 0.25, 0.12),  # 0.125: half to even
        (5_000, 27, 10, 0.27, 0.14),  # 0.135: half to even
    ],
)
def test_shown_numbers(relevance, bid_cents, weight, bid, final):
    score = shown_score(unit("a", bid_cents, relevance, weight=weight))
    assert (score.bid, score.final) == (bid, final)


@pytest.mark.parametrize(
    "others, max_results, expected",
    [
        ([], 1, 5),  # a free place costs the reserve
        ([unit("a", 50)], 2, 5),
        ([unit("a", 50)], 1, 51),  # a's id is smaller: it wins the tie
        ([unit("a", 50), unit("b", 30)], 2, 31),
        ([unit("own", 90, advertiser_id="of z"), unit("a", 50)], 1, 51),  # own units are no competition
    ],
)
def test_what_it_takes_to_be_shown(others, max_results, expected):
    loser = unit("z", 10)
    needed = minimum_to_win(loser, others, reserve_cents=5, max_results=max_results)
    assert needed == expected

    def is_shown(bid_cents):
        alone = [other for other in others if other.advertiser_id != loser.advertiser_id]
        return "z" in dict(outcome([*alone, replace(loser, bid_cents=bid_cents)], max_results=max_results))

    assert is_shown(needed)
    assert not is_shown(needed - 1)


def test_no_bid_is_enough_for_what_does_not_fit():
    assert minimum_to_win(unit("z", 10, relevance=0), [], reserve_cents=5, max_results=1) is None


# --- every set of bids

small_candidates = st.builds(
    Candidate,
    unit_id=st.uuids(version=4).map(str),
    advertiser_id=st.sampled_from(["A", "B", "C", "D", "E", "F"]),
    seniority=st.integers(0, 3),
    # Few values, so that ties are common; with some that differ by one.
    relevance=st.sampled_from([0, 1, 2_500, 5_000, 9_999, SCALE]),
    quality=st.sampled_from([0, 500, 5_000, SCALE]),
    bid_cents=st.integers(0, 60),
    weight=st.sampled_from(sorted(set(WEIGHTS.values()))),
)
fields = st.lists(small_candidates, max_size=8, unique_by=lambda candidate: candidate.unit_id)
reserves = st.integers(0, 12)
places = st.integers(1, 8)


@given(fields, reserves, places)
def test_reserve_price_bid_and_order(candidates, reserve, max_results):
    placements = run_auction(candidates, reserve_cents=reserve, max_results=max_results)
    ranks = [placement.candidate.rank for placement in placements]
    advertisers = [placement.candidate.advertiser_id for placement in placements]
    assert ranks == sorted(ranks)
    assert len(set(advertisers)) == len(advertisers)
    for placement in placements:
        own_reserve = reserve_for(placement.candidate, reserve)
        assert own_reserve <= placement.price_cents <= placement.candidate.bid_cents
        assert Fraction(own_reserve * placement.candidate.weight, 10) >= reserve


@given(fields, reserves, places)
def test_a_price_is_the_least_bid_that_keeps_the_place(candidates, reserve, max_results):
    for placement in run_auction(candidates, reserve_cents=reserve, max_results=max_results):
        me = placement.candidate
        # The advertiser's other units out of the way: they would take over the place at a lower bid.
        alone = [c for c in candidates if c.advertiser_id != me.advertiser_id]

        def position_at(bid_cents, me=me, alone=alone):
            again = run_auction(
                [*alone, replace(me, bid_cents=bid_cents)], reserve_cents=reserve, max_results=len(candidates)
            )
            return next((p.position for p in again if p.candidate.unit_id == me.unit_id), None)

        assert position_at(placement.price_cents) == placement.position
        if placement.price_cents > 0:
            assert position_at(placement.price_cents - 1) != placement.position


@given(fields, reserves, places, st.data())
def test_a_higher_bid_never_lowers_the_place_nor_changes_the_price_at_the_same_place(
    candidates, reserve, max_results, data
):
    before = run_auction(candidates, reserve_cents=reserve, max_results=max_results)
    assume(before)
    placement = data.draw(st.sampled_from(before))
    me = placement.candidate
    raised = replace(me, bid_cents=me.bid_cents + data.draw(st.integers(1, 30)))
    field = [raised if c.unit_id == me.unit_id else c for c in candidates]
    after = next(
        p
        for p in run_auction(field, reserve_cents=reserve, max_results=max_results)
        if p.candidate.unit_id == me.unit_id
    )
    assert after.position <= placement.position
    if after.position == placement.position:
        assert after.price_cents == placement.price_cents


@given(fields, reserves, places, st.data())
def test_removing_a_loser_never_raises_a_winners_price(candidates, reserve, max_results, data):
    before = run_auction(candidates, reserve_cents=reserve, max_results=max_results)
    winners = {placement.candidate.unit_id for placement in before}
    losers = [c for c in candidates if c.unit_id not in winners]
    assume(losers)
    gone = data.draw(st.sampled_from(losers))
    after = run_auction(
        [c for c in candidates if c is not gone], reserve_cents=reserve, max_results=max_results
    )
    prices = {placement.candidate.unit_id: placement.price_cents for placement in after}
    for placement in before:
        assert prices[placement.candidate.unit_id] <= placement.price_cents


@given(fields, reserves, places, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_says_nothing(candidates, reserve, max_results, random):
    shuffled = random.sample(candidates, len(candidates))
    assert outcome(candidates, reserve, max_results) == outcome(shuffled, reserve, max_results)


@given(fields, reserves, places, small_candidates)
def test_the_least_winning_bid_wins_and_one_cent_less_does_not(candidates, reserve, max_results, me):
    others = [c for c in candidates if c.advertiser_id != me.advertiser_id and c.unit_id != me.unit_id]
    needed = minimum_to_win(me, others, reserve_cents=reserve, max_results=max_results)
    if needed is None:
        assert me.effect == 0
        return
    assert me.unit_id in dict(outcome([*others, replace(me, bid_cents=needed)], reserve, max_results))
    if needed > 0:
        assert me.unit_id not in dict(
            outcome([*others, replace(me, bid_cents=needed - 1)], reserve, max_results)
        )
