"""Tasks side by side by state, as a board shows them."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import CharField, QuerySet, Value

from tasks.core.task_states import TaskStatus
from tasks.models import Task

MOST_CARDS = 30
# Nobody reads on: a column with more says that there are more.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """Of `count` tasks in this state (MOST_COUNTED of them at most) the ones changed last."""

    status: str
    count: int
    tasks: list[Task]

    @property
    def title(self) -> str:
        return self.status.replace("_", " ")

    @property
    def has_more(self) -> bool:
        return self.count >= MOST_COUNTED


def columns(*, project_id: UUID | None = None, owner_id: int | None = None) -> list[Column]:
    """A column for each state, in two statements whatever their number; of a project, a person, or everybody.

    Each state is looked up by itself, by an index: one query for all would read and sort all tasks.
    """
    rows: QuerySet[Task] = Task.objects.all()
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    found = _ids_by_status(rows)
    cards = [task_id for ids in found.values() for task_id in ids[:MOST_CARDS]]
    tasks = Task.objects.select_related("project", "owner").in_bulk(cards)
    return [
        Column(status, len(ids), [tasks[task_id] for task_id in ids[:MOST_CARDS] if task_id in tasks])
        for status, ids in found.items()
    ]


def _ids_by_status(rows: QuerySet[Task]) -> dict[str, list[UUID]]:
    """Of each state the ids of the tasks changed last, MOST_COUNTED at most."""
    found: dict[str, list[UUID]] = {status.value: [] for status in TaskStatus}
    parts = [
        rows.filter(status=status)
        .order_by("-updated_at", "-id")
        .values_list("updated_at", "id", Value(status, output_field=CharField()))[:MOST_COUNTED]
        for status in found
    ]
    for _, task_id, status in sorted(parts[0].union(*parts[1:], all=True), reverse=True):
        found[status].append(task_id)
    return found
