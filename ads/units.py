"""Ad units and their review: what people are shown has been read by a person, word for word."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from ads import categories, policy
from ads.core.landing_urls import problem_with
from ads.models import AdUnit, Campaign, UnitReview
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField

Review = AdUnit.Review
# What a reviewer reads: a change of any of these is a new ad.
REVIEWED = (
    "title", "body", "cta", "landing_url", "service_endpoint", "service_auth", "service_description",
)  # fmt: skip
MAX_REASON = 300
TARGETING = ("intents", "example_queries", "negative_contexts", "categories")


class NotInReview(Conflict):
    """This unit does not wait for review, or it was changed while it was read."""

    code = "not_in_review"


def create(campaign: Campaign, *, ad_type: str, now: datetime, **fields: Any) -> AdUnit:
    """A draft of the campaign; it is shown when it was submitted and approved."""
    unit = AdUnit(campaign=campaign, ad_type=ad_type, created_at=now, changed_at=now, **_known(fields))
    _check(unit)
    unit.save(force_insert=True)
    return unit


def change(unit: AdUnit, *, now: datetime, **fields: Any) -> AdUnit:
    """Sets the fields. With other words or another address an approved or rejected unit waits for review again."""
    with transaction.atomic():
        current = AdUnit.objects.select_for_update(of=["self"]).select_related("campaign").get(pk=unit.pk)
        before = content_of(current)
        for name, value in _known(fields).items():
            setattr(current, name, value)
        _check(current)
        is_another = content_of(current) != before and current.review in (Review.APPROVED, Review.REJECTED)
        if is_another or (current.review == Review.APPROVED and policy.blocks(current.categories)):
            current.review, current.review_reason = Review.PENDING, ""
        current.changed_at = now
        current.save()
        return current


def submit(unit: AdUnit, *, now: datetime) -> None:
    """From draft to review; one that waits already goes on waiting."""
    AdUnit.objects.filter(pk=unit.pk, review=Review.DRAFT).update(review=Review.PENDING, changed_at=now)


def approve(unit: AdUnit, *, now: datetime, reviewer: Any = None, request: Any = None) -> UnitReview:
    """Approves the unit as the reviewer has read it: if it was changed since, nothing is approved."""
    policy.require(unit)
    content = content_of(unit)
    outcome = {"review": Review.APPROVED, "review_reason": "", "approved_content": content}
    return _judge(unit, now, reviewer, request, **outcome)


def reject(
    unit: AdUnit, *, reason: str, now: datetime, reviewer: Any = None, request: Any = None
) -> UnitReview:
    """The advertiser reads the reason."""
    reason = reason.strip()
    if not reason:
        raise InvalidField("reason", "must say what is wrong")
    if len(reason) > MAX_REASON:
        raise InvalidField("reason", f"must have at most {MAX_REASON} characters")
    return _judge(unit, now, reviewer, request, review=Review.REJECTED, review_reason=reason)


def withdraw(review: UnitReview, *, now: datetime, reviewer: Any = None, request: Any = None) -> None:
    """Takes a decision back, as long as it is the last one and nothing was changed since: the unit waits again."""
    if review.outcome == UnitReview.Outcome.WITHDRAWN:
        raise NotInReview("This decision was taken back before.")
    with transaction.atomic():
        withdrawn = AdUnit.objects.filter(pk=review.unit_id, review=review.outcome, **review.content).filter(
            ~Exists(UnitReview.objects.filter(unit_id=OuterRef("pk"), pk__gt=review.pk))
        )
        changes = {"review": Review.PENDING, "review_reason": "", "approved_content": review.content_before}
        if not withdrawn.update(changed_at=now, **changes):
            raise NotInReview("This ad was changed or decided on again since: nothing was taken back.")
        UnitReview.objects.create(
            unit_id=review.unit_id,
            outcome=UnitReview.Outcome.WITHDRAWN,
            content=review.content,
            content_before=review.content_before,
            reviewer=reviewer,
            reviewed_at=now,
        )
        name = f"ads.adunit:{review.unit_id}"
        before, after = {"review": review.outcome}, {"review": Review.PENDING.value}
        audit.record(reviewer, "ad.review_withdrawn", name, before=before, after=after, request=request)


def content_of(unit: AdUnit) -> dict[str, str]:
    return {name: getattr(unit, name) for name in REVIEWED}


def _judge(unit: AdUnit, now: datetime, reviewer: Any, request: Any, **outcome: Any) -> UnitReview:
    content = content_of(unit)
    with transaction.atomic():
        judged = AdUnit.objects.filter(pk=unit.pk, review=Review.PENDING, **content).update(
            changed_at=now, **outcome
        )
        if not judged:
            raise NotInReview(_what_happened_to(unit))
        made = UnitReview.objects.create(
            unit=unit,
            outcome=outcome["review"],
            reason=outcome["review_reason"],
            content=content,
            content_before=unit.approved_content,
            reviewer=reviewer,
            reviewed_at=now,
        )
        action = "ad.approved" if outcome["review"] == Review.APPROVED else "ad.rejected"
        before = {"review": Review.PENDING.value}
        after = {"review": outcome["review"].value, "reason": outcome["review_reason"]}
        audit.record(reviewer, action, unit, before=before, after=after, request=request)
    return made


def _what_happened_to(unit: AdUnit) -> str | None:
    """For whoever comes second: who was first. None: the class's own sentence."""
    standing = AdUnit.objects.filter(pk=unit.pk).values_list("review", flat=True).first()
    last = UnitReview.objects.filter(unit_id=unit.pk).select_related("reviewer").order_by("-id").first()
    if last is None or standing != last.outcome:
        return None
    who = last.reviewer.get_username() if last.reviewer else "Somebody"
    return f"{who} has {last.outcome} this ad already, at {last.reviewed_at:%H:%M} UTC."


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    unknown = set(fields) - {*REVIEWED, *TARGETING, "is_paused"}
    if unknown:
        raise ValueError(f"not to be set: {', '.join(sorted(unknown))}")
    return fields


def _check(unit: AdUnit) -> None:
    for name in ("title", "body", "cta"):
        if not getattr(unit, name).strip():
            raise InvalidField(name, "must not be empty")
    if problem := problem_with(unit.landing_url):
        raise InvalidField("landing_url", problem)
    is_called = unit.ad_type == AdUnit.Type.SERVICE or unit.service_endpoint
    if is_called and (problem := problem_with(unit.service_endpoint)):
        raise InvalidField("service_endpoint", problem)
    if (unit.ad_type == AdUnit.Type.SERVICE) != (unit.campaign.pricing == Campaign.Pricing.SUCCESS):
        raise InvalidField("ad_type", "service belongs to campaigns that pay per success, and only there")
    is_session = unit.campaign.pricing == Campaign.Pricing.SESSION
    if is_session and unit.ad_type != AdUnit.Type.DYNAMIC_CAPABILITY:
        raise InvalidField("ad_type", "must be dynamic_capability in a campaign that pays per session")
    unknown = [name for name in unit.categories if name not in categories.tree().by_id]
    if unknown:
        raise InvalidField("categories", f"there is no category {unknown[0]!r}")
