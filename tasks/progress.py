"""How far an agent is with its task, as it tells it itself."""

from datetime import datetime
from uuid import UUID

from tasks import execution_events
from tasks.models import Execution


def tell(execution_id: UUID, *, percent: int | None, note: str, now: datetime) -> None:
    """Keeps it in the execution's result, until the next word of the agent; inside a transaction."""
    execution = Execution.objects.select_for_update(of=("self",)).select_related("task").get(id=execution_id)
    told = dict((execution.result or {}).get("progress") or {})
    if percent is not None:
        told["percent"] = percent
    if note:
        told["note"] = note
    told["told_at"] = now.isoformat().replace("+00:00", "Z")
    execution.result = {**(execution.result or {}), "progress": told}
    execution.save(update_fields=["result"])
    execution_events.updated(execution, execution.task)
