"""Projects, their runs, and what is scheduled: to read."""

from django.contrib import admin

from penguin_site.audit.staff_lists import MadeFilter
from penguin_site.audit.staff_pages import AuditedAdmin
from penguin_site.audit.staff_texts import link_to, short
from tasks.models import Project, ProjectRun, Schedule


@admin.register(Project)
class ProjectAdmin(AuditedAdmin):
    list_display = ["shown_name", "owner", "state", "directory", "review_required", "created_at"]
    list_select_related = ["owner"]
    list_filter = ["status", "review_required", MadeFilter]
    search_fields = ["id__exact", "owner__username__exact"]
    search_help_text = "Id, or a user name"
    ordering = ["-id"]

    @admin.display(description="Project")
    def shown_name(self, project: Project) -> str:
        return short(project.name)


@admin.register(ProjectRun)
class ProjectRunAdmin(AuditedAdmin):
    list_display = [
        "id",
        "of_project",
        "owner",
        "state",
        "parallel",
        "continuous",
        "stop_reason",
        "created_at",
    ]
    list_select_related = ["project", "owner"]
    list_filter = ["status", "continuous", MadeFilter]
    search_fields = ["id__exact", "project__id__exact", "owner__username__exact"]
    search_help_text = "Id of a run or a project, or a user name"
    ordering = ["-id"]

    @admin.display(description="Project")
    def of_project(self, run: ProjectRun) -> str:
        return link_to(run.project)


@admin.register(Schedule)
class ScheduleAdmin(AuditedAdmin):
    list_display = [
        "id",
        "of_task",
        "owner",
        "cron",
        "timezone",
        "enabled",
        "next_at",
        "last_at",
        "last_outcome",
    ]
    list_select_related = ["task", "owner"]
    list_filter = ["enabled", MadeFilter]
    search_fields = ["id__exact", "task__id__exact", "owner__username__exact"]
    search_help_text = "Id of a schedule or a task, or a user name"
    ordering = ["-id"]

    @admin.display(description="Task")
    def of_task(self, schedule: Schedule) -> str:
        return link_to(schedule.task)
