"""Decides which ads fit what a user said, at which price, and writes down how it came about."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from ads import decision_records, matching, near_units, snapshot
from ads.budgets import Claim
from ads.core.auction import SCALE, WEIGHT_SCALE, WEIGHTS, Candidate, Placement, run_auction
from ads.core.books import book_of
from ads.core.days import local_day
from ads.core.ids import new_id
from ads.core.micros import Pricing, charge_micros
from ads.core.no_fill import NoFill, Stage, reason_for
from ads.core.recorded_auctions import RECORDED, Participant, Status
from ads.core.tokens import Environment
from ads.decision_records import Placed, StoredKey
from ads.limits import Limits, limits_of
from ads.matching import Question, Rows
from ads.models import Agent
from ads.snapshot import Entry, Snapshot

WORTH_SHOWING = 2_500
RESERVE_CENTS = 5
LONGEST_WAIT_SECONDS = 3.0
# So many go to the auction: the best of as many advertisers, more than are ever shown and as many as are recorded.
CANDIDATES = RECORDED
# Where most of those may not be shown (no money, seen too often), so many more are asked, once: all that are shown, and
# the one behind them who sets the last price.
MORE_CANDIDATES = 300
ATTEMPTS = 3
# A unit is paid for, or held, when it is decided on; these are paid for later, and asked for money then.
_HELD = {Pricing.CPM, Pricing.SUCCESS}


@dataclass(frozen=True, slots=True)
class Request:
    """What an agent asks for. Floors are from 0 to 10,000; categories are ids; `until` is by time.monotonic."""

    agent: Agent
    environment: Environment
    now: datetime
    context: str
    user_intent: str = ""
    categories: frozenset[str] | None = None
    blocked_categories: frozenset[str] = frozenset()
    blocked_advertisers: frozenset[UUID] = frozenset()
    ad_types: frozenset[str] | None = None
    min_quality: int = 0
    min_relevance: int | None = None
    min_bid_cents: int = 0
    max_results: int = 5
    until: float = field(default_factory=lambda: time.monotonic() + LONGEST_WAIT_SECONDS)
    placement: str = ""
    country: str = ""
    language: str = ""
    platform: str = ""
    user_hash: bytes | None = None
    has_consent: bool = True
    key: StoredKey | None = None

    @property
    def book(self) -> str:
        return book_of(self.environment, self.agent.pk)

    @property
    def reserve_cents(self) -> int:
        return max(RESERVE_CENTS, self.min_bid_cents)

    @property
    def said(self) -> dict[str, str]:
        """What the request tells of its user, for campaigns that are not for everybody."""
        return {name: getattr(self, name) for name in ("country", "language", "platform", "placement")}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided. `reason` is empty for a fill; `stages` says how many candidates passed each stage."""

    id: UUID
    decided_at: datetime
    book: str
    reason: str
    stages: dict[str, int]
    placed: list[Placed]
    model: str
    calibration: str
    reserve_cents: int
    participants: list[Participant]  # the best candidates, with those that had no money or were capped


def decide(request: Request, render: Callable[[Decision], dict[str, Any]]) -> dict[str, Any]:
    """The rendered answer, or the first answer to a request with the same key. At most four statements.

    Everything is stored in one transaction with the money that it holds. Holds that were refused send the auction
    into another round without those units, twice at most.
    """
    began = time.monotonic()
    course = _Course(request)
    course.run()
    refused: set[UUID] = set()
    for attempt in range(ATTEMPTS):
        decision = course.decision(refused, give_up=False)
        try:
            return _store(request, decision, render, began)
        except decision_records.Refused as error:
            refused |= error.unit_ids
            if attempt == ATTEMPTS - 1:
                break
    return _store(request, course.decision(refused, give_up=True), render, began)


def _store(
    request: Request, decision: Decision, render: Callable[[Decision], dict[str, Any]], began: float
) -> dict[str, Any]:
    answer = render(decision)
    try:
        decision_records.store(decision, request, answer, took_ms=int((time.monotonic() - began) * 1000))
    except decision_records.AnsweredBefore as error:
        return error.answer
    return answer


