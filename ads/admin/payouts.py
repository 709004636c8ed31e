"""Earnings and payouts: who is owed what, batches for the bank, and what the bank has answered."""

import csv
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import payout_results, payouts
from ads.admin.forms import BatchForm, ResultsForm
from ads.admin.staff import StaffList, done, named, page, require, row_or_404
from ads.core.micros import MICROS_PER_CENT, MICROS_PER_DOLLAR
from ads.core.shown_money import dollars
from ads.models import Agent, Payout, PayoutBatch
from penguin_site import audit

EARNERS = 100


@admin.register(PayoutBatch)
class PayoutBatchAdmin(StaffList):
    list_display = ["made_on", "payouts_count", "amount", "answered", "made_by"]
    list_select_related = ["made_by"]
    search_help_text = "The id of a batch"
    ordering = ["-created_at"]
    list_before_template = "admin/ads/batch_list_head.html"
    object_template = "batch.html"

    def add_to_rows(self, rows: list[Any]) -> None:
        sums = (
            Payout.objects.filter(batch__in=[row.pk for row in rows])
            .values_list("batch")
            .annotate(Count("pk"), Sum("amount_micros"), Count("result"))
        )
        figures = {batch: rest for batch, *rest in sums}
        for row in rows:
            row.figures = figures.get(row.pk, [0, 0, 0])

    @display(description="Batch")
    def made_on(self, row: PayoutBatch) -> SafeString:
        return named(f"{row.created_at:%Y-%m-%d %H:%M}")

    @display(description="Payouts")
    def payouts_count(self, row: Any) -> int:
        return row.figures[0]

    @display(description="Amount")
    def amount(self, row: Any) -> str:
        return dollars(row.figures[1])

    @display(description="Answered by the bank")
    def answered(self, row: Any) -> str:
        return f"{row.figures[2]} of {row.figures[0]}"

    def get_urls(self) -> list[URLPattern]:
        return [
            self.address("earnings", self.earnings, "earnings/"),
            self.address("pay_out", self.pay_out, "pay-out/"),
            self.address("export", self.export, "<uuid:batch_id>/export/"),
            self.address("import", self.import_results, "<uuid:batch_id>/import/"),
            *super().get_urls(),
        ]

    def object_context(self, request: HttpRequest, row: PayoutBatch) -> dict[str, Any]:
        made = payouts.of_batch(row)
        results = [payout.result.outcome if hasattr(payout, "result") else "" for payout in made]
        return {
            "payouts": list(zip(made, results, strict=True)),
            "total": sum(payout.amount_micros for payout in made),
            "paid": results.count("paid"),
            "returned": results.count("returned"),
            "open": results.count(""),
            "form": ResultsForm(),
            "may_export": request.user.has_perm("ads.export_payoutbatch"),
            "may_import": request.user.has_perm("ads.settle_payoutbatch"),
        }

    def earnings(self, request: HttpRequest) -> HttpResponse:
        """Who is owed most; how much of it is settled and would be paid now."""
        require(request, "view_payoutbatch")
        minimum = settings.PENGUIN_AD_MINIMUM_PAYOUT_CENTS * MICROS_PER_CENT
        accounts = list(payouts.earners(minimum_micros=1).order_by("-balance_micros", "id")[:EARNERS])
        owners = Agent.objects.in_bulk([account.owner_id for account in accounts])
        payable = payouts.payable_of(list(owners), now=timezone.now())
        context = {
            "rows": [
                (owners[account.owner_id], account, payable[account.owner_id])
                for account in accounts
                if account.owner_id in owners
            ],
            "due": sum(amount for amount in payable.values() if amount >= minimum),
            "due_count": sum(amount >= minimum for amount in payable.values()),
            "minimum": minimum,
            "is_cut": len(accounts) == EARNERS,
            "form": BatchForm(initial={"minimum": f"{minimum / MICROS_PER_DOLLAR:.2f}", "batch": uuid4()}),
            "may_pay": request.user.has_perm("ads.add_payoutbatch"),
        }
        return page(self, request, "earnings.html", "Earnings", **context)

    def pay_out(self, request: HttpRequest) -> HttpResponse:
        require(request, "add_payoutbatch")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = BatchForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Give the least amount that is paid out, in dollars.")
            return HttpResponseRedirect(self._named("earnings"))
        batch_id: UUID = form.cleaned_data["batch"]
        made: list[Payout] = []

        def act() -> str | None:
            made.extend(
                payouts.pay_out(
                    minimum_micros=form.cleaned_data["minimum"],
                    now=timezone.now(),
                    batch_id=batch_id,
                    actor=request.user,
                    request=request,
                )
            )
            if not made:
                messages.warning(request, "Nobody has so much that is settled: nothing was paid out.")
                return None
            return f"{len(made)} payouts, {dollars(sum(payout.amount_micros for payout in made))}."

        done(request, act)
        if made or PayoutBatch.objects.filter(pk=batch_id).exists():
            return HttpResponseRedirect(reverse("admin:ads_payoutbatch_change", args=[batch_id]))
        return HttpResponseRedirect(self._named("earnings"))

    def export(self, request: HttpRequest, batch_id: UUID) -> HttpResponse:
        require(request, "export_payoutbatch")
        batch = row_or_404(PayoutBatch.objects.all(), batch_id)
        audit.record(request.user, "payouts.batch_exported", batch, request=request)
        name = f"payouts-{batch.created_at:%Y-%m-%d}-{batch.pk.hex[:8]}.csv"
        response = HttpResponse(
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )
        csv.writer(response).writerows(payouts.export(payouts.of_batch(batch)))
        return response

    def import_results(self, request: HttpRequest, batch_id: UUID) -> HttpResponse:
        require(request, "settle_payoutbatch")
        batch = row_or_404(PayoutBatch.objects.all(), batch_id)
        form = ResultsForm(request.POST or None, request.FILES or None)
        back_to = reverse("admin:ads_payoutbatch_change", args=[batch_id])
        if request.method != "POST" or not form.is_valid():
            messages.error(request, "Choose the file of the bank: CSV, 2 MB at most.")
            return HttpResponseRedirect(back_to)

        def act() -> str:
            lines = payout_results.read(form.cleaned_data["file"])
            found = payout_results.take_in(
                batch, lines, now=timezone.now(), actor=request.user, request=request
            )
            for problem in found.problems[:10]:
                messages.error(request, problem)
            if len(found.problems) > 10:
                messages.error(request, f"And {len(found.problems) - 10} more lines that do not fit.")
            return f"{found.paid} paid, {found.returned} returned, {found.repeated} known before."

        done(request, act)
        return HttpResponseRedirect(back_to)

    def _named(self, name: str) -> str:
        return reverse(f"admin:ads_payoutbatch_{name}")
