"""The inventory in memory, as arrays, so that a decision scores all of it in a moment.

One snapshot an environment and process. The inventory's version in the database says when it is outdated: it is looked
at once in a while by whoever decides. A small inventory is read again at once; a large one in the background, while the
old snapshot serves on. Money and caps are never taken from here.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import close_old_connections, connection
from numpy.typing import NDArray

from ads import categories, unit_words
from ads.core.auction import SCALE, WEIGHT_SCALE, WEIGHTS
from ads.core.micros import Pricing
from ads.core.tokens import Environment
from ads.models import AdUnit, Campaign, Inventory
from ads.near_units import CampaignFacts, NearUnit, UnitFacts, facts_of
from ads.outlines import Outline, outline_of
from ads.targeting import Targeting, microseconds, rows_by, targeting_of
from ads.vectors import BYTES_A_TEXT, unpack, vectors_of
from ads.wordings import Wording
from penguin_site.embeddings import DIMENSIONS, Vectors

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
# A snapshot that takes longer than this to make is made in the background.
INLINE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit with what the decision needs of it, its campaign and its advertiser."""

    unit: AdUnit | UnitFacts
    campaign: Campaign | CampaignFacts
    advertiser_id: UUID
    organisation: str
    time_zone: str
    seniority: int
    covered_by: frozenset[str]  # its categories and all above them


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`entries[i]` has row i in every array; `owner[k]` says whose text row k of `texts` is.

    Rows are ordered as the auction breaks ties: older campaigns first, then by unit id. Of an inventory that is too
    large to be held there is only how large it is, each category, and the texts with a word: `near_units.py` searches.
    """

    version: int
    entries: list[Entry]
    texts: Vectors
    owner: NDArray[np.int32]
    negative_texts: Vectors
    negative_owner: NDArray[np.int32]
    outline: Outline | None  # of `texts`, where they are many
    has_vectors: bool
    quality: NDArray[np.int64]
    worth: NDArray[np.int64]  # bid * weight
    by_category: dict[str, NDArray[np.int32]] = field(repr=False)
    by_advertiser: dict[UUID, NDArray[np.int32]] = field(repr=False)
    by_organisation: dict[str, NDArray[np.int32]] = field(repr=False)
    targeting: Targeting = field(repr=False)
    advertiser: NDArray[np.int32]  # a number for each advertiser
    size: int
    is_large: bool = False
    in_category: dict[str, int] = field(default_factory=dict, repr=False)
    word_counts: dict[str, int] = field(default_factory=dict, repr=False)
    unit_ids: list[UUID] | None = None  # where entries are read only for those that get far
    wordings: list[Wording] = field(default_factory=list, repr=False)  # there, if words were looked for

    def wording_of(self, row: int) -> AdUnit | Wording:
        if self.unit_ids is not None:
            return self.wordings[row]
        unit = self.entries[row].unit
        assert isinstance(unit, AdUnit)
        return unit

    def entries_of(self, rows: Sequence[int]) -> dict[int, Entry]:
        """By row; without units that have just been deleted."""
        if self.unit_ids is None:
            return {row: self.entries[row] for row in rows}
        wanted = {self.unit_ids[row]: row for row in rows}
        return {wanted[facts.pk]: _entry_of(facts) for facts in facts_of(list(wanted))}


class _Holder:
    """The process's snapshot of one environment, and who is making the next one."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.lock = threading.Lock()
        self.snapshot: Snapshot | None = None
        self.looked_at = 0.0
        self.build_seconds = 0.0
        self.is_building = False


_holders = {environment: _Holder(environment) for environment in Environment}


def current(environment: Environment) -> Snapshot:
    """The snapshot to decide with: at most LOOK_EVERY_SECONDS behind, plus the making of a large one."""
    holder = _holders[environment]
    now = time.monotonic()
    snapshot = holder.snapshot
    if snapshot is not None and now - holder.looked_at < LOOK_EVERY_SECONDS:
        return snapshot
    version = _version()
    holder.looked_at = now
    if snapshot is not None and snapshot.version == version and snapshot.has_vectors:
        return snapshot
    if snapshot is None or holder.build_seconds <= INLINE_SECONDS:
        with holder.lock:
            if holder.snapshot is snapshot:
                _renew(holder)
        assert holder.snapshot is not None
        return holder.snapshot
    _renew_in_background(holder)
    return snapshot


def forget() -> None:
    """Makes the next decision read everything anew."""
    for holder in _holders.values():
        holder.snapshot, holder.looked_at, holder.build_seconds = None, 0.0, 0.0


def _version() -> int:
    return Inventory.objects.values_list("version", flat=True).first() or 0


def _renew(holder: _Holder) -> None:
    began = time.monotonic()
    holder.snapshot = build(holder.environment)
    holder.build_seconds = time.monotonic() - began


def _renew_in_background(holder: _Holder) -> None:
    def work() -> None:
        try:
            _renew(holder)
        except Exception:
            logger.exception("The inventory could not be read; the old one serves on.")
        finally:
            holder.is_building = False
            close_old_connections()

    with holder.lock:
        if holder.is_building:
            return
        holder.is_building = True
    threading.Thread(target=work, name="ads-snapshot", daemon=True).start()


