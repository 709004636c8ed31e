"""Auctions as they are kept: who took part, so that losses can be explained and other bids tried out later.

Of every decision the best candidates are kept, more than are ever shown. The auction is run again over them, by the
same code that ran it the first time.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from ads.core.auction import Candidate, minimum_to_win, run_auction

RECORDED = 30
_FORMAT_VERSION = b"\1"
# campaign, unit, seniority, relevance, quality, bid, weight, status
_ROW = struct.Struct(">16s16sqHHIBB")


class Status(StrEnum):
    """Whether a candidate took part in the auction, or what kept it out."""

    TOOK_PART = ""
    BUDGET = "budget"
    FREQUENCY_CAP = "frequency_cap"


_STATUSES = tuple(Status)


class Loss(StrEnum):
    OUTBID = "outbid"
    BUDGET = "budget"
    FREQUENCY_CAP = "frequency_cap"


@dataclass(frozen=True, slots=True)
class Participant:
    """A candidate and its campaign. There is one an advertiser, so the campaign stands for the advertiser too."""

    campaign_id: UUID
    candidate: Candidate
    status: Status = Status.TOOK_PART


@dataclass(frozen=True, slots=True)
class RecordedAuction:
    reserve_cents: int
    max_results: int
    participants: Sequence[Participant]

    def candidates(self) -> list[Candidate]:
        return [each.candidate for each in self.participants if each.status is Status.TOOK_PART]

    def of(self, campaign_id: UUID) -> Participant | None:
        return next((each for each in self.participants if each.campaign_id == campaign_id), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a campaign in one auction: a position and a price, or why it lost.

    `minimum_to_win_cents`: the least bid that would have been shown; None where no bid would have helped.
    """

    position: int | None
    price_cents: int | None
    loss: Loss | None
    minimum_to_win_cents: int | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """Of `auctions` in which the campaign was a candidate, how many it would have won, and at which prices."""

    auctions: int
    wins: int
    price_cents: int  # of all wins together
    positions: int  # likewise


def pack(participants: Iterable[Participant]) -> bytes:
    rows = (
        _ROW.pack(
            each.campaign_id.bytes,
            UUID(each.candidate.unit_id).bytes,
            each.candidate.seniority,
            each.candidate.relevance,
            each.candidate.quality,
            each.candidate.bid_cents,
            each.candidate.weight,
            _STATUSES.index(each.status),
        )
        for each in participants
    )
    return _FORMAT_VERSION + b"".join(rows)


def unpack(data: bytes) -> list[Participant]:
    """Raises ValueError for what `pack` has not written."""
    if data[:1] != _FORMAT_VERSION or (len(data) - 1) % _ROW.size:
        raise ValueError("not a recorded auction")
    return [
        Participant(
            campaign_id=UUID(bytes=campaign),
            candidate=Candidate(
                unit_id=str(UUID(bytes=unit)),
                advertiser_id=campaign.hex(),
                seniority=seniority,
                relevance=relevance,
                quality=quality,
                bid_cents=bid_cents,
                weight=weight,
            ),
            status=_STATUSES[status],
        )
        for campaign, unit, seniority, relevance, quality, bid_cents, weight, status in _ROW.iter_unpack(
            data[1:]
        )
    ]


def outcome_of(auction: RecordedAuction, campaign_id: UUID) -> Outcome | None:
    """None for a campaign that was no candidate."""
    own = auction.of(campaign_id)
    if own is None:
        return None
    if own.status is not Status.TOOK_PART:
        return Outcome(None, None, Loss(own.status.value), None)
    if won := _placement(auction, own.candidate):
        return Outcome(*won, None, None)
    least = minimum_to_win(
        own.candidate,
        auction.candidates(),
        reserve_cents=auction.reserve_cents,
        max_results=auction.max_results,
    )
    return Outcome(None, None, Loss.OUTBID, least)


def simulate(auctions: Iterable[RecordedAuction], campaign_id: UUID, *, bid_cents: int) -> Simulation:
    """What the campaign would have won with this bid, had everybody else done the same.

    Money and caps are as they were: where one of them kept the campaign out no bid lets it in.
    """
    count = wins = price_cents = positions = 0
    for auction in auctions:
        own = auction.of(campaign_id)
        if own is None:
            continue
        count += 1
        if own.status is Status.TOOK_PART and (
            won := _placement(auction, replace(own.candidate, bid_cents=bid_cents))
        ):
            wins, positions, price_cents = wins + 1, positions + won[0], price_cents + won[1]
    return Simulation(count, wins, price_cents, positions)


def _placement(auction: RecordedAuction, own: Candidate) -> tuple[int, int] | None:
    """Position and price of `own`, which takes the place of the candidate with its unit."""
    others = [each for each in auction.candidates() if each.unit_id != own.unit_id]
    placements = run_auction(
        [*others, own], reserve_cents=auction.reserve_cents, max_results=auction.max_results
    )
    return next(
        ((each.position, each.price_cents) for each in placements if each.candidate.unit_id == own.unit_id),
        None,
    )
