"""Feedback on answers that is to be reviewed, and exported as an evaluation set."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from conversations import feedback, feedback_queue
from conversations.models import MessageFeedback
from penguin_site.audit import record
from penguin_site.audit.staff_pages import AuditedAdmin
from penguin_site.errors import DomainError

TEMPLATES = "admin/conversations/messagefeedback"
EXPORT = "conversations.export_messagefeedback"
MOST_EXPORTED = 1_000

STATUSES = {
    "waiting": "New and in review",
    "new": "New",
    "in_review": "In review",
    "done": "Done",
    "all": "All",
}
RATINGS = {"": "Up and down", "down": "Down", "up": "Up"}


@admin.register(MessageFeedback)
class MessageFeedbackAdmin(AuditedAdmin):
    """Its list is the review: each thumb beside what it is about."""

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site.admin_view
        own = [
            path(
                "<int:feedback_id>/review/",
                site(self.review_view),
                name="conversations_messagefeedback_review",
            ),
            path("export/", site(self.export_view), name="conversations_messagefeedback_export"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self._check_view(request)
        record(
            request.user,
            "staff.listed",
            self.model._meta.label_lower,
            after={"query": request.GET.dict()},
            request=request,
        )
        status = request.GET.get("status", "waiting")
        rating = request.GET.get("rating", "")
        is_mine = request.GET.get("assignee") == "me"
        after = request.GET.get("after", "")
        page = feedback_queue.feedback_page(
            status="" if status == "all" or status not in STATUSES else status,
            rating=rating if rating in RATINGS else "",
            assignee_id=request.user.pk if is_mine else None,
            after=int(after) if after.isascii() and after.isdigit() and len(after) < 19 else None,
        )
        following = request.GET.copy()
        following["after"] = str(page.next_after or "")
        return self._page(
            request,
            "queue.html",
            "Feedback review",
            rows=page.rows,
            statuses=STATUSES,
            ratings=RATINGS,
            chosen={"status": status, "rating": rating, "is_mine": is_mine},
            next_page=f"?{following.urlencode()}" if page.next_after else "",
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """One thumb with the whole question and answer."""
        self._check_view(request)
        found = self.get_object(request, object_id) if object_id else None
        if found is None:
            raise Http404("There is no such feedback.")
        record(request.user, "staff.looked", found, request=request)
        (row,) = feedback_queue.material_of([found])
        return self._page(request, "page.html", "Feedback", row=row, alone=True)

    def review_view(self, request: HttpRequest, feedback_id: int) -> HttpResponse:
        self._check_post(request)

        def review() -> str:
            found = MessageFeedback.objects.select_related("assignee").filter(pk=feedback_id).first()
            if found is None:
                raise feedback.FeedbackNotFound
            status, assignee = _wished(request, found)
            feedback.review(
                feedback_id=feedback_id,
                seen=request.POST.get("seen", ""),
                status=status,
                assignee=assignee,
                labels=request.POST.get("labels", "").split(","),
                note=request.POST.get("note", "").replace("\r\n", "\n"),
                by=request.user,
                now=timezone.now(),
                request=request,
            )
            return f"Saved: {STATUSES[status].lower()}."

        return _told(request, review)

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """The chosen ones as JSON lines."""
        self._check_post(request)
        if not request.user.has_perm(EXPORT):
            raise PermissionDenied
        ids = [int(text) for text in request.POST.getlist("feedback") if text.isdigit()][:MOST_EXPORTED]
        if not ids:
            messages.error(request, "Choose what to export first.")
            return _back(request)
        record(
            request.user,
            "feedback.exported",
            self.model._meta.label_lower,
            after={"ids": ids},
            request=request,
        )
        name = f"evaluation-{timezone.now():%Y%m%d-%H%M%S}.jsonl"
        return HttpResponse(
            "".join(feedback_queue.evaluation_set(ids)),
            content_type="application/jsonl",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _check_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _check_post(self, request: HttpRequest) -> None:
        self._check_view(request)
        if request.method != "POST":
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "may_review": request.user.has_perm(feedback.REVIEW),
            "may_export": request.user.has_perm(EXPORT),
        }
        return TemplateResponse(request, f"{TEMPLATES}/{template}", {**frame, **context})


def _wished(request: HttpRequest, found: MessageFeedback) -> tuple[str, Any]:
    """(status, assignee) that the pressed button asks for."""
    match request.POST.get("action"):
        case "take":
            return "in_review", request.user
        case "done":
            return "done", found.assignee or request.user
        case "leave":
            return "new", None
        case "reopen":
            return "in_review", found.assignee or request.user
    return found.review_status, found.assignee


def _told(request: HttpRequest, act: Callable[[], str]) -> HttpResponseRedirect:
    try:
        messages.success(request, act())
    except DomainError as error:
        messages.error(request, error.message)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    target = request.POST.get("back", "")
    ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return HttpResponseRedirect(target if ours else reverse("admin:conversations_messagefeedback_changelist"))
