"""All routes of the site, read from the routing tables themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Route:
    """`template` as Django writes it, without the first slash; `converters` by the names in it."""

    template: str
    converters: dict[str, Any]
    view: Callable[..., Any]

    @property
    def methods(self) -> list[str]:
        view_class = getattr(self.view, "view_class", None) or getattr(self.view, "cls", None)
        if view_class is None:
            return ["get", "post"]
        return [method for method in METHODS if hasattr(view_class, method)]

    def __str__(self) -> str:
        return self.template


def all_routes() -> list[Route]:
    return list(_routes_of(get_resolver(), "", {}))


def api_routes() -> list[Route]:
    return [route for route in all_routes() if route.template.startswith("api/v1/")]


def _routes_of(resolver: URLResolver, prefix: str, converters: dict[str, Any]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        template = prefix + str(entry.pattern)
        known = {**converters, **entry.pattern.converters}
        if isinstance(entry, URLPattern):
            yield Route(template, known, entry.callback)
        else:
            yield from _routes_of(entry, template, known)
