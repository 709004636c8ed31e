"""What staff see of people's work: a board by state, executions with their timelines. Read-only, each look audited."""

from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from conversations.core.usage import MICROS
from penguin_site import audit
from penguin_site.audit.staff_pages import AuditedAdmin
from tasks import board, timelines
from tasks.models import Execution, Project, ProjectRun, Schedule, Task


@admin.register(Project)
class ProjectAdmin(AuditedAdmin):
    list_display = ["name", "owner", "status", "directory", "review_required", "created_at"]
    list_select_related = ["owner"]
    list_filter = ["status", "review_required"]
    search_fields = ["id__exact", "name", "owner__username"]
    ordering = ["-created_at"]


@admin.register(Task)
class TaskAdmin(AuditedAdmin):
    """Its list, and `board/`: the same tasks by state, of one project with `?project=`."""

    list_display = ["title", "owner", "project", "status", "priority", "origin", "due_at", "updated_at"]
    list_select_related = ["owner", "project"]
    list_filter = ["status", "origin"]
    search_fields = ["id__exact", "title", "project__name", "owner__username"]
    ordering = ["-created_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.board)
        return [path("board/", view, name="tasks_task_board"), *super().get_urls()]

    def board(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        project = _named_project(request.GET.get("project", ""))
        audit.record(request.user, "staff.listed", "tasks.task", after=request.GET.dict(), request=request)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Board of {project.name}" if project else "Board",
            "columns": board.columns(project_id=project.id if project else None),
            "most_cards": board.MOST_CARDS,
            "projects": Project.objects.order_by("name", "id")[:200],
            "project": project,
        }
        return render(request, "admin/tasks/task/board.html", context)


def _named_project(project_id: str) -> Project | None:
    try:
        return Project.objects.filter(id=UUID(project_id)).first()
    except ValueError:
        return None


@admin.register(Execution)
class ExecutionAdmin(AuditedAdmin):
    list_display = [
        "id",
        "task",
        "owner",
        "status",
        "wait_reason",
        "stop_reason",
        "used_tokens",
        "cost_usd",
        "created_at",
        "ended_at",
    ]
    list_select_related = ["task", "owner"]
    list_filter = ["status", "wait_reason", "continuous"]
    search_fields = ["id__exact", "task__title", "conversation__session_id__exact", "owner__username"]
    ordering = ["-created_at"]
    readonly_fields = ["cost_usd", "timeline"]

    @admin.display(description="Cost (USD)", ordering="used_cost_micros")
    def cost_usd(self, execution: Execution) -> str:
        return f"{execution.used_cost_micros / MICROS:.4f}"

    @admin.display(description="Timeline")
    def timeline(self, execution: Execution) -> SafeString:
        entries = [
            (entry, None if entry.cost_micros is None else f"{entry.cost_micros / MICROS:.6f}")
            for entry in timelines.timeline(execution)
        ]
        return render_to_string("admin/tasks/execution/timeline.html", {"entries": entries})


@admin.register(ProjectRun)
class ProjectRunAdmin(AuditedAdmin):
    list_display = ["id", "project", "owner", "status", "parallel", "continuous", "stop_reason", "created_at"]
    list_select_related = ["project", "owner"]
    list_filter = ["status", "continuous"]
    search_fields = ["id__exact", "project__name", "owner__username"]
    ordering = ["-created_at"]


@admin.register(Schedule)
class ScheduleAdmin(AuditedAdmin):
    list_display = [
        "id",
        "task",
        "owner",
        "cron",
        "timezone",
        "enabled",
        "next_at",
        "last_at",
        "last_outcome",
    ]
    list_select_related = ["task", "owner"]
    list_filter = ["enabled", "last_outcome"]
    search_fields = ["id__exact", "task__title", "owner__username"]
    ordering = ["-created_at"]
