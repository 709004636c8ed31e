"""Runs with the timeline of what they did and cost, and their end by hand; the workers that carry them out."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from conversations import runs, timelines, token_usage
from conversations.core.run_states import TERMINAL, RunStatus
from conversations.core.usage import MICROS
from conversations.models import ModelCall, Run, Worker
from penguin_site import audit
from penguin_site.audit.staff_lists import MadeFilter
from penguin_site.audit.staff_pages import AuditedAdmin, ReadOnlyAdmin, do
from penguin_site.audit.staff_texts import chip, link_to

CANCEL = "conversations.change_run"


@admin.register(Run)
class RunAdmin(AuditedAdmin):
    list_display = [
        "id",
        "in_conversation",
        "owner",
        "state",
        "attempt",
        "created_at",
        "started_at",
        "finished_at",
    ]
    list_select_related = ["conversation", "owner"]
    list_filter = ["status", MadeFilter]
    search_fields = ["id__exact", "conversation__session_id__startswith", "owner__username__exact"]
    search_help_text = "Id, beginning of a session id, or a user name"
    ordering = ["-id"]
    page_template = "admin/conversations/run/page.html"

    @admin.display(description="Conversation")
    def in_conversation(self, run: Run) -> str:
        return link_to(run.conversation)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cancel)
        return [path("<uuid:run_id>/cancel/", view, name="conversations_run_cancel"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("conversation", "owner")

    def page_context(self, request: HttpRequest, obj: Run) -> dict[str, Any]:
        return {
            "entries": timelines.of_run(obj),
            "models": token_usage.by_model_of(run_id=obj.id),
            "may_cancel": request.user.has_perm(CANCEL) and RunStatus(obj.status) not in TERMINAL,
        }

    def cancel(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        def act() -> str:
            with transaction.atomic():
                run = runs.find_anybodys(run_id)
                before = {"status": str(run.status)}
                run = runs.cancel_run(run=run, now=timezone.now())
                after = {"status": str(run.status)}
                audit.record(request.user, "run.cancelled", run, before, after, request)
            return f"The run is {run.status}."

        return do(request, CANCEL, act, back_to=reverse("admin:conversations_run_change", args=[run_id]))


@admin.register(ModelCall)
class ModelCallAdmin(AuditedAdmin):
    list_display = [
        "id",
        "model",
        "state",
        "owner",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "first_token_seconds",
        "started_at",
    ]
    list_select_related = ["owner"]
    list_filter = ["status", MadeFilter]
    search_fields = ["id__exact", "run__id__exact", "owner__username__exact"]
    search_help_text = "Id of a call or a run, or a user name"
    ordering = ["-id"]

    @admin.display(description="Cost (USD)")
    def cost_usd(self, call: ModelCall) -> str:
        return "" if call.cost_micros is None else f"{call.cost_micros / MICROS:.6f}"

    @admin.display(description="First token (s)")
    def first_token_seconds(self, call: ModelCall) -> str:
        taken = timelines.seconds_between(call.started_at, call.first_token_at)
        return "" if taken is None else f"{taken:.2f}"


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = [
        "hostname",
        "process_id",
        "concurrency",
        "state",
        "started_at",
        "heartbeat_at",
        "lease_expires_at",
    ]
    ordering = ["-heartbeat_at"]

    @admin.display(description="State")
    def state(self, row: Worker) -> str:
        if row.lease_expires_at <= timezone.now():
            return chip("lost")
        return chip("draining" if row.draining else "running")
