"""The queue of ads that wait for a reviewer: read, approve or reject, one or many, and take back what was hasty."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import review_queue, units
from ads.admin.staff import StaffList, as_id, button, link, page, require, row_or_404
from ads.models import AdUnit, UnitReview
from penguin_site.errors import DomainError

PERMISSION = "review_adunit"
# What is said most often; reviewers may write whatever they want.
REASONS = (
    "The landing page does not show what the ad promises.",
    "The claim needs proof.",
    "The text pretends to be part of the assistant's answer.",
    "The category does not fit.",
    "Spelling or grammar.",
)


@admin.register(UnitReview)
class UnitReviewAdmin(StaffList):
    """What was decided, by whom; `queue/` is where it is decided."""

    list_display = ["reviewed_at", "unit_link", "state", "reason", "reviewer"]
    list_select_related = ["unit", "reviewer"]
    ordering = ["-id"]
    search_help_text = "The number of a review"

    @display(description="Ad")
    def unit_link(self, review: UnitReview) -> SafeString:
        return link("adunit_change", review.content.get("title", ""), review.unit_id)

    @display(
        description="Decision", label={"approved": "success", "rejected": "danger", "withdrawn": "warning"}
    )
    def state(self, review: UnitReview) -> tuple[str, str]:
        return review.outcome, review.get_outcome_display()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.address("queue", self.queue, "queue/"),
            self.address("decide", self.decide, "decide/"),
            self.address("withdraw", self.withdraw, "<int:review_id>/withdraw/"),
            *super().get_urls(),
        ]

    def queue(self, request: HttpRequest) -> HttpResponse:
        require(request, PERMISSION)
        first = as_id(request.GET.get("first", ""))
        items, has_more = review_queue.waiting(first=first if isinstance(first, UUID) else None)
        context: dict[str, Any] = {
            "items": items,
            "has_more": has_more,
            "decided": review_queue.decided_last_by(request.user.pk),
            "reasons": REASONS,
            "at": request.GET.get("at", ""),
        }
        return page(self, request, "review_queue.html", "Ads to review", **context)

    def decide(self, request: HttpRequest) -> HttpResponse:
        """One ad (`unit`) or several (`chosen`), each as `<id>:<digest of what was read>`."""
        require(request, PERMISSION)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen = request.POST.getlist("unit") or request.POST.getlist("chosen")
        verdict = request.POST.get("verdict", "")
        if verdict not in ("approve", "reject") or not chosen:
            messages.error(request, "Choose ads, and approve or reject them.")
            return HttpResponseRedirect(self._queue())
        judged = [name for name in chosen if self._judge(request, name, verdict)]
        if judged:
            said = "approved" if verdict == "approve" else "rejected"
            messages.success(request, f"{len(judged)} ad{'s' * (len(judged) > 1)} {said}.")
        return HttpResponseRedirect(f"{self._queue()}?at={request.POST.get('next', '')[:36]}")

    def withdraw(self, request: HttpRequest, review_id: int) -> HttpResponse:
        require(request, PERMISSION)
        review = row_or_404(UnitReview.objects.all(), review_id)

        def act() -> str:
            units.withdraw(review, now=timezone.now(), reviewer=request.user, request=request)
            return "Taken back: the ad waits again."

        return button(request, PERMISSION, act, back_to=f"{self._queue()}?first={review.unit_id}")

    def _judge(self, request: HttpRequest, name: str, verdict: str) -> bool:
        """Whether it was this reviewer who decided it; who was first, or what has changed, is told."""
        identifier, _, digest = name.partition(":")
        unit = AdUnit.objects.filter(pk=as_id(identifier)).first() if as_id(identifier) else None
        if unit is None:
            messages.error(request, "There is no such ad.")
            return False
        facts = {"now": timezone.now(), "reviewer": request.user, "request": request}
        try:
            if unit.review == AdUnit.Review.PENDING and review_queue.digest_of(unit) != digest:
                raise units.NotInReview("It was changed while you read it: look at it again.")
            act: Callable[..., Any] = units.approve if verdict == "approve" else units.reject
            if verdict == "reject":
                facts["reason"] = request.POST.get("reason", "")
            act(unit, **facts)
        except DomainError as error:
            messages.error(request, f"{unit.title}: {error.message}")
            return False
        return True

    def _queue(self) -> str:
        return reverse("admin:ads_unitreview_queue")
