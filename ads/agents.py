"""Agents: they sign up, are reviewed, and each has a test clock of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from ads import keys
from ads.core.books import book_of
from ads.core.organisations import organisation_of
from ads.core.tokens import Environment
from ads.models import Agent
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField

LONGEST_STEP = timedelta(days=366)


class DuplicateAgent(Conflict):
    """An agent with this e-mail address and name exists already."""

    code = "duplicate_agent"


@dataclass(frozen=True, slots=True)
class SignedUp:
    """A new agent and the texts of its two keys."""

    agent: Agent
    live_key: str
    test_key: str


def sign_up(
    *,
    owner_email: str,
    name: str,
    sdk_type: str = "",
    declared_placements: list[str] | None = None,
    now: datetime,
) -> SignedUp:
    """A new agent. Its test key works at once, its live key when staff has approved the agent."""
    try:
        with transaction.atomic():
            agent = Agent.objects.create(
                owner_email=owner_email,
                name=name,
                organisation=organisation_of(owner_email),
                sdk_type=sdk_type,
                declared_placements=declared_placements or [],
                created_at=now,
            )
            _, live = keys.issue(agent, Environment.LIVE, now=now)
            _, test = keys.issue(agent, Environment.TEST, now=now)
    except IntegrityError:
        raise DuplicateAgent from None
    return SignedUp(agent, live, test)


def set_status(
    agent: Agent, status: Agent.Status, *, note: str = "", actor: Any = None, request: Any = None
) -> bool:
    """Approves or suspends; whether anything changed. Keys notice within the time that they are remembered."""
    with transaction.atomic():
        current = Agent.objects.select_for_update().get(pk=agent.pk)
        if current.status == status:
            return False
        Agent.objects.filter(pk=agent.pk).update(status=status)
        before, after = {"status": current.status}, {"status": status.value, "note": note}
        action = "agent.approved" if status == Agent.Status.ACTIVE else "agent.suspended"
        audit.record(actor, action, agent, before=before, after=after, request=request)
        return True


def time_of(agent: Agent, environment: Environment, *, now: datetime) -> datetime:
    """What time it is for this agent: test keys live by the agent's own clock."""
    return now + agent.test_clock_ahead if environment is Environment.TEST else now


def move_test_clock(agent: Agent, by: timedelta) -> timedelta:
    """Moves the agent's test clock forward; how far it is ahead now."""
    if not timedelta() < by <= LONGEST_STEP:
        raise InvalidField("seconds", f"must be from 1 to {int(LONGEST_STEP.total_seconds())}")
    Agent.objects.filter(pk=agent.pk).update(test_clock_ahead=F("test_clock_ahead") + by)
    return Agent.objects.values_list("test_clock_ahead", flat=True).get(pk=agent.pk)


def test_book(agent: Agent) -> str:
    return book_of(Environment.TEST, agent.pk)
