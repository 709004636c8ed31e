"""Feedback on answers that is to be reviewed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from conversations import feedback
from conversations.models import MessageFeedback
from penguin_site import audit
from penguin_site.audit.staff_pages import AuditedAdmin


class ReviewForm(forms.ModelForm):
    review_status = forms.ChoiceField(choices=[(status, status) for status in feedback.REVIEW_STATUSES])

    class Meta:
        model = MessageFeedback
        fields = ["review_status"]


@admin.register(MessageFeedback)
class MessageFeedbackAdmin(AuditedAdmin):
    """The review queue: what is new comes first."""

    form = ReviewForm
    list_display = ["rating", "review_status", "beginning", "comment", "tags", "user", "updated_at"]
    list_display_links = ["rating", "beginning"]
    list_select_related = ["message", "user"]
    list_filter = ["review_status", "rating"]
    search_fields = ["comment", "user__username"]
    ordering = ["-updated_at"]
    fields = ["rating", "comment", "tags", "user", "said", "created_at", "updated_at", "review_status"]
    readonly_fields = ["rating", "comment", "tags", "user", "said", "created_at", "updated_at"]
    actions = ["take", "close"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return ModelAdmin.has_change_permission(self, request, obj)

    @admin.display(description="Message")
    def beginning(self, row: MessageFeedback) -> str:
        return row.message.content[:120]

    @admin.display(description="Message")
    def said(self, row: MessageFeedback) -> str:
        return row.message.content

    def save_model(self, request: HttpRequest, obj: MessageFeedback, form: Any, change: bool) -> None:
        _review(request, MessageFeedback.objects.filter(pk=obj.pk), form.cleaned_data["review_status"])

    @admin.action(description="Take into review", permissions=["change"])
    def take(self, request: HttpRequest, queryset: QuerySet[MessageFeedback]) -> None:
        _review(request, queryset, "in_review")

    @admin.action(description="Mark as done", permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[MessageFeedback]) -> None:
        _review(request, queryset, "done")


def _review(request: HttpRequest, rows: QuerySet[MessageFeedback], status: str) -> None:
    with transaction.atomic():
        for row in rows:
            before = {"review_status": row.review_status}
            feedback.review(feedback_id=row.pk, status=status)
            audit.record(
                request.user,
                "feedback.reviewed",
                row,
                before=before,
                after={"review_status": status},
                request=request,
            )