class _Course:
    """One decision's way through the stages: `run` finds the candidates, `decision` holds the auction over them."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.stages: dict[Stage, int] = {}
        self.reason: NoFill | None = None
        self.candidates: list[tuple[Candidate, Entry, Limits]] = []
        self.inventory: Snapshot | None = None
        self.ranked: list[
            tuple[int, int]
        ] = []  # rows of the inventory that fit, best first, with their relevance
        self.is_cut = False  # whether there were more units than were compared
        self.known: list[tuple[Candidate, Entry, Limits]] = []
        self.broke: set[UUID] = set()
        self.question = Question(None, frozenset())
        self.decision_id = new_id(request.now)

    def run(self) -> None:
        request = self.request
        if not request.has_consent:
            self.reason = NoFill.CONSENT_REQUIRED
            return
        inventory = snapshot.current(request.environment)
        self.question = matching.read(request.context, request.user_intent, until=request.until)
        if matching.sensitive_moment(request.context, request.user_intent, self.question):
            self.reason = NoFill.SENSITIVE_CONTEXT
            return
        look = self._look_in_postgres if inventory.is_large else self._look
        look(inventory, widely=False)
        if self.is_cut and len(self.ranked) <= request.max_results:
            look(inventory, widely=True)
        if time.monotonic() > request.until:
            self.reason, self.ranked = NoFill.TIMEOUT, []
            return
        self._ask_limits(self.ranked[:CANDIDATES])
        if len(self.candidates) <= request.max_results:
            self._ask_limits(self.ranked[CANDIDATES : CANDIDATES + MORE_CANDIDATES])

    def _allowed(self, inventory: Snapshot) -> Rows:
        request, size = self.request, inventory.size
        self.stages[Stage.INVENTORY] = size
        targeted = inventory.targeting.reaches(request.now, request.said)
        if request.agent.organisation:
            targeted[inventory.by_organisation.get(request.agent.organisation.lower(), _NO_ROWS)] = False
        if request.categories is not None:
            targeted &= _covered(inventory, request.categories)
        if request.ad_types is not None:
            targeted &= np.array([e.unit.ad_type in request.ad_types for e in inventory.entries], dtype=bool)
        self.stages[Stage.TARGETED] = int(targeted.sum())
        targeted &= ~_covered(inventory, request.blocked_categories)
        for advertiser in request.blocked_advertisers:
            targeted[inventory.by_advertiser.get(advertiser, _NO_ROWS)] = False
        self.stages[Stage.ALLOWED] = int(targeted.sum())
        return np.flatnonzero(targeted).astype(np.int32)

    def _look(self, inventory: Snapshot, *, widely: bool) -> None:
        """The candidates of an inventory in memory."""
        rows = self._allowed(inventory)
        is_cut = bool(len(rows)) and matching.is_too_much(inventory, rows)
        self._compare(inventory, rows, widely=widely)
        self.is_cut = is_cut and self._was_rich(matching.CLOSE_LOOK)

    def _look_in_postgres(self, inventory: Snapshot, *, widely: bool) -> None:
        """The candidates of a large one: what is nearest and can be shown."""
        wish, question = self._wish(widely), self.question
        if question.vectors is None:
            near = near_units.find_by_words(wish, question.words, counts=inventory.word_counts, widely=widely)
        else:
            near = near_units.find(
                wish,
                question.vectors,
                size=inventory.size,
                in_category=inventory.in_category,
                widely=widely,
            )
        self.stages[Stage.INVENTORY] = inventory.size
        self.stages[Stage.TARGETED] = self.stages[Stage.ALLOWED] = len(near.units)
        rows = np.arange(len(near.units), dtype=np.int32)
        self._compare(snapshot.of_near_units(inventory, near.units), rows, widely=widely)
        self.is_cut = not near.is_all and self._was_rich(len(near.units))

    def _was_rich(self, looked_at: int) -> bool:
        """Whether there may be more that is relevant beyond those that were looked at: the nearest come first."""
        return self.stages[Stage.RELEVANT] > looked_at // 2

    def _compare(self, inventory: Snapshot, rows: Rows, *, widely: bool) -> None:
        relevance = _NO_SCORES
        if len(rows):
            rows, relevance = matching.relevances(inventory, self.question, rows, all_of_them=widely)
        rows, relevance = self._fitting(inventory, rows, relevance)
        self._take_candidates(inventory, rows, relevance)

    def _wish(self, widely: bool) -> near_units.Wish:
        request = self.request
        return near_units.Wish(
            environment=request.environment.value,
            now=request.now,
            said=request.said,
            organisation=request.agent.organisation,
            categories=request.categories,
            blocked_categories=request.blocked_categories,
            blocked_advertisers=request.blocked_advertisers,
            ad_types=request.ad_types,
            # At first without: how many fail at which floor is the reason that is told for no ad at all.
            quality=request.min_quality if widely else 0,
            worth=request.reserve_cents * WEIGHT_SCALE if widely else 0,
        )

    def _fitting(self, inventory: Snapshot, rows: Rows, relevance: Any) -> tuple[Rows, Any]:
        request = self.request
        floor = WORTH_SHOWING if request.min_relevance is None else request.min_relevance
        passes: dict[Stage, Callable[[Rows, Any], Any]] = {
            Stage.MATCHED: lambda _, relevance: relevance >= max(1, min(floor, WORTH_SHOWING)),
            Stage.RELEVANT: lambda _, relevance: relevance >= floor,
            Stage.GOOD: lambda rows, _: inventory.quality[rows] >= request.min_quality,
            Stage.BIDDING: lambda rows, _: inventory.worth[rows] >= request.reserve_cents * WEIGHT_SCALE,
        }
        for stage, is_passed in passes.items():
            chosen = is_passed(rows, relevance)
            rows, relevance = rows[chosen], relevance[chosen]
            self.stages[stage] = len(rows)
        return rows, relevance

    def _take_candidates(self, inventory: Snapshot, rows: Rows, relevance: Any) -> None:
        """The best unit of each of the best advertisers, in the auction's own order."""
        scores = relevance * inventory.quality[rows] * inventory.worth[rows]
        ranked = np.argsort(-scores, kind="stable")  # rows come in the order that breaks ties
        _, firsts = np.unique(inventory.advertiser[rows[ranked]], return_index=True)
        best = ranked[np.sort(firsts)][: CANDIDATES + MORE_CANDIDATES]
        self.inventory = inventory
        self.ranked = [(int(rows[i]), int(relevance[i])) for i in best]

    def _ask_limits(self, ranked: list[tuple[int, int]]) -> None:
        """Adds those of the ranked (row, relevance) that are not capped and have money to the candidates."""
        request = self.request
        entries = self.inventory.entries_of([row for row, _ in ranked]) if self.inventory else {}
        found = [(entries[row], relevance) for row, relevance in ranked if row in entries]
        asked = {entry.campaign.pk: self._day(entry) for entry, _ in found}
        limits = limits_of(
            list(asked.items()), book=request.book, user_hash=request.user_hash, now=request.now
        )
        known = [
            (_candidate(entry, relevance), entry, limits[entry.campaign.pk])
            for entry, relevance in found
            if entry.campaign.pk in limits and limits[entry.campaign.pk].is_running
        ]
        uncapped = [each for each in known if not each[2].is_capped]
        funded = [each for each in uncapped if _has_room(each, request.reserve_cents)]
        self.known += known
        self.candidates += funded
        self._count(Stage.UNCAPPED, len(uncapped))
        self._count(Stage.FUNDED, len(funded))

    def _count(self, stage: Stage, more: int) -> None:
        self.stages[stage] = self.stages.get(stage, 0) + more

    def decision(self, refused: set[UUID], *, give_up: bool) -> Decision:
        """Without the units that were refused money; with nothing at all when there is no time for another round."""
        placed = [] if give_up else self._auction(refused)
        stages = {stage.value: self.stages.get(stage, 0) for stage in Stage} | {
            Stage.PLACED.value: len(placed)
        }
        reason = "" if placed else (self.reason or reason_for(self.stages | {Stage.PLACED: 0})).value
        return Decision(
            id=self.decision_id,
            decided_at=self.request.now,
            book=self.request.book,
            reason=reason,
            stages=stages,
            placed=placed,
            model=self.question.model,
            calibration=self.question.calibration.version,
            reserve_cents=self.request.reserve_cents,
            participants=self._participants(refused),
        )

    def _participants(self, refused: set[UUID]) -> list[Participant]:
        """Those that took part first: who was shown is always among those that are kept."""
        funded = {candidate.unit_id for candidate, _, _ in self.candidates}
        unpaid = refused | self.broke

        def status(candidate: Candidate, entry: Entry, limits: Limits) -> Status:
            if limits.is_capped:
                return Status.FREQUENCY_CAP
            has_money = candidate.unit_id in funded and entry.unit.pk not in unpaid
            return Status.TOOK_PART if has_money else Status.BUDGET

        found = [
            Participant(each[1].campaign.pk, candidate=each[0], status=status(*each)) for each in self.known
        ]
        return sorted(found, key=lambda each: each.status is not Status.TOOK_PART)[:RECORDED]

    def _auction(self, refused: set[UUID]) -> list[Placed]:
        self.broke = set()
        field_ = {
            c.unit_id: (c, entry, limits)
            for c, entry, limits in self.candidates
            if entry.unit.pk not in refused
        }
        while True:
            placements = run_auction(
                [candidate for candidate, _, _ in field_.values()],
                reserve_cents=self.request.reserve_cents,
                max_results=self.request.max_results,
            )
            placed = [
                self._placed(placement, field_[placement.candidate.unit_id][1]) for placement in placements
            ]
            # Who could not pay the price that came out leaves, and prices are made anew.
            broke = [
                p.placement.candidate.unit_id
                for p in placed
                if not _affords(field_[p.placement.candidate.unit_id][2], p.claim.amount_micros)
            ]
            if not broke:
                return placed
            for unit_id in broke:
                self.broke.add(field_.pop(unit_id)[1].unit.pk)

    def _placed(self, placement: Placement, entry: Entry) -> Placed:
        pricing = Pricing(entry.campaign.pricing)
        amount = charge_micros(pricing, placement.price_cents)
        return Placed(
            entry=entry,
            placement=placement,
            pricing=pricing,
            claim=Claim(entry.advertiser_id, entry.campaign.pk, self._day(entry), amount),
            is_held=pricing in _HELD,
            transaction_id=new_id(self.request.now) if pricing is Pricing.SUCCESS else None,
        )

    def _day(self, entry: Entry) -> Any:
        return local_day(self.request.now, entry.time_zone)


