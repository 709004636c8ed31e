"""Admin pages of the site itself: people, groups, keys, and the audit chain to read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, TextFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from penguin_site import api_keys, audit, principals
from penguin_site.audit import chain
from penguin_site.audit.staff_pages import ReadOnlyAdmin
from penguin_site.errors import DomainError
from penguin_site.models import ApiKey, AuditEntry, User
from penguin_site.staff import people

admin.site.unregister(Group)

# So much of the chain is looked at whenever its list is opened; `manage.py verify_audit` looks at all of it.
CHECKED_ENTRIES = 500


@admin.register(User)
class PeopleAdmin(ReadOnlyAdmin, UserAdmin):
    """Changed by those who may change users; blocked, and let in again, by those who may block them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined"]
    list_filter = ["is_active", "is_staff", "is_superuser", "groups"]
    search_fields = ["username__startswith"]
    search_help_text = "Beginning of a user name"
    ordering = ["username"]
    actions = ["block", "unblock"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return ModelAdmin.has_change_permission(self, request, obj)

    def has_block_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("penguin_site.block_user")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        # To read: without the hash of the password.
        return [
            (None, {"fields": ["username", "first_name", "last_name", "email"]}),
            ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
            ("Important dates", {"fields": ["last_login", "date_joined"]}),
        ]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        action = "user.changed" if change else "user.created"
        fields = sorted({"password" if "password" in name else name for name in form.changed_data})
        audit.record(request.user, action, form.instance, after={"fields": fields}, request=request)

    @admin.action(description="Block selected people", permissions=["block"])
    def block(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, people.block, "blocked")

    @admin.action(description="Let selected people in again", permissions=["block"])
    def unblock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, people.unblock, "let in again")

    def _each(self, request: HttpRequest, queryset: QuerySet[User], act: Any, done: str) -> None:
        for user in queryset:
            try:
                act(user, actor=request.user, request=request)
            except DomainError as error:
                messages.error(request, f"{user}: {error.message}")
            else:
                messages.success(request, f"{user} is {done}.")


@admin.register(Group)
class GroupsAdmin(GroupAdmin, ModelAdmin):
    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        held = sorted(form.instance.permissions.values_list("codename", flat=True))
        audit.record(
            request.user, "group.changed", form.instance, after={"permissions": held}, request=request
        )


class NewKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in principals.SCOPES],
        initial=["read", "chat"],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
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
class ApiKeyAdmin(ReadOnlyAdmin):
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
    search_fields = ["name__startswith", "prefix__startswith", "user__username__exact"]
    search_help_text = "Beginning of a key or of its name, or a user name"
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    ordering = ["-id"]
    autocomplete_fields = ["user"]
    actions = [revoke]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return self.list_display if obj else []

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return self.list_display if obj else ["user", "name", "scopes", "expires_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return ModelAdmin.has_change_permission(self, request, obj)

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
            "opts": self.opts,
            "key": obj,
            "text": request.new_key,
            "title": "New API key",
        }
        response = render(request, "penguin_site/new_key.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response


class ActionFilter(DropdownFilter):
    title = "action"
    parameter_name = "action_is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in chain.known_actions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class ActorFilter(TextFilter):
    """By the name that somebody has now, or `system`."""

    title = "who"
    parameter_name = "actor_is"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        name = (self.value() or "").strip()
        if not name:
            return queryset
        if name == "system":
            return queryset.filter(actor_id=None)
        return queryset.filter(
            actor_id__in=list(User.objects.filter(username=name).values_list("pk", flat=True))
        )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """To read, by whoever may: nobody adds, changes or deletes, which the database refuses, too."""

    list_display = ["id", "recorded_at", "actor", "action", "object", "request_id"]
    list_filter = [ActionFilter, ActorFilter]
    search_fields = ["object__exact"]
    search_help_text = "What it was done to, as in conversations.run:018e..."
    ordering = ["-id"]
    list_before_template = "penguin_site/staff/chain_state.html"
    page_template = "penguin_site/staff/audit_entry.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        broken, count = chain.first_broken_of_newest(CHECKED_ENTRIES)
        state = {"broken_entry": broken, "checked_entries": count}
        return super().changelist_view(request, {**(extra_context or {}), **state})
