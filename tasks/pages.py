"""Pages of rows that have a `created_at` and a UUID: newest first, the next one from where this one ended."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from conversations.core.page_cursors import PageCursor, parse_page_cursor
from conversations.sessions import InvalidCursor, Page


def newest(rows: QuerySet[Any], *, limit: int, cursor: str = "") -> Page:
    """At most `limit` rows after `cursor`; InvalidCursor (400) for a cursor of another making."""
    if cursor:
        try:
            place = parse_page_cursor(cursor)
            last = UUID(place.row_id)
        except ValueError:
            raise InvalidCursor from None
        # The first condition is what lets the index begin at the cursor; the second one settles ties.
        rows = rows.filter(created_at__lte=place.moment).filter(
            Q(created_at__lt=place.moment) | Q(id__lt=last)
        )
    found = list(rows.order_by("-created_at", "-id")[: limit + 1])
    if len(found) <= limit:
        return Page(found, None)
    last_row = found[limit - 1]
    return Page(found[:limit], str(PageCursor(last_row.created_at, str(last_row.id))))
