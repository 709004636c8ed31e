"""Approvals of everybody's agents: what waits, decided from the list; what was decided; what is granted for longer."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from conversations import approvals, decisions, grants
from conversations.core import touched
from conversations.core.risk import Risk, risk_of
from conversations.models import Approval, Grant, Question
from penguin_site import audit
from penguin_site.audit.staff_lists import BoundedPaginator, MadeFilter
from penguin_site.audit.staff_pages import AuditedAdmin, do, require
from penguin_site.audit.staff_texts import link_to, short
from penguin_site.errors import InvalidField

DECIDE = "conversations.change_approval"
REVOKE = "conversations.change_grant"
CARDS = 20
MOST_FEEDBACK = 20_000
_INBOX = "admin:conversations_approval_inbox"


@dataclass(frozen=True, slots=True)
class Card:
    """An approval as somebody has to see it who decides about it."""

    approval: Approval
    risk: Risk
    why: str


def card_of(approval: Approval) -> Card:
    subject = approval.subject
    unknown = touched.StoredTouched(argvs=None)
    targets = touched.from_json(subject["targets"]) if "targets" in subject else unknown
    return Card(approval, *risk_of(approval.operation, targets, sandbox=subject.get("sandbox", "none")))


@admin.register(Approval)
class ApprovalAdmin(AuditedAdmin):
    """The list of all approvals, a page of each, and `inbox/`: what waits, the most urgent first."""

    list_display = [
        "tool_name",
        "resource_beginning",
        "owner",
        "state",
        "created_at",
        "expires_at",
        "resolved_by",
    ]
    list_select_related = ["owner", "resolved_by"]
    list_filter = ["status", MadeFilter]
    search_fields = ["id__exact", "run__id__exact", "owner__username__exact"]
    search_help_text = "Id of an approval or a run, or a user name"
    ordering = ["-id"]
    page_template = "admin/conversations/approval/page.html"

    @admin.display(description="About")
    def resource_beginning(self, approval: Approval) -> str:
        return short(approval.resource)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Approval]:
        return super().get_queryset(request).select_related("conversation", "owner", "resolved_by")

    def get_urls(self) -> list[URLPattern]:
        inbox = self.admin_site.admin_view(self.inbox)
        decide = self.admin_site.admin_view(self.decide)
        return [
            path("inbox/", inbox, name="conversations_approval_inbox"),
            path("<uuid:approval_id>/decide/", decide, name="conversations_approval_decide"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Approval) -> dict[str, Any]:
        is_open = obj.status == Approval.Status.PENDING and obj.expires_at > timezone.now()
        return {"card": card_of(obj), "may_decide": is_open and request.user.has_perm(DECIDE)}

    def inbox(self, request: HttpRequest) -> HttpResponse:
        require(request, "conversations.view_approval")
        audit.record(
            request.user, "staff.listed", "conversations.approval", after={"inbox": True}, request=request
        )
        pages = BoundedPaginator(approvals.pending_of_all(now=timezone.now()), CARDS)
        page: Page[Any] = pages.get_page(request.GET.get("page"))
        return self.staff_page(
            request,
            "admin/conversations/approval/inbox.html",
            "Approvals inbox",
            cards=[card_of(approval) for approval in page],
            page=page,
            may_decide=request.user.has_perm(DECIDE),
        )

    def decide(self, request: HttpRequest, approval_id: UUID) -> HttpResponse:
        """Yes or no to exactly what was shown: the form sends the digest of that."""

        def act() -> str:
            decided = decisions.decide_as_staff(
                approval_id, _choice(request), user=request.user, now=timezone.now(), request=request
            )
            return f"{decided.tool_name} was {decided.status}."

        return do(request, DECIDE, act, back_to=reverse(_INBOX))


def _choice(request: HttpRequest) -> decisions.Approve | decisions.Deny:
    # Without a digest nothing is known of what was shown: one that no call has is refused.
    digest = request.POST.get("digest") or "none"
    match request.POST.get("decision"):
        case "approve":
            return decisions.Approve(digest=digest)
        case "approve_session":
            return decisions.Approve(scope=grants.SESSION, digest=digest)
        case "deny":
            return decisions.Deny(feedback=request.POST.get("feedback", "")[:MOST_FEEDBACK], digest=digest)
    raise InvalidField("decision", "approve, approve_session or deny")


@admin.register(Grant)
class GrantAdmin(AuditedAdmin):
    """What agents may do without asking, and its end."""

    list_display = [
        "tool_name",
        "matched",
        "scope",
        "owner",
        "in_conversation",
        "created_at",
        "expires_at",
        "revoked_at",
    ]
    list_select_related = ["owner", "conversation"]
    list_filter = ["scope", ("revoked_at", admin.EmptyFieldListFilter), MadeFilter]
    search_fields = ["id__exact", "owner__username__exact"]
    search_help_text = "Id of a grant, or a user name"
    ordering = ["-id"]
    actions = ["revoke"]

    @admin.display(description="Conversation")
    def in_conversation(self, grant: Grant) -> str:
        return link_to(grant.conversation)

    @admin.display(description="Allows")
    def matched(self, grant: Grant) -> str:
        kind, pattern = grant.matcher.get("kind"), grant.matcher.get("pattern", "")
        return "every call" if kind == "any" else short(f"{kind} {pattern}")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(REVOKE)

    @admin.action(description="Revoke selected grants", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Grant]) -> None:
        now = timezone.now()
        standing = queryset.filter(revoked_at=None)
        revoked = [grants.revoke(grant, user=request.user, now=now, request=request) for grant in standing]
        self.message_user(request, f"{len(revoked)} grants revoked.")


@admin.register(Question)
class QuestionAdmin(AuditedAdmin):
    """What agents have asked their owners, to read: only they can answer."""

    list_display = ["beginning", "kind", "owner", "in_conversation", "state", "created_at", "expires_at"]
    list_select_related = ["owner", "conversation"]
    list_filter = ["status", "kind", MadeFilter]
    search_fields = ["id__exact", "run__id__exact", "owner__username__exact"]
    search_help_text = "Id of a question or a run, or a user name"
    ordering = ["-id"]

    @admin.display(description="Question")
    def beginning(self, question: Question) -> str:
        return short(question.text)

    @admin.display(description="Conversation")
    def in_conversation(self, question: Question) -> str:
        return link_to(question.conversation)
