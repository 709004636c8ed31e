"""Campaigns, with how much of their budgets is spent and held."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import campaigns
from ads.admin.staff import StaffList, button, link, named, row_or_404
from ads.core.books import LIVE
from ads.core.days import local_day
from ads.core.shown_money import dollars
from ads.models import Campaign, CampaignBudget, CampaignDay

UNITS = 50
STATUS_LABELS = {"draft": "info", "running": "success", "paused": "warning", "ended": "danger"}
# What staff may do: the rest is the advertiser's matter.
STAFF_MOVES = {"paused": "Pause", "running": "Resume"}


@dataclass(frozen=True, slots=True)
class Bar:
    """Of a budget: what is spent and held, in micros and percent of the cap. `cap` None is no limit."""

    label: str
    cap: int | None
    spent: int
    held: int

    @property
    def spent_percent(self) -> int:
        return 100 * self.spent // self.cap if self.cap else 0

    @property
    def held_percent(self) -> int:
        return 100 * self.held // self.cap if self.cap else 0

    @property
    def is_full(self) -> bool:
        return self.cap is not None and self.spent + self.held >= self.cap

    @property
    def said(self) -> str:
        limit = f" of {dollars(self.cap)}" if self.cap is not None else ", no limit"
        return f"{self.label}: {dollars(self.spent)} spent{limit}"


@admin.register(Campaign)
class CampaignAdmin(StaffList):
    list_display = ["campaign_name", "sponsor", "pricing", "bid", "state", "budgets", "created_at"]
    list_select_related = ["advertiser"]
    list_filter = ["status"]
    search_names = ("name",)
    search_help_text = "The beginning of a name, or an id"
    ordering = ["-created_at"]
    object_template = "campaign.html"

    def add_to_rows(self, rows: list[Any]) -> None:
        for row, bars in zip(rows, bars_of(rows), strict=True):
            row.bars = bars

    @display(description="Campaign")
    def campaign_name(self, row: Campaign) -> SafeString:
        return named(row.name)

    @display(description="Advertiser")
    def sponsor(self, row: Campaign) -> SafeString:
        return link("advertiser_change", row.advertiser.name, row.advertiser_id)

    @display(description="Bid")
    def bid(self, row: Campaign) -> str:
        return dollars(row.bid_cents * 10_000)

    @display(description="Status", label=STATUS_LABELS)
    def state(self, row: Campaign) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description="Budget")
    def budgets(self, row: Any) -> SafeString:
        return render_to_string("admin/ads/bars.html", {"bars": row.bars})

    def object_context(self, request: HttpRequest, row: Campaign) -> dict[str, Any]:
        (bars,) = bars_of([row])
        moves = [
            (target, word)
            for target, word in STAFF_MOVES.items()
            if row.status == ("running" if target == "paused" else "paused")
        ]
        return {
            "bars": bars,
            "units": row.units.order_by("-changed_at")[:UNITS],
            "days": row.days.filter(book=LIVE).order_by("-day")[:14],
            "moves": moves if request.user.has_perm("ads.change_campaign") else [],
            "state_label": STATUS_LABELS[row.status],
        }

    def get_urls(self) -> list[URLPattern]:
        return [self.address("move", self.move, "<uuid:campaign_id>/move/"), *super().get_urls()]

    def move(self, request: HttpRequest, campaign_id: UUID) -> HttpResponse:
        row = row_or_404(Campaign.objects.all(), campaign_id)

        def act() -> str:
            target = request.POST.get("to", "")
            if target not in STAFF_MOVES:
                raise campaigns.IllegalMove
            campaigns.move_by_staff(row, target, actor=request.user, request=request)
            return f"The campaign is {target}."

        return button(
            request, "change_campaign", act, back_to=reverse("admin:ads_campaign_change", args=[campaign_id])
        )


def bars_of(rows: list[Campaign]) -> list[list[Bar]]:
    """The total and today of each campaign in the live book, in two statements."""
    now = timezone.now()
    today = {row.pk: local_day(now, row.advertiser.time_zone) for row in rows}
    totals = {
        each.campaign_id: each for each in CampaignBudget.objects.filter(book=LIVE, campaign_id__in=today)
    }
    days = {
        (each.campaign_id, each.day): each
        for each in CampaignDay.objects.filter(book=LIVE, campaign_id__in=today, day__in=set(today.values()))
    }
    return [
        [
            _bar("Total", row.total_budget_micros, totals.get(row.pk)),
            _bar("Today", row.daily_budget_micros, days.get((row.pk, today[row.pk]))),
        ]
        for row in rows
    ]


def _bar(label: str, cap: int | None, row: CampaignBudget | CampaignDay | None) -> Bar:
    return Bar(label, cap, row.spent_micros if row else 0, row.held_micros if row else 0)
