"""Conversations and their messages: to read, each look audited."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from conversations import event_pages, token_usage
from conversations.models import Conversation, Message, Run
from penguin_site.audit import record
from penguin_site.audit.staff_lists import MadeFilter
from penguin_site.audit.staff_pages import AuditedAdmin
from penguin_site.audit.staff_texts import link_to, short

RUNS_SHOWN = 50
EVENTS_SHOWN = 100
_LARGEST_SEQ = (1 << 63) - 1


@admin.register(Conversation)
class ConversationAdmin(AuditedAdmin):
    """Its list; a page with its runs and what they cost; `events/`: its log. The transcript is a page of the site's."""

    list_display = [
        "shown_title",
        "owner",
        "session_id",
        "message_count",
        "open_runs",
        "last_active",
        "archived",
    ]
    list_select_related = ["owner"]
    list_filter = ["archived"]
    search_fields = ["session_id__startswith", "owner__username__exact"]
    search_help_text = "Beginning of a session id, or a user name"
    ordering = ["-id"]
    page_template = "admin/conversations/conversation/page.html"

    @admin.display(description="Conversation")
    def shown_title(self, conversation: Conversation) -> str:
        return short(conversation)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.events)
        return [
            path("<int:conversation_id>/events/", view, name="conversations_conversation_events"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Conversation) -> dict[str, Any]:
        runs = Run.objects.filter(conversation=obj).order_by("-turn")[:RUNS_SHOWN]
        return {
            "runs": runs,
            "most_runs": RUNS_SHOWN,
            "models": token_usage.by_model_of(conversation_id=obj.pk),
        }

    def events(self, request: HttpRequest, conversation_id: int) -> HttpResponse:
        """The log, newest first; `before` is the seq of the last event of the page in front, `run` narrows it down."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        conversation = Conversation.objects.select_related("owner").filter(pk=conversation_id).first()
        if conversation is None:
            raise Http404("There is no such conversation.")
        after = {"part": "events", "query": request.GET.dict()}
        record(request.user, "staff.looked", conversation, after=after, request=request)
        before = request.GET.get("before", "")
        seq = min(int(before), _LARGEST_SEQ) if before.isdecimal() else _LARGEST_SEQ
        found = event_pages.newest_before(conversation, before=seq, limit=EVENTS_SHOWN + 1)
        return self.staff_page(
            request,
            "admin/conversations/conversation/events.html",
            f"Events of {conversation}",
            original=conversation,
            events=found[:EVENTS_SHOWN],
            before=found[EVENTS_SHOWN - 1].seq if len(found) > EVENTS_SHOWN else None,
        )


@admin.register(Message)
class MessageAdmin(AuditedAdmin):
    list_display = ["id", "in_conversation", "owner", "role", "excerpt", "created_at"]
    list_select_related = ["conversation", "owner"]
    list_filter = ["role", MadeFilter]
    search_fields = ["id__exact", "conversation__session_id__startswith", "owner__username__exact"]
    search_help_text = "Id, beginning of a session id, or a user name"
    ordering = ["-id"]
    exclude = ["body_hash"]

    @admin.display(description="Beginning")
    def excerpt(self, message: Message) -> str:
        return short(message.content)

    @admin.display(description="Conversation")
    def in_conversation(self, message: Message) -> str:
        return link_to(message.conversation)
