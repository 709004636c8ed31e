"""Admin pages of the site itself: people, keys, and the audit chain to read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from penguin_site import api_keys, principals
from penguin_site.audit.staff_pages import ReadOnlyAdmin
from penguin_site.models import ApiKey, AuditEntry, User

admin.site.unregister(Group)


@admin.register(User)
class PeopleAdmin(UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupsAdmin(GroupAdmin, ModelAdmin):
    pass


class NewKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in principals.SCOPES],
        initial=["read", "chat"],
        widget=forms.CheckboxSelectMultiple,
        help_text="What a program with this key can do. ads:admin can only be given to staff.",
    )

    class Meta:
        model = ApiKey
        fields = ["user", "name", "scopes", "expires_at"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        user, scopes = cleaned.get("user"), cleaned.get("scopes")
        if user and scopes and not set(scopes) <= principals.scopes_of(user):
            self.add_error(
                "scopes", f"{user} cannot have all of these: {', '.join(sorted(principals.scopes_of(user)))}."
            )
        return cleaned


@admin.action(description="Revoke selected keys", permissions=["change"])
def revoke(modeladmin: Any, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
    now = timezone.now()
    revoked = [
        api_keys.revoke_key(key_id=key.pk, now=now, actor=request.user, request=request) for key in queryset
    ]
    modeladmin.message_user(request, f"{sum(revoked)} keys revoked.")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are made and revoked, never changed or deleted: what was done with them must stay explainable."""

    form = NewKeyForm
    list_display = [
        "name",
        "prefix",
        "user",
        "scopes",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    list_filter = ["revoked_at"]
    autocomplete_fields = ["user"]
    actions = [revoke]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return self.list_display if obj else []

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return self.list_display if obj else ["user", "name", "scopes", "expires_at"]

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            return
        key, request.new_key = api_keys.make_key(actor=request.user, request=request, **form.cleaned_data)
        obj.__dict__.update(key.__dict__)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        # Shown in this one answer: a message would travel through a cookie or the session.
        context = {
            **self.admin_site.each_context(request),
            "key": obj,
            "text": request.new_key,
            "title": "New API key",
        }
        response = render(request, "penguin_site/new_key.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["id", "recorded_at", "actor", "action", "object", "request_id"]
    list_filter = ["action"]
    search_fields = ["actor", "object", "request_id"]
    ordering = ["-id"]
    show_full_result_count = False
