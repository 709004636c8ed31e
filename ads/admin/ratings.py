"""Ratings of businesses by agents' users, to read."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads.admin.staff import OfDecisions, link, named
from ads.models import AdUnit, Rating


@admin.register(Rating)
class RatingAdmin(OfDecisions):
    list_display = [
        "created_at", "stars", "words", "unit_link", "campaign_link", "agent_link", "decision_link", "book_name",
    ]  # fmt: skip
    list_display_links = None  # all of it stands in the list
    list_select_related = ["agent"]
    list_filter = ["rating"]
    search_help_text = "The number of a rating, the id of an agent (agt_…) or of a decision (dec_…)"
    ordering = ["-id"]

    def add_to_rows(self, rows: list[Any]) -> None:
        units = AdUnit.objects.select_related("campaign").in_bulk([row.unit_id for row in rows])
        for row in rows:
            row.unit = units.get(row.unit_id)

    @display(description="Stars")
    def stars(self, row: Rating) -> str:
        return f"{row.rating} of 5"

    @display(description="Said")
    def words(self, row: Rating) -> SafeString:
        return named(row.text)

    @display(description="Ad")
    def unit_link(self, row: Any) -> SafeString | str:
        return link("adunit_change", row.unit.title, row.unit_id) if row.unit else ""

    @display(description="Campaign")
    def campaign_link(self, row: Any) -> SafeString | str:
        return link("campaign_change", row.unit.campaign, row.unit.campaign_id) if row.unit else ""
