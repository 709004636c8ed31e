"""`/favicon.ico`: browsers ask for it by that name on pages that name no icon, too (JSON, errors of others)."""

from functools import cache

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

_DAY = 86_400


@require_safe
@cache_control(public=True, max_age=_DAY)
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_icon(), content_type="image/x-icon")


@cache
def _icon() -> bytes:
    with open(finders.find("penguin_site/favicon.ico"), "rb") as file:
        return file.read()
