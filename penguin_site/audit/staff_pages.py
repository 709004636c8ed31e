"""The base of all admin pages: in the admin's theme, to read, each look audited where it is at people's own things."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.admin import ModelAdmin

from penguin_site.audit.chain import record
from penguin_site.audit.staff_lists import (
    BoundedChangeList,
    BoundedPaginator,
    found_by_index,
    is_indexed_search,
)
from penguin_site.audit.staff_texts import chip
from penguin_site.errors import DomainError


class ReadOnlyAdmin(ModelAdmin):
    """A list and pages to read. What can be done there are actions and views of its own, each with its permission.

    `page_template` replaces the form of all columns by a page of its own, for which `page_context` gathers the rest.
    """

    list_per_page = 50
    # No COUNT over big tables, no sort by a column without an index.
    show_full_result_count = False
    paginator = BoundedPaginator
    sortable_by: ClassVar[Any] = ()
    list_disable_select_all = True
    page_template = ""

    @admin.display(description="State")
    def state(self, row: Any) -> str:
        """For lists of what has a status."""
        return chip(row.status)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        fields = self.get_search_fields(request)
        if not is_indexed_search(fields):
            return super().get_search_results(request, queryset, search_term)
        term = search_term.strip()
        return (found_by_index(queryset, fields, term) if term else queryset), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        if not self.page_template or object_id is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        found = self.get_object(request, unquote(object_id))
        if request.method != "GET" or not self.has_view_permission(request, found):
            raise PermissionDenied
        if found is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return self.staff_page(
            request, self.page_template, str(found), original=found, **self.page_context(request, found)
        )

    def staff_page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        """A page in the admin's frame."""
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, template, {**frame, **context})


class AuditedAdmin(ReadOnlyAdmin):
    """Whoever opens the list or a page of it is named in the audit chain, before anything is shown."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if self.has_view_permission(request):
            name = self.model._meta.label_lower
            record(request.user, "staff.listed", name, after={"query": request.GET.dict()}, request=request)
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        found = self.get_object(request, object_id) if object_id else None
        if found is not None and self.has_view_permission(request, found):
            record(request.user, "staff.looked", found, request=request)
        return super().changeform_view(request, object_id, form_url, extra_context)


def require(request: HttpRequest, permission: str) -> None:
    """PermissionDenied unless who asks is staff with this permission (`app.codename`)."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def do(
    request: HttpRequest, permission: str, act: Callable[[], str], *, back_to: str
) -> HttpResponseRedirect:
    """Does what a button of a staff page asks for, and goes back to where it was pressed.

    `act` answers with the sentence to show; what the domain refuses is shown as its own sentence.
    """
    require(request, permission)
    if request.method != "POST":
        raise PermissionDenied
    try:
        messages.success(request, act())
    except DomainError as error:
        messages.error(request, error.message)
    target = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return HttpResponseRedirect(target if is_ours else back_to)
