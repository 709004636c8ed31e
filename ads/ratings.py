"""Ratings of businesses: by whoever has clicked, once for each click."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from ads import reported_events, shown_units
from ads.core.tokens import Environment, Window
from ads.models import AdEvent, Agent, Rating
from penguin_site.errors import Conflict, Forbidden, InvalidField, NotFound


class ClickRequired(Forbidden):
    """A business is rated after a click that counted."""

    code = "click_required"


class DuplicateRating(Conflict):
    """This ad was rated before."""

    code = "duplicate_rating"


def rate(
    *,
    tracking_token: str,
    unit_id: str,
    rating: int,
    text: str,
    agent: Agent,
    environment: Environment,
    now: datetime,
) -> Rating:
    """Stores the rating. `now` by the clock of the token's book."""
    facts = reported_events.facts_for(tracking_token, agent, environment)
    try:
        is_same = UUID(unit_id) == UUID(facts.unit_id)
    except ValueError:
        is_same = False
    if not is_same:
        raise InvalidField("ad_unit_id", "is not the unit of this tracking_token")
    found = shown_units.find(facts)
    if found is None:
        raise NotFound
    shown, _ = found
    clicked = AdEvent.objects.filter(
        month=shown.month,
        decision_id=shown.decision_id,
        unit_id=shown.unit_id,
        kind=AdEvent.Kind.CLICK,
        reason="",
    )
    if not clicked.exists():
        raise ClickRequired
    if not facts.is_alive(Window.RATING, int(now.timestamp())):
        raise InvalidField("tracking_token", "can no longer be rated: a week has passed")
    try:
        with transaction.atomic():
            return Rating.objects.create(
                agent=agent,
                book=shown.book,
                decision_id=shown.decision_id,
                unit_id=shown.unit_id,
                rating=rating,
                text=text,
                created_at=now,
            )
    except IntegrityError:
        first = Rating.objects.get(decision_id=shown.decision_id, unit_id=shown.unit_id)
        raise DuplicateRating(details={"rating_id": f"rat_{first.pk}", "rating": first.rating}) from None
