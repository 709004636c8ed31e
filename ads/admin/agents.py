"""Agents: who may have live access, what they earn, and how right their predictions are."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import agents, ledger, payouts
from ads.admin import decisions
from ads.admin.staff import StaffList, button, named, row_or_404
from ads.core.books import LIVE, account_id
from ads.core.shown_money import dollars
from ads.models import Account, AdKey, Agent, Payout

SHOWN = 20
STATUS_LABELS = {"pending_review": "warning", "active": "success", "suspended": "danger"}


@admin.register(Agent)
class AgentAdmin(StaffList):
    list_display = ["agent_name", "email", "state", "share", "balance", "created_at"]
    list_filter = ["status"]
    search_names = ("name",)
    search_help_text = "The beginning of a name, or an id (agt_…)"
    ordering = ["-created_at"]
    actions = ["approve_chosen", "suspend_chosen"]
    object_template = "agent.html"

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ads.approve_agent")

    def add_to_rows(self, rows: list[Any]) -> None:
        accounts = {account_id(LIVE, Account.Kind.AGENT, row.pk): row for row in rows}
        balances = dict(Account.objects.filter(pk__in=accounts).values_list("pk", "balance_micros"))
        for identifier, row in accounts.items():
            row.balance_micros = balances.get(identifier, 0)

    @display(description="Agent")
    def agent_name(self, row: Agent) -> SafeString:
        return named(row.name)

    @display(description="Developer")
    def email(self, row: Agent) -> SafeString:
        return named(row.owner_email)

    @display(description="Status", label=STATUS_LABELS)
    def state(self, row: Agent) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description="Share")
    def share(self, row: Agent) -> str:
        return share_of(row)

    @display(description="Owed")
    def balance(self, row: Any) -> str:
        return dollars(row.balance_micros)

    def object_context(self, request: HttpRequest, row: Agent) -> dict[str, Any]:
        may_approve = request.user.has_perm("ads.approve_agent")
        return {
            "share": share_of(row),
            "balance": ledger.balance(ledger.agent_account(row.pk)),
            "payable": payouts.payable(row.pk, now=timezone.now()),
            "account_id": account_id(LIVE, Account.Kind.AGENT, row.pk),
            "keys": AdKey.objects.filter(agent=row).order_by("-id")[:SHOWN],
            "payouts": Payout.objects.filter(agent=row)
            .select_related("batch", "result")
            .order_by("-created_at")[:SHOWN],
            "may_approve": may_approve and row.status != Agent.Status.ACTIVE,
            "may_suspend": may_approve and row.status != Agent.Status.SUSPENDED,
            "state_label": STATUS_LABELS[row.status],
        }

    @admin.action(description="Give live access", permissions=["approve"])
    def approve_chosen(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self._set(request, queryset, Agent.Status.ACTIVE, "have live access now")

    @admin.action(description="Suspend", permissions=["approve"])
    def suspend_chosen(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self._set(request, queryset, Agent.Status.SUSPENDED, "are suspended now")

    def get_urls(self) -> list[URLPattern]:
        return [
            *decisions.addresses(),
            self.address("set_status", self.set_status, "<uuid:agent_id>/status/"),
            *super().get_urls(),
        ]

    def set_status(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        row = row_or_404(Agent.objects.all(), agent_id)

        def act() -> str | None:
            is_live = request.POST.get("to") == Agent.Status.ACTIVE
            status = Agent.Status.ACTIVE if is_live else Agent.Status.SUSPENDED
            note = request.POST.get("note", "").strip()[:200]
            if agents.set_status(row, status, note=note, actor=request.user, request=request):
                return f"The agent is {status.label.lower()} now. Keys notice within seconds."
            messages.warning(request, f"Somebody was faster: the agent is {status.label.lower()} already.")
            return None

        return button(
            request, "approve_agent", act, back_to=reverse("admin:ads_agent_change", args=[agent_id])
        )

    def _set(self, request: HttpRequest, rows: QuerySet[Agent], status: Agent.Status, said: str) -> None:
        facts = {"actor": request.user, "request": request}
        changed = sum(agents.set_status(row, status, **facts) for row in rows)
        messages.success(request, f"{changed} agents {said}; {len(rows) - changed} were so before.")


def share_of(agent: Agent) -> str:
    whole, rest = divmod(agent.share_bps, 100)
    return f"{whole}.{rest:02d} %" if rest else f"{whole} %"
