"""Moderation rules to change, and who was warned or blocked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from conversations import moderation, moderation_rules
from conversations.core.moderation import CheckKind, excerpt_around, lines_of
from conversations.models import ModerationRule, UserBlock, UserWarning
from penguin_site.audit.staff_pages import AuditedAdmin, ReadOnlyAdmin

MOST_TRIED = 10_000
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

    list_before_template = "admin/conversations/moderationrule/try.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.try_view)
        return [path("try/", view, name="conversations_moderationrule_try"), *super().get_urls()]

    def try_view(self, request: HttpRequest) -> HttpResponse:
        """What the rules in force find in a text. Nothing of it is stored."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        text = request.POST.get("text", "")[:MOST_TRIED]
        try:
            found = moderation_rules.scored(text, moderation_rules.rules_in_force())
        except moderation_rules.NoEmbeddings as error:
            messages.error(request, error.message)
            found = []
        rows = [
            (
                finding,
                excerpt_around(text, finding.hit, most=160),
                finding.hit.score >= finding.rule.threshold,
            )
            for finding in sorted(found, key=lambda finding: finding.rule.threshold - finding.hit.score)
        ]
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Try the rules"}
        context = {**frame, "text": text, "rows": rows}
        return TemplateResponse(request, "admin/conversations/moderationrule/tried.html", context)

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
