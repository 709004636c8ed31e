"""Ads: the list of all, and a page for each with its preview, its review and what it is shown for."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import categories, policy, review_queue
from ads.admin.staff import StaffList, link, named
from ads.models import AdUnit

HISTORY = 20
REVIEW_LABELS = {
    "draft": "info", "pending_review": "warning", "approved": "success", "rejected": "danger",
}  # fmt: skip


@admin.register(AdUnit)
class AdUnitAdmin(StaffList):
    list_display = ["ad", "campaign_link", "sponsor", "ad_type", "state", "changed_at"]
    list_select_related = ["campaign__advertiser"]
    list_filter = ["review"]
    search_names = ("title",)
    search_help_text = "The beginning of a title, or an id"
    ordering = ["-changed_at"]
    list_before_template = "admin/ads/unit_list_head.html"
    object_template = "unit.html"

    @display(description="Ad")
    def ad(self, unit: AdUnit) -> SafeString:
        return named(unit.title)

    @display(description="Campaign")
    def campaign_link(self, unit: AdUnit) -> SafeString:
        return link("campaign_change", unit.campaign.name, unit.campaign_id)

    @display(description="Advertiser")
    def sponsor(self, unit: AdUnit) -> SafeString:
        return link("advertiser_change", unit.campaign.advertiser.name, unit.campaign.advertiser_id)

    @display(description="Review", label=REVIEW_LABELS)
    def state(self, unit: AdUnit) -> tuple[str, str]:
        return unit.review, unit.get_review_display()

    def object_context(self, request: HttpRequest, row: AdUnit) -> dict[str, Any]:
        hits = policy.hits_of(row, policy.phrases(), policy.blocked_categories())
        return {
            "item": review_queue.looked_at(row, hits),
            "reviews": row.reviews.select_related("reviewer").order_by("-id")[:HISTORY],
            "paths": [categories.tree().by_id[each].full_path for each in known(row.categories)],
            "may_review": request.user.has_perm("ads.review_adunit"),
            "state_label": REVIEW_LABELS[row.review],
        }


def known(category_ids: list[str]) -> list[str]:
    return [each for each in category_ids if each in categories.tree().by_id]
