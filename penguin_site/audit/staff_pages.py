"""The base of all admin pages: in the admin's theme, to read, each look audited where it is at people's own things."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from penguin_site.audit.chain import record


class ReadOnlyAdmin(ModelAdmin):
    """A list and pages to read. What can be done there are actions and views of its own, each with its permission."""

    list_per_page = 50
    # No COUNT over big tables.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
