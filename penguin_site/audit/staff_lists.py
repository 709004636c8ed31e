"""Lists of staff pages over tables of any size: they count no further than anybody reads, and search by index alone."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import RadioFilter
from unfold.views import ChangeList

# Nobody turns more pages than this; whoever looks for more narrows the list down.
MOST_COUNTED = 10_000
# So many of what a field finds are looked at.
MOST_FOUND = 1_000


class BoundedPaginator(Paginator):
    """Knows how many rows there are up to MOST_COUNTED, and above that only that there are more."""

    template_name = "penguin_site/staff/pagination.html"

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def has_more(self) -> bool:
        return self._counted > MOST_COUNTED

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[: MOST_COUNTED + 1].count()


class BoundedChangeList(ChangeList):
    """Says how many were found only where something was looked for."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


def is_indexed_search(fields: Iterable[str]) -> bool:
    """Whether all of these search fields ask for a whole value or its beginning."""
    return all(field.endswith(("__exact", "__startswith")) for field in fields)


def found_by_index(rows: QuerySet[Any], fields: Iterable[str], term: str) -> QuerySet[Any]:
    """Those of `rows` of which one of the fields is `term` or begins with it: one statement a field, each by its index.

    An OR over several tables would read all of them. A field that cannot hold the term (a UUID, a number) is left out.
    """
    keys: set[Any] = set()
    everything = rows.model._default_manager.order_by("-pk")
    for field in fields:
        try:
            keys.update(everything.filter(**{field: term}).values_list("pk", flat=True)[:MOST_FOUND])
        except (ValidationError, ValueError):
            continue
    return rows.filter(pk__in=keys)


def first_id_of(moment: datetime) -> UUID:
    """The smallest UUID of version 7 that is made at `moment`: ids of it and later are an end of the primary key."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


class MadeFilter(RadioFilter):
    """Rows made in the last hours or days, or on one day (`?made=2026-01-31`, UTC), by their time-ordered ids."""

    title = "time"
    parameter_name = "made"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        choices = [("1", "Last 24 hours"), ("7", "Last 7 days"), ("30", "Last 30 days")]
        value = request.GET.get(self.parameter_name, "")
        return [*choices, (value, value)] if _day(value) else choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if day := _day(value):
            return queryset.filter(id__gte=first_id_of(day), id__lt=first_id_of(day + timedelta(days=1)))
        if value in ("1", "7", "30"):
            return queryset.filter(id__gte=first_id_of(timezone.now() - timedelta(days=int(value))))
        return queryset


def _day(text: str) -> datetime | None:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day if 2000 <= day.year < 3000 else None
