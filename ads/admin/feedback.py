"""Feedback on ads, reviewed: what agents predicted and what came of it, how often they are right, and what is void."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import feedback, predictions
from ads.admin.forms import ReasonForm
from ads.admin.staff import StaffList, as_id, button, link, page, require, row_or_404
from ads.core.books import LIVE
from ads.core.ids import month_of
from ads.core.shown_money import dollars
from ads.models import AdUnit, Conversion, DecisionUnit, Feedback

REACTION_LABELS = {"positive": "success", "neutral": "info", "negative": "danger"}
OUTCOME_LABELS = {
    "waits": "info", "right": "success", "wrong": "danger", "none": "info", "void": "warning",
}  # fmt: skip


@admin.register(Feedback)
class FeedbackAdmin(StaffList):
    list_display = [
        "created_at",
        "agent_link",
        "prediction",
        "source",
        "outcome",
        "bonus_amount",
        "book_name",
    ]
    list_select_related = ["agent", "bonus"]
    list_filter = ["reaction"]
    search_help_text = "The id of feedback (evt_…) or of an agent (agt_…)"
    ordering = ["-id"]
    list_before_template = "admin/ads/feedback_list_head.html"
    object_template = "feedback.html"

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        identifier = as_id(search_term)
        if search_term.strip().startswith("agt_") and isinstance(identifier, UUID):
            return queryset.filter(agent=identifier), False
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "agent__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[call-arg]

    def add_to_rows(self, rows: list[Any]) -> None:
        found = predictions.outcomes([row.pk for row in rows], now=timezone.now())
        for row in rows:
            row.outcome_name = found[row.pk]

    @display(description="Agent")
    def agent_link(self, row: Feedback) -> SafeString:
        return link("agent_change", row.agent, row.agent_id)

    @display(description="Prediction", label=REACTION_LABELS)
    def prediction(self, row: Feedback) -> str:
        return row.reaction

    @display(description="Read from")
    def source(self, row: Feedback) -> SafeString:
        return link("feedback_change", "the user's words" if row.is_detected else "the agent's word", row.pk)

    @display(description="Outcome", label=OUTCOME_LABELS)
    def outcome(self, row: Any) -> str:
        return row.outcome_name.value

    @display(description="Bonus")
    def bonus_amount(self, row: Feedback) -> str:
        return f"{dollars(row.bonus.amount_micros)} {row.bonus.state}" if hasattr(row, "bonus") else ""

    @display(description="Book")
    def book_name(self, row: Feedback) -> str:
        return "live" if row.book == LIVE else "test"

    def object_context(self, request: HttpRequest, row: Feedback) -> dict[str, Any]:
        outcome = predictions.outcomes([row.pk], now=timezone.now())[row.pk].value
        ids = {"decision_id": row.decision_id, "unit_id": row.unit_id}
        return {
            "outcome": outcome,
            "outcome_label": OUTCOME_LABELS[outcome],
            "reaction_label": REACTION_LABELS[row.reaction],
            "bonus": row.bonus if hasattr(row, "bonus") else None,
            "unit": AdUnit.objects.filter(pk=row.unit_id).first(),
            "shown": DecisionUnit.objects.filter(month=month_of(row.decision_id), **ids).first(),
            "conversion": Conversion.objects.filter(**ids).first(),
            "form": ReasonForm(),
            "may_void": request.user.has_perm("ads.void_feedback") and row.voided_at is None,
            "is_live": row.book == LIVE,
        }

    def get_urls(self) -> list[URLPattern]:
        return [
            self.address("accuracy", self.accuracy, "accuracy/"),
            self.address("void", self.void, "<uuid:feedback_id>/void/"),
            *super().get_urls(),
        ]

    def accuracy(self, request: HttpRequest) -> HttpResponse:
        require(request, "view_feedback")
        rows = predictions.accuracy(now=timezone.now())
        days = predictions.ACCURACY_WINDOW.days
        return page(self, request, "accuracy.html", "Accuracy of agents", rows=rows, days=days)

    def void(self, request: HttpRequest, feedback_id: UUID) -> HttpResponse:
        row = row_or_404(Feedback.objects.all(), feedback_id)

        def act() -> str:
            reason = request.POST.get("reason", "")
            feedback.void(row, reason=reason, now=timezone.now(), actor=request.user, request=request)
            return "Void: it counts for nothing, and a bonus that was set aside or paid was taken back."

        back_to = reverse("admin:ads_feedback_change", args=[feedback_id])
        return button(request, "void_feedback", act, back_to=back_to)
