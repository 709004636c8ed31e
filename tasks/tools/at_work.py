"""The execution for which a tool is called, and tools that change its tasks: quick work with the tables."""

from abc import abstractmethod

from channels.db import database_sync_to_async
from django.db import transaction
from django.utils import timezone

from conversations.core.tool_calls import Effect
from conversations.tools.base import Invocation, Tool, ToolError, ToolResult, Workplace
from penguin_site.errors import DomainError
from tasks.models import Execution


def execution_of(place: Workplace) -> Execution:
    """The one whose run calls; ToolError where that is gone."""
    rows = Execution.objects.select_related("task")
    execution = rows.filter(
        current_run_id=place.run_id, owner_id=place.owner_id, ended_at__isnull=True
    ).first()
    if execution is None:
        raise ToolError("This works only inside a task.")
    return execution


class TaskTool(Tool):
    """A call that is carried out twice, after a crash, has the effect of one."""

    effect = Effect.IDEMPOTENT
    changes_nothing = True  # of what the policy guards: files, processes, the network

    async def run(self, invocation: Invocation) -> ToolResult:
        return await database_sync_to_async(self._change, thread_sensitive=False)(invocation)

    def _change(self, invocation: Invocation) -> ToolResult:
        try:
            with transaction.atomic():
                return self.change(invocation, execution_of(invocation.place))
        except DomainError as error:
            raise ToolError(error.message) from error

    @abstractmethod
    def change(self, invocation: Invocation, execution: Execution) -> ToolResult:
        """Inside a transaction; what it raises undoes it."""


now = timezone.now
