"""Tasks side by side by state, as a board shows them."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber

from tasks.core.task_states import TaskStatus
from tasks.models import Task

MOST_CARDS = 30


@dataclass(frozen=True, slots=True)
class Column:
    """Of `count` tasks in this state the ones changed last."""

    status: str
    count: int
    tasks: list[Task]


def columns(*, project_id: UUID | None = None, owner_id: int | None = None) -> list[Column]:
    """A column for each state, in two statements whatever their number; of a project, a person, or everybody."""
    rows: QuerySet[Task] = Task.objects.all()
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    counts = dict(rows.order_by().values_list("status").annotate(Count("id")))
    place = Window(RowNumber(), partition_by=F("status"), order_by=[F("updated_at").desc(), F("id").desc()])
    newest = rows.annotate(place=place).filter(place__lte=MOST_CARDS).select_related("project", "owner")
    by_status: dict[str, list[Task]] = {status.value: [] for status in TaskStatus}
    for task in newest.order_by("place"):
        by_status[task.status].append(task)
    return [Column(status, counts.get(status, 0), found) for status, found in by_status.items()]
