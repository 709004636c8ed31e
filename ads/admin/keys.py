"""Keys of agents and advertisers: issued and rotated here, each text shown in one answer and never again."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import keys
from ads.admin.forms import KeyForm
from ads.admin.staff import StaffList, button, link, named, page, require, row_or_404
from ads.core.tokens import Environment
from ads.models import AdKey, Advertiser, Agent
from penguin_site.errors import DomainError

STATES = {"in use": "success", "ends soon": "warning", "ended": "info", "revoked": "danger"}


@admin.register(AdKey)
class AdKeyAdmin(StaffList):
    list_display = [
        "beginning",
        "holder",
        "environment",
        "state",
        "created_at",
        "last_used_at",
        "expires_at",
    ]
    list_select_related = ["agent", "advertiser"]
    search_help_text = "A key's beginning as it stands here, or the whole key"
    ordering = ["-id"]
    actions = ["revoke_chosen"]
    object_template = "key.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ads.add_adkey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ads.change_adkey")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AdKey], search_term: str
    ) -> tuple[QuerySet[AdKey], bool]:
        term = search_term.strip()
        if term.startswith(("am_", "av_")):
            # A whole key may be pasted; only its beginning is kept.
            return queryset.filter(prefix__in=[term[:length] for length in range(8, 21)]), False
        return super().get_search_results(request, queryset, term)

    @display(description="Key")
    def beginning(self, key: AdKey) -> SafeString:
        return named(f"{key.prefix}…")

    @display(description="Of")
    def holder(self, key: AdKey) -> SafeString:
        return link_of(key)

    @display(description="State", label=STATES)
    def state(self, key: AdKey) -> str:
        return state_of(key)

    def object_context(self, request: HttpRequest, row: AdKey) -> dict[str, Any]:
        return {
            "holder": row.agent or row.advertiser,
            "holder_link": link_of(row),
            "state": state_of(row),
            "state_label": STATES[state_of(row)],
            "may_change": request.user.has_perm("ads.change_adkey") and row.revoked_at is None,
            "may_rotate": request.user.has_perm("ads.change_adkey") and state_of(row) == "in use",
        }

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke_chosen(self, request: HttpRequest, queryset: QuerySet[AdKey]) -> None:
        facts = {"now": timezone.now(), "actor": request.user, "request": request}
        revoked = sum(keys.revoke(key, **facts) for key in queryset)
        messages.success(request, f"{revoked} keys revoked. Processes notice within seconds.")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.address("rotate", self.rotate, "<int:key_id>/rotate/"),
            self.address("revoke", self.revoke, "<int:key_id>/revoke/"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Issues a key for `holder` and `environment`."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = KeyForm(request.POST or None, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            holder = holder_with(form.cleaned_data["holder"])
            environment = Environment(form.cleaned_data["environment"])
            if holder is None:
                form.add_error("holder", "There is neither an agent nor an advertiser with this id.")
            elif isinstance(holder, Advertiser) and holder.environment != environment:
                form.add_error("environment", f"This is a {holder.environment} advertiser.")
            else:
                facts = {"now": timezone.now(), "actor": request.user, "request": request}
                return self.show_once(request, *keys.issue(holder, environment, **facts))
        return page(self, request, "form.html", "Issue a key", form=form, submit="Issue")

    def rotate(self, request: HttpRequest, key_id: int) -> HttpResponse:
        require(request, "change_adkey")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = row_or_404(AdKey.objects.select_related("agent", "advertiser"), key_id)
        try:
            new, text = keys.rotate(key, now=timezone.now(), actor=request.user, request=request)
        except DomainError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(reverse("admin:ads_adkey_change", args=[key_id]))
        return self.show_once(request, new, text, replaced=key)

    def revoke(self, request: HttpRequest, key_id: int) -> HttpResponse:
        key = row_or_404(AdKey.objects.all(), key_id)

        def act() -> str | None:
            if keys.revoke(key, now=timezone.now(), actor=request.user, request=request):
                return "Revoked. Processes notice within seconds."
            messages.warning(request, "Somebody has revoked it already.")
            return None

        return button(request, "change_adkey", act, back_to=reverse("admin:ads_adkey_change", args=[key_id]))

    def show_once(
        self, request: HttpRequest, key: AdKey, text: str, replaced: AdKey | None = None
    ) -> HttpResponse:
        response = page(
            self,
            request,
            "key_shown.html",
            "New key",
            key=key,
            text=text,
            replaced=replaced,
            holder=link_of(key),
        )
        response.headers["Cache-Control"] = "no-store"
        return response


def holder_with(identifier: Any) -> Agent | Advertiser | None:
    return Agent.objects.filter(pk=identifier).first() or Advertiser.objects.filter(pk=identifier).first()


def link_of(key: AdKey) -> SafeString:
    if key.agent_id:
        return link("agent_change", key.agent, key.agent_id)
    return link("advertiser_change", key.advertiser, key.advertiser_id)


def state_of(key: AdKey) -> str:
    if key.revoked_at:
        return "revoked"
    if key.expires_at is None:
        return "in use"
    return "ends soon" if key.expires_at > timezone.now() else "ended"
