"""Recorded auctions: kept whole, and told again the same way."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.core.auction import Candidate, run_auction
from ads.core.recorded_auctions import (
    Loss,
    Outcome,
    Participant,
    RecordedAuction,
    Simulation,
    Status,
    outcome_of,
    pack,
    simulate,
    unpack,
)


def campaign(number: int) -> UUID:
    return UUID(int=number)


def participant(number: int, bid_cents: int, status=Status.TOOK_PART, **others) -> Participant:
    facts = {"relevance": 10_000, "quality": 10_000, "seniority": number, **others}
    candidate = Candidate(str(UUID(int=1000 + number)), campaign(number).hex, bid_cents=bid_cents, **facts)
    return Participant(campaign(number), candidate, status)


def auction(*participants: Participant, reserve_cents=5, max_results=1) -> RecordedAuction:
    return RecordedAuction(reserve_cents, max_results, participants)


FIELD = auction(participant(1, 50), participant(2, 40), participant(3, 90, Status.BUDGET))


@pytest.mark.parametrize(
    "number, expected",
    [
        (1, Outcome(1, 40, None, None)),  # pays the runner-up, who is younger
        (2, Outcome(None, None, Loss.OUTBID, 51)),  # a tie with the older one would be lost
        (3, Outcome(None, None, Loss.BUDGET, None)),  # no bid helps without money
        (4, None),
    ],
)
def test_what_became_of_a_campaign(number, expected):
    assert outcome_of(FIELD, campaign(number)) == expected


def test_a_capped_campaign_and_one_that_nothing_stands_against():
    capped = auction(participant(1, 50, Status.FREQUENCY_CAP))
    assert outcome_of(capped, campaign(1)) == Outcome(None, None, Loss.FREQUENCY_CAP, None)
    below = auction(participant(1, 4), max_results=3)
    assert outcome_of(below, campaign(1)) == Outcome(None, None, Loss.OUTBID, 5)  # the reserve


@pytest.mark.parametrize(
    "number, bid_cents, expected",
    [
        (2, 40, Simulation(1, 0, 0, 0)),
        (2, 51, Simulation(1, 1, 51, 1)),
        (2, 500, Simulation(1, 1, 51, 1)),  # the price does not follow the bid
        (1, 39, Simulation(1, 0, 0, 0)),
        (3, 500, Simulation(1, 0, 0, 0)),
        (4, 500, Simulation(0, 0, 0, 0)),
    ],
)
def test_what_another_bid_would_have_done(number, bid_cents, expected):
    assert simulate([FIELD], campaign(number), bid_cents=bid_cents) == expected


participants_ = st.lists(
    st.tuples(
        st.integers(1, 10_000),
        st.integers(1, 10_000),
        st.integers(1, 200),
        st.sampled_from([1, 10]),
        st.sampled_from(Status),
    ),
    min_size=1,
    max_size=8,
).map(
    lambda rows: [
        participant(number, bid, status, relevance=relevance, quality=quality, weight=weight)
        for number, (relevance, quality, bid, weight, status) in enumerate(rows)
    ]
)
shapes = st.tuples(st.integers(1, 50), st.integers(1, 4))


@given(participants_, shapes)
def test_it_is_kept_whole_and_told_as_it_was(participants, shape):
    assert unpack(pack(participants)) == participants
    its = auction(*unpack(pack(participants)), reserve_cents=shape[0], max_results=shape[1])
    placements = run_auction(its.candidates(), reserve_cents=shape[0], max_results=shape[1])
    shown = {each.candidate.unit_id: (each.position, each.price_cents) for each in placements}
    for each in participants:
        outcome = outcome_of(its, each.campaign_id)
        assert (outcome.position, outcome.price_cents) == shown.get(each.candidate.unit_id, (None, None))


@given(participants_, shapes, st.integers(1, 300))
def test_the_least_bid_wins_and_one_cent_less_does_not(participants, shape, bid_cents):
    its = auction(*participants, reserve_cents=shape[0], max_results=shape[1])
    for each in participants:
        least = outcome_of(its, each.campaign_id).minimum_to_win_cents
        if least is not None:
            assert simulate([its], each.campaign_id, bid_cents=least).wins == 1
            assert simulate([its], each.campaign_id, bid_cents=least - 1).wins == 0
        dearer = simulate([its], each.campaign_id, bid_cents=bid_cents + 1)
        assert dearer.wins >= simulate([its], each.campaign_id, bid_cents=bid_cents).wins
        assert dearer.price_cents <= (bid_cents + 1) * dearer.wins


@pytest.mark.parametrize("data", [b"", b"\2", pack([participant(1, 5)])[:-1]])
def test_what_is_no_recorded_auction(data):
    with pytest.raises(ValueError, match="recorded"):
        unpack(data)


def test_others_are_left_as_they_were():
    changed = replace(FIELD, max_results=2)
    assert outcome_of(changed, campaign(2)) == Outcome(2, 5, None, None)
