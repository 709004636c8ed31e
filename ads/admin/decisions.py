"""Decisions and events, to read. Their tables have keys of several columns, so these pages are our own."""

from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_date

from ads import browsing
from ads.admin.staff import as_id, campaigns_of, page, require
from ads.models import AdEvent, AdUnit, Decision


def decision_list(request: HttpRequest) -> HttpResponse:
    require(request, "view_decision")
    agent_id, before = _asked(request)
    found = browsing.decisions(agent_id, before)
    return _page(request, Decision, "decisions.html", "Decisions", found=found, agent_id=agent_id)


def decision(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    require(request, "view_decision")
    row = browsing.decision_with(decision_id)
    if row is None:
        raise Http404
    context = {
        "row": row,
        "units": browsing.units_of(row),
        "events": browsing.events_of(row) if request.user.has_perm("ads.view_adevent") else [],
        "candidates": browsing.candidates_of(row),
    }
    return _page(request, Decision, "decision.html", "Decision", **context)


def event_list(request: HttpRequest) -> HttpResponse:
    require(request, "view_adevent")
    agent_id, before = _asked(request)
    wanted = as_id(request.GET.get("id", ""))
    if isinstance(wanted, UUID):
        event = browsing.event_with(wanted)
        found = browsing.Page([event] if event else [], None)
    else:
        found = browsing.events(agent_id, before)
    rows = browsing.with_marks(found.rows)
    context = {
        "found": found,
        "rows": rows,
        "agent_id": agent_id,
        "units": AdUnit.objects.in_bulk([row.unit_id for row, _ in rows]),
        "campaigns": campaigns_of(row.campaign_id for row, _ in rows),
        "searched": request.GET.get("id", ""),
    }
    return _page(request, AdEvent, "events.html", "Events", **context)


def _asked(request: HttpRequest) -> tuple[UUID | None, browsing.Cursor | None]:
    """Whose, and where the page begins: at a cursor, or before the end of a day."""
    agent = as_id(request.GET.get("agent", ""))
    agent_id = agent if isinstance(agent, UUID) else None
    by_agent = agent_id is not None
    if text := request.GET.get("before", ""):
        return agent_id, browsing.read_cursor(text, by_agent=by_agent)
    try:
        day = parse_date(request.GET.get("day", ""))
    except ValueError:
        day = None
    if day is None or not 2000 < day.year < 9000:
        return agent_id, None
    return agent_id, browsing.cursor_at(datetime.combine(day, time.max, UTC), by_agent=by_agent)


def _page(request: HttpRequest, model: Any, template: str, title: str, **context: Any) -> HttpResponse:
    context["day"], context["agent"] = request.GET.get("day", ""), request.GET.get("agent", "")
    return page(_Frame(model), request, template, title, **context)  # type: ignore[arg-type]


class _Frame:
    """What a page needs of an admin where the model cannot have one."""

    admin_site = admin.site

    def __init__(self, model: Any) -> None:
        self.opts = model._meta


def addresses() -> list[URLPattern]:
    view = admin.site.admin_view
    return [
        path("decisions/", view(decision_list), name="ads_decision_changelist"),
        path("decisions/<uuid:decision_id>/", view(decision), name="ads_decision_change"),
        path("events/", view(event_list), name="ads_adevent_changelist"),
    ]
