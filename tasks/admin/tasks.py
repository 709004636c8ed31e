"""Tasks: a list, a board by state, and the review of what an agent says is done."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from penguin_site import audit
from penguin_site.audit.staff_lists import MadeFilter
from penguin_site.audit.staff_pages import AuditedAdmin, do, require
from penguin_site.audit.staff_texts import link_to, short
from penguin_site.errors import InvalidField
from tasks import board, task_moves, tasks
from tasks.core.task_states import TaskStatus, may_move
from tasks.models import Execution, Project, Task

REVIEW = "tasks.change_task"
EXECUTIONS_SHOWN = 20
MOST_TEXT = 20_000


@admin.register(Task)
class TaskAdmin(AuditedAdmin):
    """Its list, a page of each, and `board/`: the same tasks by state, of one project with `?project=`."""

    list_display = [
        "shown_title",
        "owner",
        "in_project",
        "state",
        "priority",
        "origin",
        "due_at",
        "updated_at",
    ]
    list_select_related = ["owner", "project"]
    list_filter = ["status", "origin", MadeFilter]
    search_fields = ["id__exact", "project__id__exact", "owner__username__exact"]
    search_help_text = "Id of a task or a project, or a user name"
    ordering = ["-id"]
    page_template = "admin/tasks/task/page.html"

    @admin.display(description="Task")
    def shown_title(self, task: Task) -> str:
        return short(task.title)

    @admin.display(description="Project")
    def in_project(self, task: Task) -> str:
        return link_to(task.project)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).select_related("project", "owner", "parent")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("board/", wrap(self.board), name="tasks_task_board"),
            path("<uuid:task_id>/review/", wrap(self.review), name="tasks_task_review"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Task) -> dict[str, Any]:
        status = TaskStatus(obj.status)
        may_review = request.user.has_perm(REVIEW)
        return {
            "executions": Execution.objects.filter(task=obj).order_by("-created_at", "-id")[
                :EXECUTIONS_SHOWN
            ],
            "needs": Task.objects.filter(needed_by=obj).only("id", "title", "status"),
            "may_complete": may_review and may_move(status, TaskStatus.COMPLETED),
            "may_reopen": may_review and may_move(status, TaskStatus.ACTIVE),
        }

    def board(self, request: HttpRequest) -> HttpResponse:
        require(request, "tasks.view_task")
        project = _named_project(request.GET.get("project", ""))
        audit.record(request.user, "staff.listed", "tasks.task", after=request.GET.dict(), request=request)
        return self.staff_page(
            request,
            "admin/tasks/task/board.html",
            f"Board of {project.name}" if project else "Board",
            columns=board.columns(project_id=project.id if project else None),
            most_cards=board.MOST_CARDS,
            projects=Project.objects.order_by("-id")[:200],
            project=project,
        )

    def review(self, request: HttpRequest, task_id: UUID) -> HttpResponse:
        """Agrees with what was done, or sends it back with a reason for the next execution."""

        def act() -> str:
            task = _review(request, tasks.find_anybodys(task_id))
            return f"The task is {task.status}."

        return do(request, REVIEW, act, back_to=reverse("admin:tasks_task_change", args=[task_id]))


def _review(request: HttpRequest, task: Task) -> Task:
    text = request.POST.get("text", "").strip()[:MOST_TEXT]
    whose: dict[str, Any] = {"task_id": task.id, "owner_id": task.owner_id, "now": timezone.now()}
    with transaction.atomic():
        match request.POST.get("decision"):
            case "complete":
                moved, action = task_moves.complete_task(**whose, result=text or None), "task.completed"
            case "reopen":
                moved, action = task_moves.reopen_task(**whose, feedback=text), "task.reopened"
            case _:
                raise InvalidField("decision", "complete or reopen")
        before, after = {"status": task.status}, {"status": moved.status, "text": text}
        audit.record(request.user, action, moved, before, after, request)
    return moved


def _named_project(project_id: str) -> Project | None:
    try:
        return Project.objects.filter(id=UUID(project_id)).first()
    except ValueError:
        return None
