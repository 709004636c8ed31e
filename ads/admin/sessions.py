"""Sessions, to read: who spoke with which business, how it ended, and, for those who may, what was said."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from ads.admin.staff import OfDecisions
from ads.core.books import LIVE
from ads.core.ids import month_of
from ads.core.shown_money import dollars
from ads.models import AdUnit, DecisionUnit, Session
from penguin_site import audit
from penguin_site.audit.staff_lists import MadeFilter

STATE_LABELS = {"active": "info", "completed": "success", "expired": "warning", "aborted": "danger"}


@admin.register(Session)
class SessionAdmin(OfDecisions):
    list_display = [
        "started_at", "state_name", "agent_link", "campaign_link", "decision_link", "message_count", "escrow",
        "reaction", "book_name",
    ]  # fmt: skip
    list_select_related = ["agent", "campaign"]
    list_filter = ["state", MadeFilter]
    search_help_text = "The id of a session (ses_…), of an agent (agt_…) or of a decision (dec_…)"
    ordering = ["-id"]
    object_template = "session.html"

    @display(description="State", label=STATE_LABELS)
    def state_name(self, row: Session) -> str:
        return row.state

    @display(description="In escrow")
    def escrow(self, row: Session) -> str:
        return dollars(row.escrow_micros) if row.escrow_micros else ""

    def object_context(self, request: HttpRequest, row: Session) -> dict[str, Any]:
        may_read = request.user.has_perm("ads.view_sessionmessage")
        after = {"part": "messages"} if may_read else None
        audit.record(request.user, "staff.looked", row, after=after, request=request)
        ids = {"decision_id": row.decision_id, "unit_id": row.unit_id}
        known = row.structured_data if may_read else {}
        return {
            "state_label": STATE_LABELS[row.state],
            "is_live": row.book == LIVE,
            "unit": AdUnit.objects.filter(pk=row.unit_id).first(),
            "shown": DecisionUnit.objects.filter(month=month_of(row.decision_id), **ids).first(),
            "may_read": may_read,
            "said": row.messages.order_by("position") if may_read else [],
            "asked": [(name, known.get(name, "")) for name in row.required_fields],
            "volunteered": [
                (name, value) for name, value in known.items() if name not in row.required_fields
            ],
        }
