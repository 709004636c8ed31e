"""Moderation rules to change, and who was warned or blocked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from conversations import moderation, moderation_rules
from conversations.core.moderation import CheckKind, lines_of
from conversations.models import ModerationRule, UserBlock, UserWarning
from penguin_site.audit.staff_pages import AuditedAdmin, ReadOnlyAdmin

_NEEDS = {CheckKind.PHRASES: "phrases", CheckKind.EXAMPLES: "examples"}


class RuleForm(forms.ModelForm):
    class Meta:
        model = ModerationRule
        fields = [
            "name",
            "is_on",
            "kind",
            "threshold",
            "applies_to",
            "phrases",
            "examples",
            "counterexamples",
            "only",
            "notice",
        ]
        widgets = {"only": UnfoldAdminTextInputWidget()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        needed = _NEEDS.get(cleaned.get("kind", ""))
        if needed and not lines_of(cleaned.get(needed) or ""):
            self.add_error(needed, "A rule of this kind needs at least one.")
        return cleaned


@admin.register(ModerationRule)
class ModerationRuleAdmin(ModelAdmin):
    """Rules are switched off, never deleted: what was decided by them must stay explainable."""

    form = RuleForm
    list_display = ["name", "is_on", "kind", "threshold", "applies_to", "updated_at"]
    list_filter = ["is_on", "kind"]
    ordering = ["name"]
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["name", "is_on", "applies_to", "notice"]}),
        (
            "What is found",
            {"fields": ["kind", "threshold", "phrases", "examples", "counterexamples", "only"]},
        ),
    ]

    # Fields that mean nothing to the chosen kind are not shown.
    conditional_fields = {
        "phrases": "kind == 'phrases'",
        "examples": "kind == 'examples'",
        "counterexamples": "kind == 'examples'",
        "only": "['profanity', 'personal', 'secrets'].includes(kind)",
    }

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ModerationRule, form: Any, change: bool) -> None:
        saved = moderation_rules.save_rule(
            rule_id=obj.pk if change else None,
            values=form.cleaned_data,
            by=request.user,
            now=timezone.now(),
            request=request,
        )
        obj.__dict__.update(saved.__dict__)


@admin.register(UserBlock)
class UserBlockAdmin(ReadOnlyAdmin):
    list_display = ["user", "reason", "blocked_at", "blocked_by", "lifted_at", "lifted_by"]
    list_select_related = ["user", "blocked_by", "lifted_by"]
    search_fields = ["user__username__exact"]
    search_help_text = "Whole user name"
    ordering = ["-blocked_at", "-id"]
    paginator = InfinitePaginator
    sortable_by = ()
    actions = ["lift"]

    def has_block_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(moderation.BLOCK))

    @admin.action(description="Lift the block", permissions=["block"])
    def lift(self, request: HttpRequest, queryset: QuerySet[UserBlock]) -> None:
        now = timezone.now()
        lifted = [
            moderation.lift_block(block=block, by=request.user, now=now, request=request)
            for block in queryset.filter(lifted_at__isnull=True)
        ]
        self.message_user(request, f"{sum(lifted)} blocks lifted.", messages.SUCCESS)


@admin.register(UserWarning)
class UserWarningAdmin(AuditedAdmin):
    """Taken back where the decision is: in the list of decisions."""

    list_display = ["user", "reason", "warned_at", "warned_by", "withdrawn_at", "withdrawn_by"]
    list_select_related = ["user", "warned_by", "withdrawn_by"]
    search_fields = ["user__username__exact"]
    search_help_text = "Whole user name"
    ordering = ["-warned_at", "-id"]
    paginator = InfinitePaginator
    sortable_by = ()
