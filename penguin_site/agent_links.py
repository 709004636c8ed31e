"""Which agents of the marketplace somebody looks after: those of which they have shown a key.

The marketplace knows agents by keys and knows no people; an agent's e-mail address was typed in by whoever signed it up
and proves nothing. A link is to a key, so it ends with the key, and opens no more than the key itself does: a test key
the test figures, a live key the live ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from ads import agents, keys
from ads.agents import SignedUp
from ads.core.key_texts import KeyHolder
from ads.core.tokens import Environment
from ads.models import AdKey, Agent
from penguin_site import audit
from penguin_site.errors import InvalidField, NotFound
from penguin_site.models import AgentLink, User

MOST_KEYS = 50


class AgentNotLinked(NotFound):
    """There is no such agent, or you have shown none of its keys."""


@dataclass(frozen=True, slots=True)
class LinkedAgent:
    """An agent with the usable keys of it that somebody has shown."""

    agent: Agent
    shown_keys: tuple[AdKey, ...]

    @property
    def environments(self) -> list[Environment]:
        """Of which figures may be seen."""
        shown = {key.environment for key in self.shown_keys}
        return [environment for environment in Environment if environment.value in shown]


def link(*, user: User, key_text: str, now: datetime, request: Any = None) -> Agent:
    """Links the agent whose key this is. Linked before: nothing changes."""
    key = keys.find(key_text.strip(), KeyHolder.AGENT, now=now)
    if key is None or key.agent is None:
        raise InvalidField("key", "this is no developer key, or one that is revoked or expired.")
    with transaction.atomic():
        _, is_new = AgentLink.objects.get_or_create(user=user, key=key)
        if is_new:
            _record(user, "agent.linked", key.agent, {"key": key.prefix}, request)
    return key.agent


def register(*, user: User, owner_email: str, name: str, now: datetime, request: Any = None) -> SignedUp:
    """A new agent, linked by both of its keys. Raises DuplicateAgent."""
    with transaction.atomic():
        signed_up = agents.sign_up(owner_email=owner_email, name=name, now=now)
        for key in signed_up.agent.keys.all():
            AgentLink.objects.create(user=user, key=key)
        _record(user, "agent.registered", signed_up.agent, {"name": name}, request)
    return signed_up


def linked_agents(user: User, *, now: datetime) -> list[LinkedAgent]:
    """By name. A key that was revoked or has expired links no more."""
    return sorted(_linked(user, now), key=lambda linked: (linked.agent.name.casefold(), linked.agent.pk))


def find(user: User, agent_id: UUID, *, now: datetime) -> LinkedAgent:
    """Raises AgentNotLinked for every other agent, whether it exists or not."""
    for linked in _linked(user, now, agent_id=agent_id):
        return linked
    raise AgentNotLinked


def _linked(user: User, now: datetime, **only: Any) -> Iterable[LinkedAgent]:
    shown: dict[UUID, list[AdKey]] = {}
    usable = AdKey.objects.usable(now).filter(agent__isnull=False, **only)
    links = (
        AgentLink.objects.filter(user=user, key__in=usable).select_related("key__agent").order_by("key_id")
    )
    for each in links:
        shown.setdefault(each.key.agent_id, []).append(each.key)
    return [LinkedAgent(found[0].agent, tuple(found)) for found in shown.values()]  # type: ignore[arg-type]


def all_keys(linked: LinkedAgent) -> list[AdKey]:
    """Every key of the agent in the environments that are open, the newest first: also those of others."""
    environments = [environment.value for environment in linked.environments]
    found = AdKey.objects.filter(agent=linked.agent, environment__in=environments)
    return list(found.order_by("-id")[:MOST_KEYS])


def unlink(*, user: User, agent: Agent, request: Any = None) -> None:
    """The keys stay as they are."""
    with transaction.atomic():
        deleted, _ = AgentLink.objects.filter(user=user, key__agent=agent).delete()
        if deleted:
            _record(user, "agent.unlinked", agent, {"keys": deleted}, request)


def replace_key(*, user: User, linked: LinkedAgent, key_id: int, now: datetime, request: Any = None) -> str:
    """The text of a new key in the place of one that was shown, which works for another day. KeyNotActive twice."""
    key = _shown_key(linked, key_id)
    with transaction.atomic():
        new, text = keys.rotate(key, now=now)
        AgentLink.objects.create(user=user, key=new)
        _record(user, "agent_key.replaced", linked.agent, {"key": key.prefix, "by": new.prefix}, request)
    return text


def revoke_key(*, user: User, linked: LinkedAgent, key_id: int, now: datetime, request: Any = None) -> None:
    """Ends a key that was shown, at once. KeyNotActive when somebody else was first."""
    key = _shown_key(linked, key_id)
    with transaction.atomic():
        locked = AdKey.objects.select_for_update().get(pk=key.pk)
        if locked.revoked_at is not None:
            raise keys.KeyNotActive
        keys.revoke(locked, now=now)
        _record(user, "agent_key.revoked", linked.agent, {"key": key.prefix}, request)


def _shown_key(linked: LinkedAgent, key_id: int) -> AdKey:
    for key in linked.shown_keys:
        if key.pk == key_id:
            return key
    raise NotFound("You have not shown this key.")


def _record(user: User, action: str, agent: Agent, facts: dict[str, Any], request: Any) -> None:
    audit.record(user, action, agent, after=facts, request=request)
