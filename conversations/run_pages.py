"""Pages of runs, newest first, in a constant number of statements."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from conversations.core.page_cursors import PageCursor, parse_page_cursor
from conversations.core.run_states import OPEN
from conversations.models import Run
from conversations.sessions import InvalidCursor


@dataclass(frozen=True, slots=True)
class RunPage:
    runs: list[tuple[Run, int | None]]  # with the place in the queue of those that wait there
    next_cursor: str | None


def list_runs(
    *, owner_id: int, limit: int, cursor: str = "", status: str = "", session_id: str = ""
) -> RunPage:
    """The owner's runs; InvalidCursor (400) for a cursor of another making."""
    rows = Run.objects.filter(owner_id=owner_id).select_related("conversation").order_by("-created_at", "-id")
    if status:
        rows = rows.filter(status=status)
    if session_id:
        rows = rows.filter(conversation__owner_id=owner_id, conversation__session_id=session_id)
    if cursor:
        try:
            place = parse_page_cursor(cursor)
            last = UUID(place.row_id)
        except ValueError:
            raise InvalidCursor from None
        rows = rows.filter(created_at__lte=place.moment).filter(
            Q(created_at__lt=place.moment) | Q(id__lt=last)
        )
    ahead = (
        Run.objects.filter(
            conversation_id=OuterRef("conversation_id"),
            status__in=[s.value for s in OPEN],
            turn__lt=OuterRef("turn"),
        )
        .order_by()
        .values("conversation_id")
        .annotate(count=Count("*"))
        .values("count")
    )
    found = list(rows.annotate(ahead=Coalesce(Subquery(ahead, output_field=IntegerField()), 0))[: limit + 1])
    page = found[:limit]
    more = str(PageCursor(page[-1].created_at, str(page[-1].id))) if len(found) > limit else None
    return RunPage([(run, run.ahead if run.status == "queued" else None) for run in page], more)
