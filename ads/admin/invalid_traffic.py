"""Invalid traffic: what was marked, and ranges that staff takes back after having seen what that means."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import traffic_reversals
from ads.admin.forms import RangeForm
from ads.admin.staff import StaffList, link, named, page
from ads.core.ids import Mark, shown
from ads.models import InvalidMark, TrafficReversal
from penguin_site.errors import DomainError


@admin.register(InvalidMark)
class InvalidMarkAdmin(StaffList):
    list_display = ["marked_at", "event", "rule_name", "note_name", "reversal"]
    search_help_text = "The id of an event"
    ordering = ["-marked_at"]

    @display(description="Event")
    def event(self, row: InvalidMark) -> SafeString:
        return link("adevent_changelist", shown(Mark.EVENT, row.event_id), id=row.event_id)

    @display(description="Why", label={"crowded": "info", "staff": "warning"})
    def rule_name(self, row: InvalidMark) -> tuple[str, str]:
        return row.rule, row.get_rule_display()

    @display(description="Note")
    def note_name(self, row: InvalidMark) -> SafeString:
        return named(row.note)

    @display(description="Taken back by")
    def reversal(self, row: InvalidMark) -> SafeString | str:
        if row.reversal_id is None:
            return ""
        return link("ledgertransaction_change", shown(Mark.TRANSACTION, row.reversal_id), row.reversal_id)


@admin.register(TrafficReversal)
class TrafficReversalAdmin(StaffList):
    list_display = ["asked_at", "span", "whose", "progress", "state", "note_name", "asked_by"]
    list_select_related = ["agent", "campaign", "asked_by"]
    search_help_text = "The id of a reversal"
    ordering = ["-asked_at"]

    @display(description="Range")
    def span(self, row: TrafficReversal) -> str:
        return f"{row.since:%Y-%m-%d %H:%M} – {row.until:%Y-%m-%d %H:%M}"

    @display(description="Of")
    def whose(self, row: TrafficReversal) -> SafeString:
        if row.agent is not None:
            return link("agent_change", row.agent, row.agent_id)
        return link("campaign_change", row.campaign, row.campaign_id)

    @display(description="Events")
    def progress(self, row: TrafficReversal) -> str:
        return f"{row.marked_count} of {row.expected_count}"

    @display(description="State", label={"done": "success", "under way": "warning"})
    def state(self, row: TrafficReversal) -> str:
        return "done" if row.finished_at else "under way"

    @display(description="Why")
    def note_name(self, row: TrafficReversal) -> SafeString:
        return named(row.note)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ads.add_trafficreversal")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First a look (GET with the range), then the wish (POST with the number of events that was shown)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        form = RangeForm(given or None, initial={"until": timezone.now()})
        preview = None
        if given and form.is_valid():
            note, now = form.cleaned_data["note"], timezone.now()
            expected = given.get("expected", "")
            try:
                traffic_reversals.check(form.range(), note, now)
                if request.method == "POST" and expected.isascii() and expected.isdigit():
                    traffic_reversals.ask(
                        form.range(), note=note, expected_count=int(expected[:12]), now=now,
                        actor=request.user, request=request,
                    )  # fmt: skip
                    messages.success(request, "Asked for: the worker takes it back within a minute.")
                    return HttpResponseRedirect(reverse("admin:ads_trafficreversal_changelist"))
            except traffic_reversals.PreviewChanged as error:
                messages.warning(request, error.message)
            except DomainError as error:
                form.add_error(None, error.message)
            if not form.errors:
                preview = traffic_reversals.preview(form.range())
        return page(
            self, request, "take_back.html", "Take traffic back", form=form, preview=preview, given=given
        )
