"""Executions with the timeline of all they did, and what staff can do with one at work."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from conversations.core.usage import MICROS
from penguin_site import audit
from penguin_site.audit.staff_lists import MadeFilter
from penguin_site.audit.staff_pages import AuditedAdmin, do
from penguin_site.audit.staff_texts import link_to
from penguin_site.errors import InvalidField
from tasks import executions, timelines
from tasks.core.execution_states import LIVE, ExecutionStatus
from tasks.models import Execution

STEER = "tasks.change_execution"
_MOVES = {"cancel": executions.cancel, "pause": executions.pause, "resume": executions.resume}


@admin.register(Execution)
class ExecutionAdmin(AuditedAdmin):
    list_display = [
        "id",
        "of_task",
        "owner",
        "state",
        "wait_reason",
        "stop_reason",
        "used_tokens",
        "cost_usd",
        "created_at",
        "ended_at",
    ]
    list_select_related = ["task", "owner"]
    list_filter = ["status", "wait_reason", "continuous", MadeFilter]
    search_fields = [
        "id__exact",
        "task__id__exact",
        "conversation__session_id__startswith",
        "owner__username__exact",
    ]
    search_help_text = "Id of an execution or a task, beginning of a session id, or a user name"
    ordering = ["-id"]
    page_template = "admin/tasks/execution/page.html"

    @admin.display(description="Task")
    def of_task(self, execution: Execution) -> str:
        return link_to(execution.task)

    @admin.display(description="Cost (USD)")
    def cost_usd(self, execution: Execution) -> str:
        return f"{execution.used_cost_micros / MICROS:.4f}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Execution]:
        return super().get_queryset(request).select_related("task", "owner", "conversation")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.steer)
        return [path("<uuid:execution_id>/steer/", view, name="tasks_execution_steer"), *super().get_urls()]

    def page_context(self, request: HttpRequest, obj: Execution) -> dict[str, Any]:
        may = request.user.has_perm(STEER) and ExecutionStatus(obj.status) in LIVE
        is_paused = obj.status == ExecutionStatus.PAUSED or obj.pause_requested_at is not None
        return {
            "entries": timelines.timeline(obj),
            "may_cancel": may and obj.cancel_requested_at is None,
            "may_pause": may and not is_paused and obj.cancel_requested_at is None,
            "may_resume": may and is_paused and obj.cancel_requested_at is None,
        }

    def steer(self, request: HttpRequest, execution_id: UUID) -> HttpResponse:
        def act() -> str:
            wish = request.POST.get("wish", "")
            if wish not in _MOVES:
                raise InvalidField("wish", f"choose from {', '.join(_MOVES)}")
            execution = executions.find_anybodys(execution_id)
            # Before it is carried out: that takes several transactions, and may go on in a worker.
            before, after = {"status": str(execution.status)}, {"wish": wish}
            audit.record(request.user, f"execution.{wish}", execution, before, after, request)
            execution = _MOVES[wish](execution, now=timezone.now())
            return f"The execution is {execution.status}."

        back = reverse("admin:tasks_execution_change", args=[execution_id])
        return do(request, STEER, act, back_to=back)
