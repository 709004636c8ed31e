"""`/ads`: the agents that one looks after, their figures, their keys, and a console to try `/decide`."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from ads import features, ledger
from ads.agents import DuplicateAgent
from ads.core.books import book_of
from ads.core.tokens import Environment
from ads.models import Agent, FeatureSwitch
from penguin_site import agent_links, embeddings, rate_limits
from penguin_site.agent_links import LinkedAgent
from penguin_site.errors import DomainError, InvalidField
from penguin_site.pages import ads_console, agent_reports
from penguin_site.pages.people import PersonPage

_STATES = {
    Agent.Status.PENDING_REVIEW.value: "waits for review",
    Agent.Status.ACTIVE.value: "approved",
    Agent.Status.SUSPENDED.value: "suspended",
}


class LinkForm(forms.Form):
    key = forms.CharField(max_length=200)


class RegisterForm(forms.Form):
    name = forms.CharField(max_length=100)
    owner_email = forms.EmailField(max_length=254)


class AgentsPage(PersonPage):
    way_back = "/ads"

    def agents_page(
        self,
        *,
        link_form: LinkForm | None = None,
        register_form: RegisterForm | None = None,
        status: int = 200,
    ) -> HttpResponse:
        found = agent_links.linked_agents(self.person, now=timezone.now())
        context = {
            "agents": [_card(linked) for linked in found],
            "link_form": link_form or LinkForm(),
            "register_form": register_form or RegisterForm(initial={"owner_email": self.person.email}),
        }
        return self.show("ads.html", context, status=status)


def _card(linked: LinkedAgent) -> dict[str, Any]:
    owner = ledger.agent_account(linked.agent.pk)
    return {
        "agent": linked.agent,
        "state": _STATES[linked.agent.status],
        "balances": [
            {"name": each.value, "micros": ledger.balance(owner, book=book_of(each, linked.agent.pk))}
            for each in linked.environments
        ],
    }


class Agents(AgentsPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.agents_page()


class LinkAgent(AgentsPage):
    def post(self, request: HttpRequest) -> HttpResponse:
        form = LinkForm(request.POST)
        if form.is_valid():
            try:
                agent = agent_links.link(
                    user=self.person, key_text=form.cleaned_data["key"], now=timezone.now(), request=request
                )
                return redirect(f"/ads/agents/{agent.pk}")
            except InvalidField:
                form.add_error("key", "This is no developer key, or one that is revoked or expired.")
        return self.agents_page(link_form=form, status=400)


class RegisterAgent(AgentsPage):
    """Both keys are in this one answer, and nowhere else."""

    def post(self, request: HttpRequest) -> HttpResponse:
        features.require(FeatureSwitch.Feature.SIGN_UP)
        form = RegisterForm(request.POST)
        if not form.is_valid():
            return self.agents_page(register_form=form, status=400)
        rate_limits.check(self.principal, "signup")
        try:
            made = agent_links.register(
                user=self.person, now=timezone.now(), request=request, **form.cleaned_data
            )
        except DuplicateAgent as error:
            form.add_error("name", error.message)
            return self.agents_page(register_form=form, status=error.status)
        linked = agent_links.find(self.person, made.agent.pk, now=timezone.now())
        texts = [("test", made.test_key), ("live", made.live_key)]
        return show_agent(self, linked, new_keys=texts)


class AgentPage(PersonPage):
    """The page of one agent; `linked` is None for everybody but those who have shown a key: 404."""

    way_back = "/ads"

    def linked(self, agent_id: UUID) -> LinkedAgent:
        return agent_links.find(self.person, agent_id, now=timezone.now())


def show_agent(
    page: PersonPage,
    linked: LinkedAgent,
    *,
    console: ads_console.ConsoleForm | None = None,
    outcome: ads_console.Outcome | None = None,
    new_keys: list[tuple[str, str]] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    query, now = page.request.GET, timezone.now()
    names = [each.value for each in linked.environments]
    environment = Environment(query["book"]) if query.get("book") in names else _first_book(linked)
    days = int(query["days"]) if query.get("days") in map(str, agent_reports.WINDOWS) else 30
    mine = {key.pk for key in linked.shown_keys}
    context = {
        "agent": linked.agent,
        "state": _STATES[linked.agent.status],
        "environment": environment.value,
        "environments": names,
        "days": days,
        "windows": agent_reports.WINDOWS,
        "report": agent_reports.report(linked.agent, environment, days=days, now=now),
        "keys": [{"key": key, "is_mine": key.pk in mine} for key in agent_links.all_keys(linked)],
        "console": console or ads_console.ConsoleForm(initial={"max_results": 3}),
        "outcome": outcome,
        "sent": ads_console.as_request(console.cleaned_data) if console and outcome else "",
        "new_keys": new_keys,
        "problem": problem,
        "origin": origin_of(page.request),
        "now": now,
    }
    return page.show("ads_agent.html", context, status=status)


def _first_book(linked: LinkedAgent) -> Environment:
    """What has happened lately: of an agent that waits for its review, only tests can have."""
    is_waiting = linked.agent.status == Agent.Status.PENDING_REVIEW
    return linked.environments[-1 if is_waiting else 0]


def origin_of(request: HttpRequest) -> str:
    """Under which address programs reach this server."""
    return settings.PENGUIN_PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")


class AgentFigures(AgentPage):
    def get(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        linked = self.linked(agent_id)
        embeddings.start_loading()  # so that the console's first decision need not wait for it
        return show_agent(self, linked)


class Console(AgentPage):
    def post(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        linked = self.linked(agent_id)
        form = ads_console.ConsoleForm(request.POST)
        if not form.is_valid():
            return show_agent(self, linked, console=form, status=400)
        rate_limits.check(self.principal, "ads")
        try:
            outcome = ads_console.decide(
                linked.agent, form.cleaned_data, origin=origin_of(request), now=timezone.now()
            )
        except DomainError as error:
            return show_agent(self, linked, console=form, problem=error.message, status=error.status)
        return show_agent(self, linked, console=form, outcome=outcome)


class ReplaceKey(AgentPage):
    """The new key is in this one answer, and nowhere else."""

    def post(self, request: HttpRequest, agent_id: UUID, key_id: int) -> HttpResponse:
        linked = self.linked(agent_id)
        environment = next((key.environment for key in linked.shown_keys if key.pk == key_id), "")
        text = agent_links.replace_key(
            user=self.person, linked=linked, key_id=key_id, now=timezone.now(), request=request
        )
        return show_agent(self, self.linked(agent_id), new_keys=[(environment, text)])


class RevokeAgentKey(AgentPage):
    def post(self, request: HttpRequest, agent_id: UUID, key_id: int) -> HttpResponse:
        linked = self.linked(agent_id)
        agent_links.revoke_key(
            user=self.person, linked=linked, key_id=key_id, now=timezone.now(), request=request
        )
        # With the last key of one's own the page goes, too.
        is_last = len(linked.shown_keys) == 1
        return redirect("/ads" if is_last else f"/ads/agents/{agent_id}#keys")


class Unlink(AgentPage):
    def post(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        agent_links.unlink(user=self.person, agent=self.linked(agent_id).agent, request=request)
        return redirect("/ads")
