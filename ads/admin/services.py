"""Service transactions, to read: what one agent did for another, and where the money for it is."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from ads.admin.staff import OfDecisions
from ads.core.books import LIVE
from ads.core.shown_money import dollars
from ads.models import AdUnit, ServiceTransaction
from ads.services import result_of
from penguin_site.audit.staff_lists import MadeFilter

STATE_LABELS = {"open": "info", "succeeded": "success", "failed": "danger", "expired": "warning"}


@admin.register(ServiceTransaction)
class ServiceTransactionAdmin(OfDecisions):
    list_display = [
        "opened_at", "state_name", "amount", "agent_link", "campaign_link", "decision_link", "ended_at",
        "book_name",
    ]  # fmt: skip
    list_select_related = ["agent", "campaign"]
    list_filter = ["state", MadeFilter]
    search_help_text = "The id of a transaction (txn_…), of an agent (agt_…) or of a decision (dec_…)"
    ordering = ["-id"]
    object_template = "service.html"

    @display(description="State", label=STATE_LABELS)
    def state_name(self, row: ServiceTransaction) -> str:
        return row.state

    @display(description="Price")
    def amount(self, row: ServiceTransaction) -> str:
        return dollars(row.amount_micros)

    def object_context(self, request: HttpRequest, row: ServiceTransaction) -> dict[str, Any]:
        return {
            "state_label": STATE_LABELS[row.state],
            "is_live": row.book == LIVE,
            "unit": AdUnit.objects.filter(pk=row.unit_id).first(),
            "result": result_of(row),
        }
