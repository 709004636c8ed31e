"""The marketplace's policy: what ads must not say, and what is not advertised at all. Staff changes it in the admin."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from ads import categories
from ads.core.policy_phrases import Hit, Phrase, address_hits, phrase_hits, plain, writing_hits
from ads.models import AdUnit, BlockedCategory, PolicyPhrase
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField, NotFound

TEXTS = ("title", "body", "cta", "service_description")
ADDRESSES = ("landing_url", "service_endpoint")


class AgainstPolicy(Conflict):
    """The policy does not allow this ad."""

    code = "against_policy"


class DuplicatePhrase(Conflict):
    """This phrase is in the policy already."""

    code = "duplicate_phrase"


class AlreadyBlocked(Conflict):
    """This category is blocked already."""

    code = "duplicate_category"


class NotBlocked(Conflict):
    """This category is not blocked, or not any more."""

    code = "not_blocked"


def phrases() -> list[Phrase]:
    rows = PolicyPhrase.objects.order_by("-is_forbidden", "phrase")
    return [Phrase(row.phrase, row.is_forbidden, row.note) for row in rows]


def hits_of(unit: AdUnit, known: list[Phrase], blocked: dict[str, str]) -> list[Hit]:
    """What a reviewer should know of a unit; `known` and `blocked` are read once for a whole page."""
    texts = {name: text for name in TEXTS if (text := getattr(unit, name))}
    hits = phrase_hits(texts, known) + writing_hits(texts)
    for name in ADDRESSES:
        hits += address_hits(name, getattr(unit, name))
    for category_id in sorted(categories.tree().closure(unit.categories) & blocked.keys()):
        path = categories.tree().by_id[category_id].full_path
        hits.append(
            Hit("categories", path, True, blocked[category_id] or "Nobody advertises in this category.")
        )
    return sorted(hits, key=lambda hit: not hit.is_forbidden)


def require(unit: AdUnit) -> None:
    """Raises AgainstPolicy where something in the unit is forbidden."""
    forbidden = [hit for hit in hits_of(unit, phrases(), blocked_categories()) if hit.is_forbidden]
    if forbidden:
        raise AgainstPolicy(f"{forbidden[0].field}: {forbidden[0].found}. {forbidden[0].note}".strip())


def add_phrase(
    phrase: str, *, is_forbidden: bool, note: str = "", actor: Any = None, request: Any = None
) -> PolicyPhrase:
    """Units that were approved stay; whoever reads them again is told."""
    if not plain(phrase):
        raise InvalidField("phrase", "must have a letter or a digit")
    try:
        with transaction.atomic():
            made = PolicyPhrase.objects.create(phrase=phrase.strip(), is_forbidden=is_forbidden, note=note)
            audit.record(
                actor, "policy.phrase_added", made,
                after={"phrase": made.phrase, "is_forbidden": is_forbidden}, request=request,
            )  # fmt: skip
    except IntegrityError:
        raise DuplicatePhrase from None
    return made


def change_phrase(
    row: PolicyPhrase, *, is_forbidden: bool, note: str, actor: Any = None, request: Any = None
) -> None:
    with transaction.atomic():
        current = PolicyPhrase.objects.select_for_update().filter(pk=row.pk).first()
        if current is None:
            raise NotFound
        before = {"is_forbidden": current.is_forbidden, "note": current.note}
        PolicyPhrase.objects.filter(pk=row.pk).update(is_forbidden=is_forbidden, note=note)
        after = {"is_forbidden": is_forbidden, "note": note}
        audit.record(actor, "policy.phrase_changed", current, before=before, after=after, request=request)


def remove_phrase(row: PolicyPhrase, *, actor: Any = None, request: Any = None) -> bool:
    """Whether it was still there."""
    with transaction.atomic():
        deleted, _ = PolicyPhrase.objects.filter(pk=row.pk).delete()
        if deleted:
            name = f"ads.policyphrase:{row.pk}"
            audit.record(actor, "policy.phrase_removed", name, before={"phrase": row.phrase}, request=request)
    return bool(deleted)


def blocked_categories() -> dict[str, str]:
    """The ids of blocked categories, each with the note of why."""
    return dict(BlockedCategory.objects.order_by("category_id").values_list("category_id", "note"))


def blocks(category_ids: Iterable[str]) -> bool:
    """Whether one of the categories, or one above it, is blocked."""
    ids = list(category_ids)
    return bool(ids) and not blocked_categories().keys().isdisjoint(categories.tree().closure(ids))


def block_category(
    category_id: str, *, note: str = "", now: datetime | None = None, actor: Any = None, request: Any = None
) -> int:
    """No ad of the category, or of one below it, is approved from now on; the approved ones wait for review again.

    How many those are.
    """
    tree = categories.tree()
    if category_id not in tree.by_id:
        raise InvalidField("category", f"there is no category {category_id!r}")
    covered = [each for each in tree.by_id if category_id in tree.ancestors(each)]
    try:
        with transaction.atomic():
            made = BlockedCategory.objects.create(category_id=category_id, note=note)
            sent_back = AdUnit.objects.filter(
                review=AdUnit.Review.APPROVED, categories__overlap=covered
            ).update(review=AdUnit.Review.PENDING, changed_at=now or timezone.now())
            after = {
                "category": tree.by_id[category_id].full_path,
                "note": note,
                "units_sent_back": sent_back,
            }
            audit.record(actor, "policy.category_blocked", made, after=after, request=request)
    except IntegrityError:
        raise AlreadyBlocked from None
    return sent_back


def unblock_category(category_id: str, *, actor: Any = None, request: Any = None) -> None:
    """What was sent back stays with the reviewers."""
    with transaction.atomic():
        deleted, _ = BlockedCategory.objects.filter(category_id=category_id).delete()
        if not deleted:
            raise NotBlocked
        audit.record(actor, "policy.category_unblocked", f"ads.category:{category_id}", request=request)
