"""Decisions and events as staff reads them: a page at a time, from the newest on, by an index of every partition."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from ads.core.ids import month_of, new_id
from ads.core.recorded_auctions import unpack
from ads.models import AdEvent, AdUnit, Campaign, Decision, DecisionUnit, InvalidMark

PAGE = 50


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the last row's id, and what rows are ordered by before that (a month, or a moment)."""

    place: date | datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.place.isoformat()}_{self.id.hex}"


@dataclass(frozen=True, slots=True)
class Page:
    """`next` None: there is nothing older."""

    rows: list[Any]
    next: Cursor | None


def cursor_at(moment: datetime, *, by_agent: bool) -> Cursor:
    """Where what was made before `moment` begins."""
    if by_agent:
        return Cursor(moment, UUID(int=0))
    first = UUID(int=new_id(moment).int >> 80 << 80)
    return Cursor(month_of(first), first)


def read_cursor(text: str, *, by_agent: bool) -> Cursor | None:
    """None for what we would not have written so."""
    place, _, identifier = text.replace(" ", "+").partition("_")
    try:
        if not by_agent:
            return Cursor(date.fromisoformat(place), UUID(hex=identifier))
        moment = datetime.fromisoformat(place)
        return Cursor(moment, UUID(hex=identifier)) if moment.tzinfo else None
    except ValueError:
        return None


def decisions(agent_id: UUID | None, before: Cursor | None) -> Page:
    """Of an agent, or of everybody; the newest first."""
    return _page(Decision.objects.select_related("agent"), agent_id, before, "decided_at")


def events(agent_id: UUID | None, before: Cursor | None) -> Page:
    """The same for events. Those of everybody come by the month of their decision, the newest of a month first."""
    return _page(AdEvent.objects.select_related("agent"), agent_id, before, "occurred_at")


def event_with(identifier: UUID) -> AdEvent | None:
    """An event by its id. It lies in the month of its decision, which is its own or one before."""
    try:
        month = month_of(identifier)
    except (ValueError, OverflowError):
        return None
    years, months = divmod(month.year * 12 + month.month - 2, 12)
    earlier = month.replace(year=years, month=months + 1)
    rows = AdEvent.objects.filter(month__in=[month, earlier], id=identifier)
    return rows.select_related("agent").first()


def decision_with(identifier: UUID) -> Decision | None:
    try:
        month = month_of(identifier)
    except (ValueError, OverflowError):
        return None
    return Decision.objects.filter(month=month, id=identifier).select_related("agent").first()


def units_of(decision: Decision) -> list[tuple[DecisionUnit, AdUnit | None]]:
    rows = list(
        DecisionUnit.objects.filter(month=decision.month, decision_id=decision.id).order_by("position")
    )
    units = AdUnit.objects.select_related("campaign__advertiser").in_bulk([row.unit_id for row in rows])
    return [(row, units.get(row.unit_id)) for row in rows]


def events_of(decision: Decision) -> list[tuple[AdEvent, bool]]:
    """Everything that happened with its units, and whether each is marked as invalid."""
    rows = list(AdEvent.objects.filter(month=decision.month, decision_id=decision.id).order_by("id")[:200])
    return with_marks(rows)


def with_marks(rows: Sequence[AdEvent]) -> list[tuple[AdEvent, bool]]:
    marked = set(
        InvalidMark.objects.filter(event_id__in=[row.id for row in rows]).values_list("event_id", flat=True)
    )
    return [(row, row.id in marked) for row in rows]


def candidates_of(decision: Decision) -> list[tuple[Any, Campaign | None]]:
    """The best that took part in the auction, as they were kept, with their campaigns."""
    if not decision.candidates:
        return []
    found = unpack(bytes(decision.candidates))
    campaigns = Campaign.objects.in_bulk([each.campaign_id for each in found])
    return [(each, campaigns.get(each.campaign_id)) for each in found]


def _page(rows: Any, agent_id: UUID | None, before: Cursor | None, moment: str) -> Page:
    # By the index of agent and time, or by the primary key: each partition has both, in this order.
    place = moment if agent_id else "month"
    if agent_id:
        rows = rows.filter(agent_id=agent_id)
    if before is not None and agent_id:
        older = Q(**{f"{place}__lt": before.place}) | Q(**{place: before.place, "id__lt": before.id})
        rows = rows.filter(older, **{f"{place}__lte": before.place})
    elif before is not None:
        rows = rows.filter(pk__lt=(before.place, before.id))
    found = list(rows.order_by(f"-{place}", "-id")[: PAGE + 1])
    if len(found) <= PAGE:
        return Page(found, None)
    last = found[PAGE - 1]
    return Page(found[:PAGE], Cursor(getattr(last, place), last.id))
