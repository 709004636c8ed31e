"""Who and what used how many tokens: by person, by API key, by model."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from conversations.usage_reports import By, Line
from penguin_site.audit.staff_pages import require
from penguin_site.models import ApiKey, User
from penguin_site.staff import figures

BY: tuple[By, ...] = ("person", "key", "model")
PERIODS = {"1": "24 hours", "7": "7 days", "30": "30 days"}


def usage(request: HttpRequest) -> HttpResponse:
    """Three tables of the last `days`, in five statements."""
    require(request, "conversations.view_modelcall")
    days = request.GET.get("days", "")
    days = days if days in PERIODS else "30"
    people, keys, models = (figures.used(by, days=int(days)) for by in BY)
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    context = {
        **admin.site.each_context(request),
        "title": "Usage",
        "periods": PERIODS,
        "days": days,
        "people": _named(people, User.objects.in_bulk([line.key for line in people])),
        "keys": _named(keys, ApiKey.objects.select_related("user").in_bulk([line.key for line in keys])),
        "models": [(line.key, line) for line in models],
    }
    return TemplateResponse(request, "penguin_site/staff/usage.html", context)


def _named(lines: list[Line], rows: dict[Any, Any]) -> list[tuple[Any, Line]]:
    """Each line with the row it is of; None for one that is deleted."""
    return [(rows.get(line.key), line) for line in lines]
