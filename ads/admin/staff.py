"""What all pages of the marketplace's staff share: lists that never count, pages in the admin's frame, actions."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from ads.core.books import LIVE
from ads.core.ids import Mark, read, shown
from ads.models import Advertiser, Agent, Campaign
from penguin_site.audit.staff_pages import ReadOnlyAdmin
from penguin_site.errors import DomainError

PER_PAGE = 50


class UncountedPaginator(InfinitePaginator):
    """Knows whether a page is full, and never how many rows there are: nobody waits for a COUNT."""

    # So far one turns pages; who looks for older things asks for them.
    count = 1_000 * PER_PAGE


class StaffList(ReadOnlyAdmin):
    """A list in the order of an index, and a page for each row (`object_template`, `object_context`).

    `search_names` are fields with an index on their lower case; ids are always found, as we write them or plain.
    """

    list_per_page = PER_PAGE
    paginator = UncountedPaginator
    show_full_result_count = False
    list_disable_select_all = True
    sortable_by = ()
    search_names: tuple[str, ...] = ()
    # What `search_fields` would say: the box is there, and `get_search_results` does the rest.
    search_fields = ["pk"]
    object_template = ""

    class Media:
        css = {"all": ["ads/staff.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        identifier = as_id(term)
        if identifier is not None:
            return queryset.filter(pk=identifier), False
        if not self.search_names:
            return queryset.none(), False
        found = queryset.none()
        for name in self.search_names:
            rows = self.model._default_manager.alias(lower=Lower(F(name)))
            ids = rows.filter(lower__startswith=term.lower()).values("pk")[:500]
            found = found | queryset.filter(pk__in=list(ids.values_list("pk", flat=True)))
        return found, False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.object_template:
            return super().change_view(request, object_id, form_url, extra_context)
        row = self.get_object(request, object_id)
        if not self.has_view_permission(request, row) or request.method != "GET":
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = {"row": row, **self.object_context(request, row)}
        return page(self, request, self.object_template, str(row), **context)

    def object_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The rows of the page are read once, and what is shown beside them is read for all of them together."""
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list)
        # Nothing was counted, so nothing is said of how many there are.
        found.full_result_count = found.result_count
        self.add_to_rows(found.result_list)
        return found

    def add_to_rows(self, rows: list[Any]) -> None:
        pass

    def address(self, name: str, view: Callable[..., HttpResponse], route: str) -> URLPattern:
        """An address of this admin: `admin:ads_<model>_<name>`."""
        return path(
            route,
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
        )


class OfDecisions(StaffList):
    """A list of what came of decisions, found by its own id, its agent's (`agt_`) or its decision's (`dec_`)."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for mark, field in ((Mark.AGENT, "agent_id"), (Mark.DECISION, "decision_id")):
            if identifier := read(mark, search_term.strip()):
                return queryset.filter(**{field: identifier}), False
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        is_ours = lookup in ("agent__id__exact", "campaign__id__exact")
        return is_ours or super().lookup_allowed(lookup, value, request)  # type: ignore[call-arg]

    @display(description="Agent")
    def agent_link(self, row: Any) -> SafeString:
        return link("agent_change", row.agent, row.agent_id)

    @display(description="Campaign")
    def campaign_link(self, row: Any) -> SafeString:
        return link("campaign_change", row.campaign, row.campaign_id)

    @display(description="Decision")
    def decision_link(self, row: Any) -> SafeString:
        return link("decision_change", shown(Mark.DECISION, row.decision_id)[:17] + "…", row.decision_id)

    @display(description="Book")
    def book_name(self, row: Any) -> str:
        return "live" if row.book == LIVE else "test"


def page(
    admin: ReadOnlyAdmin,
    request: HttpRequest,
    template: str,
    title: str,
    *,
    status: int = 200,
    **context: Any,
) -> TemplateResponse:
    """A page in the admin's frame."""
    request.current_app = admin.admin_site.name  # type: ignore[attr-defined]
    frame = {**admin.admin_site.each_context(request), "opts": admin.opts, "title": title}
    return TemplateResponse(request, f"admin/ads/{template}", {**frame, **context}, status=status)


def require(request: HttpRequest, *permissions: str) -> None:
    """PermissionDenied unless who asks has one of the permissions (`review_adunit`)."""
    if not any(request.user.has_perm(f"ads.{permission}") for permission in permissions):
        raise PermissionDenied


def done(request: HttpRequest, act: Callable[[], str | None]) -> bool:
    """Does something and says so; what the domain refuses is said in its own words. Whether it was done."""
    try:
        said = act()
    except DomainError as error:
        messages.error(request, error.message)
        return False
    if said:
        messages.success(request, said)
    return True


def button(
    request: HttpRequest, permission: str, act: Callable[[], str | None], *, back_to: str
) -> HttpResponse:
    """A button of a page was pressed: checked, done, and back to a page."""
    require(request, permission)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    done(request, act)
    return HttpResponseRedirect(back_to)


def row_or_404(rows: QuerySet[Any], identifier: Any) -> Any:
    row = rows.filter(pk=identifier).first()
    if row is None:
        raise Http404
    return row


def as_id(text: str) -> UUID | int | None:
    """What somebody pastes into a search: `agt_...`, `dec_...`, a UUID, a number."""
    text = text.strip()
    for mark in Mark:
        if identifier := read(mark, text):
            return identifier
    try:
        return UUID(text)
    except ValueError:
        # Postgres' bigint ends there.
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def link(name: str, text: Any, *arguments: Any, **query: Any) -> SafeString:
    """A link to a page of the admin. The text is somebody's: kept from turning what stands beside it around."""
    address = reverse(f"admin:ads_{name}", args=arguments)
    if query:
        address += f"?{urlencode(query)}"
    return format_html('<a class="ads-link" href="{}"><bdi>{}</bdi></a>', address, str(text) or "(no name)")


def named(text: Any) -> SafeString:
    """A name that others chose, on a list."""
    return format_html('<bdi class="ads-name">{}</bdi>', text)


def owners_of(ids: Iterable[UUID | None]) -> dict[UUID, Agent | Advertiser]:
    """The agents and advertisers with these ids, in two statements."""
    wanted = [each for each in ids if each]
    return {**Agent.objects.in_bulk(wanted), **Advertiser.objects.in_bulk(wanted)}


def campaigns_of(ids: Iterable[UUID | None]) -> dict[UUID, Campaign]:
    return Campaign.objects.select_related("advertiser").in_bulk([each for each in ids if each])
