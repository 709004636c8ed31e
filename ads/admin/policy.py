"""The policy: phrases that ads must not use, and categories that nobody advertises in."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from ads import categories, policy
from ads.admin.staff import StaffList, button, named, page, require
from ads.models import BlockedCategory, PolicyPhrase
from penguin_site.errors import DomainError

MOST_SHOWN = 200


class PhraseForm(forms.ModelForm):
    class Meta:
        model = PolicyPhrase
        fields = ["phrase", "is_forbidden", "note"]

    def clean_phrase(self) -> str:
        phrase = self.cleaned_data["phrase"]
        if not policy.plain(phrase):
            raise forms.ValidationError("It needs a letter or a digit.")
        same = PolicyPhrase.objects.filter(phrase__iexact=phrase.strip()).exclude(pk=self.instance.pk)
        if same.exists():
            raise forms.ValidationError("This phrase is in the policy already.")
        return phrase


@admin.register(PolicyPhrase)
class PolicyPhraseAdmin(StaffList):
    form = PhraseForm
    list_display = ["shown", "kind", "note", "created_at"]
    search_fields = ["phrase"]
    ordering = ["phrase"]
    list_filter = ["is_forbidden"]

    # Few rows, which staff may change: this list is an ordinary one.
    get_search_results = ModelAdmin.get_search_results
    has_add_permission = ModelAdmin.has_add_permission
    has_change_permission = ModelAdmin.has_change_permission
    has_delete_permission = ModelAdmin.has_delete_permission

    @display(description="Phrase", ordering="phrase")
    def shown(self, row: PolicyPhrase) -> SafeString:
        return named(row.phrase)

    @display(description="Ads with it", label={"forbidden": "danger", "warned of": "warning"})
    def kind(self, row: PolicyPhrase) -> str:
        return "forbidden" if row.is_forbidden else "warned of"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["phrase"] if obj else []

    def save_model(self, request: HttpRequest, obj: PolicyPhrase, form: Any, change: bool) -> None:
        facts = {
            "is_forbidden": obj.is_forbidden,
            "note": obj.note,
            "actor": request.user,
            "request": request,
        }
        if change:
            policy.change_phrase(obj, **facts)
            return
        try:
            obj.pk = policy.add_phrase(obj.phrase, **facts).pk
        except DomainError as error:
            messages.error(request, error.message)

    def response_add(
        self, request: HttpRequest, obj: PolicyPhrase, post_url_continue: Any = None
    ) -> HttpResponse:
        if obj.pk is None:
            return HttpResponseRedirect(reverse("admin:ads_policyphrase_changelist"))
        return super().response_add(request, obj, post_url_continue)

    def log_addition(self, request: HttpRequest, obj: PolicyPhrase, message: Any) -> Any:
        return super().log_addition(request, obj, message) if obj.pk else None

    def delete_model(self, request: HttpRequest, obj: PolicyPhrase) -> None:
        policy.remove_phrase(obj, actor=request.user, request=request)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            policy.remove_phrase(row, actor=request.user, request=request)


@admin.register(BlockedCategory)
class BlockedCategoryAdmin(StaffList):
    """All categories; those of which no ad is approved are marked, and can be freed again."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        search = request.GET.get("q", "").strip()
        tree, blocked = categories.tree(), policy.blocked_categories()
        found = [
            each
            for each in tree.by_id.values()
            if (search.casefold() in each.full_path.casefold() if search else each.tier == 1)
        ]
        rows = [
            {
                "category": each,
                "is_blocked": each.id in blocked,
                "note": blocked.get(each.id, ""),
                "by": next((tree.by_id[a].full_path for a in tree.ancestors(each.id) if a in blocked), ""),
            }
            for each in found[:MOST_SHOWN]
        ]
        context = {
            "rows": rows,
            "search": search,
            "is_cut": len(found) > MOST_SHOWN,
            "blocked": [tree.by_id[each] for each in blocked if each in tree.by_id],
            "version": categories.VERSION,
            "may_block": request.user.has_perm("ads.add_blockedcategory"),
            "may_free": request.user.has_perm("ads.delete_blockedcategory"),
        }
        return page(self, request, "categories.html", "Categories", **context)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.address("block", self.block, "block/"),
            self.address("free", self.free, "free/"),
            *super().get_urls(),
        ]

    def block(self, request: HttpRequest) -> HttpResponse:
        def act() -> str:
            sent_back = policy.block_category(
                request.POST.get("category", ""),
                note=request.POST.get("note", "").strip()[:200],
                actor=request.user,
                request=request,
            )
            return f"Blocked. {sent_back} approved ads wait for review again."

        return button(request, "add_blockedcategory", act, back_to=self._back(request))

    def free(self, request: HttpRequest) -> HttpResponse:
        def act() -> str:
            policy.unblock_category(request.POST.get("category", ""), actor=request.user, request=request)
            return "No longer blocked. What was sent back stays with the reviewers."

        return button(request, "delete_blockedcategory", act, back_to=self._back(request))

    def _back(self, request: HttpRequest) -> str:
        require(request, "view_blockedcategory")
        query = f"?q={request.POST['q']}" if request.POST.get("q", "").isalnum() else ""
        return reverse("admin:ads_blockedcategory_changelist") + query
