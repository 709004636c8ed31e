"""`/dashboard`: what one has used and has under way, one's keys, and the switch for sponsored suggestions."""

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from conversations import sponsored
from penguin_site import api_keys, principals
from penguin_site.errors import NotFound
from penguin_site.models import ApiKey, User
from penguin_site.pages import dashboard_figures
from penguin_site.pages.people import PersonPage

MOST_KEYS = 50
_LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "never"))
# What each scope lets a program do, for people.
_SCOPES = {
    "read": "look at everything of yours",
    "chat": "write and read conversations",
    "tools": "use tools in them",
    "approvals:decide": "answer approvals for you",
    "tasks": "make and run tasks",
    "ads:admin": "run the marketplace",
}


class NewKeyForm(forms.Form):
    name = forms.CharField(max_length=100, label="What it is for")
    scopes = forms.MultipleChoiceField(label="What a program with it may do", initial=["read", "chat"])
    days = forms.ChoiceField(choices=_LIFETIMES, required=False, label="It ends after", initial="90")

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = principals.scopes_of(person)
        self.fields["scopes"].choices = [(name, name) for name in principals.SCOPES if name in mine]

    @property
    def offered_scopes(self) -> list[dict[str, Any]]:
        chosen = self["scopes"].value() or []
        names = [name for name, _ in self.fields["scopes"].choices]
        return [{"name": name, "tells": _SCOPES[name], "is_chosen": name in chosen} for name in names]


class DashboardPage(PersonPage):
    """The page, as every form on it shows it again."""

    way_back = "/dashboard"

    def dashboard(
        self, *, form: NewKeyForm | None = None, new_key: dict[str, Any] | None = None, status: int = 200
    ) -> HttpResponse:
        me, now = self.person.pk, timezone.now()
        measure = self.request.GET.get("show", "tokens")
        if measure not in dashboard_figures.MEASURES:
            measure = "tokens"
        context = {
            "measure": measure,
            "measures": list(dashboard_figures.MEASURES),
            "usage": dashboard_figures.usage(owner_id=me, now=now, measure=measure),
            "budgets": dashboard_figures.budgets(owner_id=me),
            "tasks": dashboard_figures.recent_tasks(owner_id=me),
            "conversations": dashboard_figures.recent_conversations(owner_id=me),
            "keys": keys_of(self.person),
            "form": form or NewKeyForm(person=self.person),
            "new_key": new_key,
            "is_sponsored": sponsored.is_allowed(me),
            "now": now,
        }
        return self.show("dashboard.html", context, status=status)


def keys_of(person: User) -> list[ApiKey]:
    """The newest first; those that can be used no more come last."""
    now = timezone.now()
    by_use = F("revoked_at").desc(nulls_first=True)
    newest = list(ApiKey.objects.filter(user=person).order_by(by_use, "-id")[:MOST_KEYS])
    for key in newest:
        key.is_usable = key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    return sorted(newest, key=lambda key: not key.is_usable)


class Dashboard(DashboardPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.dashboard()


class MakeKey(DashboardPage):
    """The key is in this one answer, and nowhere else."""

    def post(self, request: HttpRequest) -> HttpResponse:
        form = NewKeyForm(request.POST, person=self.person)
        if not form.is_valid():
            return self.dashboard(form=form, status=400)
        given = form.cleaned_data
        days = given["days"]
        key, text = api_keys.make_key(
            user=self.person,
            name=given["name"],
            scopes=given["scopes"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
            actor=self.person,
            request=request,
        )
        return self.dashboard(new_key={"name": key.name, "text": text})


class RevokeKey(DashboardPage):
    def post(self, request: HttpRequest, key_id: int) -> HttpResponse:
        if not ApiKey.objects.filter(pk=key_id, user=self.person).exists():
            raise NotFound("There is no such key.")
        api_keys.revoke_key(key_id=key_id, now=timezone.now(), actor=self.person, request=request)
        return redirect("/dashboard#keys")


class SwitchSponsored(DashboardPage):
    def post(self, request: HttpRequest) -> HttpResponse:
        is_on = request.POST.get("enabled") == "yes"
        sponsored.allow(user_id=self.person.pk, is_on=is_on, now=timezone.now())
        return redirect("/dashboard#sponsored")