def build(environment: Environment) -> Snapshot:
    """Reads all that can be shown. The version is read first: what changes meanwhile is read again next time."""
    version = _version()
    shown = AdUnit.objects.filter(
        review=AdUnit.Review.APPROVED,
        is_paused=False,
        campaign__status=Campaign.Status.RUNNING,
        campaign__advertiser__is_active=True,
        campaign__advertiser__environment=environment.value,
    )
    size = shown.count()
    if size > settings.PENGUIN_ADS_IN_MEMORY:
        return _large(version, size)
    units = list(shown.select_related("campaign__advertiser").order_by("campaign__created_at", "pk"))
    vectors = vectors_of(units)
    entries = [_entry(unit) for unit in units]
    positive = [vectors[unit.pk].positive if unit.pk in vectors else _NONE for unit in units]
    negative = [vectors[unit.pk].negative if unit.pk in vectors else _NONE for unit in units]
    return Snapshot(
        version=version,
        entries=entries,
        texts=(texts := _stacked(positive)),
        owner=_owners(positive),
        negative_texts=_stacked(negative),
        negative_owner=_owners(negative),
        outline=outline_of(texts) if len(vectors) == len(units) else None,
        has_vectors=len(vectors) == len(units),
        quality=np.array([unit.quality for unit in units], dtype=np.int64),
        worth=np.array([_worth(unit.campaign) for unit in units], dtype=np.int64),
        by_category=rows_by((name, i) for i, entry in enumerate(entries) for name in entry.covered_by),
        by_advertiser=rows_by((entry.advertiser_id, i) for i, entry in enumerate(entries)),
        by_organisation=rows_by(
            (entry.organisation, i) for i, entry in enumerate(entries) if entry.organisation
        ),
        targeting=targeting_of([entry.campaign for entry in entries]),
        advertiser=_numbers(entry.advertiser_id for entry in entries),
        size=size,
    )


def of_near_units(inventory: Snapshot, near: Sequence[NearUnit]) -> Snapshot:
    """The arrays of a few units that can all be shown, to be compared as those of a small inventory are."""
    near = sorted(near, key=lambda each: (each.seniority, each.unit_id.hex))
    positive = [each.positive for each in near]
    negative = [each.negative for each in near]
    return replace(
        inventory,
        entries=[],
        texts=unpack(b"".join(positive)),
        owner=_owners_by(len(data) // BYTES_A_TEXT for data in positive),
        negative_texts=unpack(b"".join(negative)),
        negative_owner=_owners_by(len(data) // BYTES_A_TEXT for data in negative),
        outline=None,
        has_vectors=True,
        quality=np.array([each.quality for each in near], dtype=np.int64),
        worth=np.array([each.worth for each in near], dtype=np.int64),
        advertiser=_numbers(each.advertiser_id for each in near),
        size=len(near),
        unit_ids=[each.unit_id for each in near],
        wordings=[each.wording for each in near if each.wording is not None],
    )


def _large(version: int, size: int) -> Snapshot:
    with connection.cursor() as cursor:
        cursor.execute("SELECT category, count(*) FROM ad_unit, unnest(categories) AS category GROUP BY 1")
        in_category = dict(cursor.fetchall())
    nothing = np.zeros(0, dtype=np.int64)
    return Snapshot(
        version=version,
        entries=[],
        texts=_NONE,
        owner=_owners([]),
        negative_texts=_NONE,
        negative_owner=_owners([]),
        outline=None,
        has_vectors=True,
        quality=nothing,
        worth=nothing,
        by_category={},
        by_advertiser={},
        by_organisation={},
        targeting=targeting_of([]),
        advertiser=_numbers([]),
        size=size,
        is_large=True,
        in_category=in_category,
        word_counts=unit_words.counts(),
    )


_NONE: Vectors = np.zeros((0, DIMENSIONS), dtype=np.float32)


def _entry(unit: AdUnit) -> Entry:
    advertiser = unit.campaign.advertiser
    return Entry(
        unit=unit,
        campaign=unit.campaign,
        advertiser_id=advertiser.pk,
        organisation=advertiser.organisation.lower(),
        time_zone=advertiser.time_zone,
        seniority=microseconds(unit.campaign.created_at),
        covered_by=categories.tree().closure(unit.categories),
    )


def _entry_of(facts: UnitFacts) -> Entry:
    """Of a unit that has passed all conditions: what they look at is not read again."""
    return Entry(
        unit=facts,
        campaign=facts.campaign,
        advertiser_id=facts.campaign.advertiser.pk,
        organisation="",
        time_zone=facts.time_zone,
        seniority=microseconds(facts.begun_at),
        covered_by=frozenset(),
    )


def _worth(campaign: Campaign) -> int:
    return int(campaign.bid_cents) * WEIGHTS[Pricing(campaign.pricing)]


def _stacked(rows: list[Vectors]) -> Vectors:
    return np.concatenate(rows) if rows else _NONE


def _owners(rows: Sequence[Vectors]) -> NDArray[np.int32]:
    return _owners_by(len(vectors) for vectors in rows)


def _owners_by(counts: Iterable[int]) -> NDArray[np.int32]:
    counted = np.fromiter(counts, dtype=np.int32)
    return np.repeat(np.arange(len(counted), dtype=np.int32), counted)


def _numbers(keys: Iterable[UUID]) -> NDArray[np.int32]:
    """The same number for the same key."""
    numbers: dict[UUID, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int32)


assert SCALE * SCALE * 1_000_000 * WEIGHT_SCALE < 2**63  # a score fits the arrays
