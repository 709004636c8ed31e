"""Ads that wait for a reviewer: each with what is new in it, whether its addresses may be led to, and policy hits."""

import hashlib
import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from uuid import UUID

from ads import policy, units
from ads.core.landing_urls import problem_with
from ads.core.policy_phrases import Hit, host_of
from ads.models import AdUnit, UnitReview

PAGE = 20
LAST_DECIDED = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: as it was (`kind` same), taken away (removed), or new (added)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A field that says something else than when it was approved."""

    field: str
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Address:
    """`problem` ends the sentence "it ..."; None: it may be led to."""

    field: str
    url: str
    host: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """`digest` names the words that the reviewer sees: what was changed since is not decided on."""

    unit: AdUnit
    digest: str
    changes: list[Change] | None
    addresses: list[Address]
    hits: list[Hit]

    @property
    def is_forbidden(self) -> bool:
        return any(hit.is_forbidden for hit in self.hits) or any(each.problem for each in self.addresses)


def waiting(*, first: UUID | None = None) -> tuple[list[Waiting], bool]:
    """A page of the queue, the oldest first (`first` before all), and whether there are more."""
    found = AdUnit.objects.filter(review=AdUnit.Review.PENDING).select_related("campaign__advertiser")
    rows = list(found.order_by("changed_at")[: PAGE + 1])
    has_more, rows = len(rows) > PAGE, rows[:PAGE]
    if first is not None:
        chosen = next((row for row in rows if row.pk == first), None) or found.filter(pk=first).first()
        if chosen is not None:
            rows = [chosen, *(row for row in rows if row.pk != first)]
    phrases, blocked = policy.phrases(), policy.blocked_categories()
    return [looked_at(unit, policy.hits_of(unit, phrases, blocked)) for unit in rows], has_more


def looked_at(unit: AdUnit, hits: list[Hit]) -> Waiting:
    addresses = [
        Address(name, url, host_of(url), problem_with(url))
        for name in policy.ADDRESSES
        if (url := getattr(unit, name))
    ]
    return Waiting(unit, digest_of(unit), changes_of(unit), addresses, hits)


def decided_last_by(reviewer_id: int) -> list[UnitReview]:
    """What somebody has decided last and may want to take back."""
    rows = UnitReview.objects.filter(reviewer_id=reviewer_id).select_related("unit").order_by("-id")
    return list(rows[:LAST_DECIDED])


def digest_of(unit: AdUnit) -> str:
    text = json.dumps(units.content_of(unit), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def changes_of(unit: AdUnit) -> list[Change] | None:
    """What differs from the last approved version; None for an ad that was never approved."""
    if unit.approved_content is None:
        return None
    content = units.content_of(unit)
    return [
        Change(name, difference(before, content[name]))
        for name in units.REVIEWED
        if (before := str(unit.approved_content.get(name, ""))) != content[name]
    ]


def difference(before: str, after: str) -> list[Piece]:
    """Word by word, with the blanks between them."""
    old, new = _words(before), _words(after)
    pieces = []
    for kind, from_old, to_old, from_new, to_new in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(old[from_old:to_old])))
            continue
        if removed := "".join(old[from_old:to_old]):
            pieces.append(Piece("removed", removed))
        if added := "".join(new[from_new:to_new]):
            pieces.append(Piece("added", added))
    return pieces


def _words(text: str) -> list[str]:
    words, word = [], ""
    for character in text:
        if character.isalnum():
            word += character
            continue
        words += [word, character] if word else [character]
        word = ""
    return [*words, word] if word else words
