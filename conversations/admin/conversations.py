"""Conversations, their runs and messages: to read, each look audited."""

from django.contrib import admin

from conversations.models import Conversation, Message, Run
from penguin_site.audit.staff_pages import AuditedAdmin


@admin.register(Conversation)
class ConversationAdmin(AuditedAdmin):
    list_display = ["session_id", "owner", "title", "message_count", "open_runs", "last_active", "archived"]
    list_select_related = ["owner"]
    list_filter = ["archived"]
    search_fields = ["session_id", "title", "owner__username"]
    ordering = ["-last_active"]


@admin.register(Run)
class RunAdmin(AuditedAdmin):
    list_display = [
        "id",
        "conversation",
        "owner",
        "status",
        "attempt",
        "created_at",
        "started_at",
        "finished_at",
    ]
    list_select_related = ["conversation", "owner"]
    list_filter = ["status"]
    search_fields = ["id__exact", "conversation__session_id__exact", "owner__username"]
    ordering = ["-created_at"]


@admin.register(Message)
class MessageAdmin(AuditedAdmin):
    list_display = ["id", "conversation", "owner", "role", "excerpt", "created_at"]
    list_select_related = ["conversation", "owner"]
    list_filter = ["role"]
    search_fields = ["id__exact", "conversation__session_id__exact", "owner__username"]
    ordering = ["-created_at"]
    exclude = ["body_hash"]

    @admin.display(description="Beginning")
    def excerpt(self, message: Message) -> str:
        return message.content[:120]