_NO_ROWS = np.zeros(0, dtype=np.int32)
_NO_SCORES = np.zeros(0, dtype=np.int64)


def _covered(inventory: Snapshot, category_ids: frozenset[str]) -> Any:
    covered = np.zeros(len(inventory.entries), dtype=bool)
    for category_id in category_ids:
        covered[inventory.by_category.get(category_id, _NO_ROWS)] = True
    return covered


def _candidate(entry: Entry, relevance: int) -> Candidate:
    return Candidate(
        unit_id=str(entry.unit.pk),
        advertiser_id=str(entry.advertiser_id),
        seniority=entry.seniority,
        relevance=relevance,
        quality=entry.unit.quality,
        bid_cents=entry.campaign.bid_cents,
        weight=WEIGHTS[Pricing(entry.campaign.pricing)],
    )


def _has_room(candidate: tuple[Candidate, Entry, Limits], reserve_cents: int) -> bool:
    """Whether there is money for one event at the reserve, the least that it can cost."""
    _, entry, limits = candidate
    pricing = Pricing(entry.campaign.pricing)
    least = -(-reserve_cents * WEIGHT_SCALE // WEIGHTS[pricing])
    return _affords(limits, charge_micros(pricing, least))


def _affords(limits: Limits, amount_micros: int) -> bool:
    return limits.room_micros is None or limits.room_micros >= amount_micros


def floor_of(score: float) -> int:
    """A floor of the API, 0 to 1, in ten-thousandths; rounded up, so that nothing below it passes."""
    return int(-(-round(score * SCALE * 1_000) // 1_000))
