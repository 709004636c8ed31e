"""Advertisers: made here, with what is in their wallets, their payments in, their campaigns and their statement."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import advertisers, statements
from ads.admin.forms import ChangedAdvertiserForm, NewAdvertiserForm, PaymentForm
from ads.admin.keys import AdKeyAdmin
from ads.admin.staff import StaffList, done, named, page, require, row_or_404
from ads.core.books import LIVE, account_id
from ads.core.shown_money import dollars
from ads.core.tokens import Environment
from ads.models import Account, AdKey, Advertiser, Wallet
from penguin_site.errors import DomainError

SHOWN = 20


@admin.register(Advertiser)
class AdvertiserAdmin(StaffList):
    list_display = [
        "advertiser_name",
        "environment",
        "organisation",
        "available",
        "spent",
        "is_active",
        "created_at",
    ]
    search_names = ("name",)
    search_help_text = "The beginning of a name, or an id"
    ordering = ["-created_at"]
    object_template = "advertiser.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ads.add_advertiser")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Advertiser]:
        live = Prefetch("wallets", Wallet.objects.filter(book=LIVE), to_attr="live_wallets")
        return super().get_queryset(request).prefetch_related(live)

    @display(description="Advertiser")
    def advertiser_name(self, row: Advertiser) -> SafeString:
        return named(row.name)

    @display(description="Available")
    def available(self, row: Advertiser) -> str:
        wallet = _wallet(row)
        return dollars(wallet.cap_micros - wallet.held_micros - wallet.spent_micros) if wallet else ""

    @display(description="Spent")
    def spent(self, row: Advertiser) -> str:
        wallet = _wallet(row)
        return dollars(wallet.spent_micros) if wallet else ""

    def object_context(self, request: HttpRequest, row: Advertiser) -> dict[str, Any]:
        is_live = row.environment == Environment.LIVE
        initial = {name: getattr(row, name) for name in advertisers.FIELDS}
        return {
            "figures": statements.figures(row),
            "campaigns": row.campaigns.order_by("-created_at")[:SHOWN],
            "keys": AdKey.objects.filter(advertiser=row).order_by("-id")[:SHOWN],
            "entries": statements.entries(row, before=None, limit=SHOWN),
            "account_id": account_id(LIVE, Account.Kind.WALLET, row.pk) if is_live else None,
            "change_form": ChangedAdvertiserForm(initial=initial),
            "payment_form": PaymentForm() if is_live else None,
        }

    def get_urls(self) -> list[URLPattern]:
        return [
            self.address("top_up", self.top_up, "<uuid:advertiser_id>/top-up/"),
            self.address("edit", self.edit, "<uuid:advertiser_id>/edit/"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewAdvertiserForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = dict(form.cleaned_data)
            given["environment"] = Environment(given["environment"])
            try:
                made, text = advertisers.create(
                    now=timezone.now(), actor=request.user, request=request, **given
                )
            except DomainError as error:
                form.add_error(None, error.message)
            else:
                key = AdKey.objects.select_related("advertiser").get(advertiser=made)
                key_admin = self.admin_site._registry[AdKey]
                assert isinstance(key_admin, AdKeyAdmin)
                return key_admin.show_once(request, key, text)
        return page(self, request, "form.html", "New advertiser", form=form, submit="Make")

    def edit(self, request: HttpRequest, advertiser_id: UUID) -> HttpResponse:
        require(request, "change_advertiser")
        row = row_or_404(Advertiser.objects.all(), advertiser_id)
        form = ChangedAdvertiserForm(request.POST or None)
        if request.method == "POST" and form.is_valid():

            def act() -> str:
                advertisers.change(row, actor=request.user, request=request, **form.cleaned_data)
                return "Changed."

            if done(request, act):
                return HttpResponseRedirect(self._address(row.pk))
        return page(self, request, "form.html", str(row), form=form, submit="Change")

    def top_up(self, request: HttpRequest, advertiser_id: UUID) -> HttpResponse:
        require(request, "top_up_wallet")
        row = row_or_404(Advertiser.objects.all(), advertiser_id)
        form = PaymentForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            amount = form.cleaned_data["amount"]

            def act() -> str:
                advertisers.top_up(
                    row.pk,
                    amount_micros=amount,
                    reference=form.cleaned_data["reference"],
                    now=timezone.now(),
                    actor=request.user,
                    request=request,
                )
                return f"{dollars(amount)} booked."

            if done(request, act):
                return HttpResponseRedirect(self._address(row.pk))
        return page(self, request, "form.html", f"Payment of {row}", form=form, submit="Book")

    def _address(self, identifier: UUID) -> str:
        return reverse("admin:ads_advertiser_change", args=[identifier])


def _wallet(row: Any) -> Wallet | None:
    return row.live_wallets[0] if row.live_wallets else None
