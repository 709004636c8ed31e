"""Ad units and their review: what people are shown has been read by a person, word for word."""

from datetime import datetime
from typing import Any

from django.db import transaction

from ads import categories
from ads.core.landing_urls import problem_with
from ads.models import AdUnit, Campaign
from penguin_site.errors import Conflict, InvalidField

Review = AdUnit.Review
# What a reviewer reads: a change of any of these is a new ad.
REVIEWED = (
    "title", "body", "cta", "landing_url", "service_endpoint", "service_auth", "service_description",
)  # fmt: skip
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
        if content_of(current) != before and current.review in (Review.APPROVED, Review.REJECTED):
            current.review, current.review_reason = Review.PENDING, ""
        current.changed_at = now
        current.save()
        return current


def submit(unit: AdUnit, *, now: datetime) -> None:
    """From draft to review; one that waits already goes on waiting."""
    AdUnit.objects.filter(pk=unit.pk, review=Review.DRAFT).update(review=Review.PENDING, changed_at=now)


def approve(unit: AdUnit, *, now: datetime) -> None:
    """Approves the unit as the reviewer has read it: if it was changed since, nothing is approved."""
    _judge(unit, now, review=Review.APPROVED, review_reason="", approved_content=content_of(unit))


def reject(unit: AdUnit, *, reason: str, now: datetime) -> None:
    if not reason.strip():
        raise InvalidField("reason", "must say what is wrong")
    _judge(unit, now, review=Review.REJECTED, review_reason=reason)


def content_of(unit: AdUnit) -> dict[str, str]:
    return {name: getattr(unit, name) for name in REVIEWED}


def _judge(unit: AdUnit, now: datetime, **outcome: Any) -> None:
    judged = AdUnit.objects.filter(pk=unit.pk, review=Review.PENDING, **content_of(unit)).update(
        changed_at=now, **outcome
    )
    if not judged:
        raise NotInReview


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
