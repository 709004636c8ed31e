"""The agent of this installation itself, which shows ads in its own chat. It has no keys: nobody can call as it."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings

from ads import agents, decisions, features, reported_events
from ads.core.tokens import Environment
from ads.decision_records import StoredKey
from ads.decisions import Decision, Request
from ads.models import AdUnit, Advertiser, Agent, FeatureSwitch
from ads.reported_events import Report
from ads.unit_bodies import unit_body
from penguin_site import embeddings

# Found by its id: a name or an address could be signed up with by somebody else first.
HOUSE_AGENT_ID = uuid5(NAMESPACE_URL, "urn:penguin:house-agent:chat")
PLACEMENT = "chat"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What may be shown beside an answer; `environment` is whose budgets it is about."""

    units: list[dict[str, Any]]
    environment: str


def house_agent() -> Agent:
    """Made when it is needed first."""
    agent, _ = Agent.objects.get_or_create(
        id=HOUSE_AGENT_ID,
        defaults={"name": "Chat of this installation", "status": Agent.Status.ACTIVE},
    )
    return agent


def suggest(
    *, text: str, user: str, request_name: str, until: float, origin: str, now: datetime
) -> Suggestion | None:
    """The ad that fits what a person said, or None. Asked again under the same name: the same one, decided once.

    `until` is by time.monotonic. Raises what a decision raises.
    """
    if FeatureSwitch.Feature.DECIDE.value in features.switched_off():
        return None
    agent = house_agent()
    if agent.status != Agent.Status.ACTIVE:
        return None
    if not embeddings.is_ready():
        # Words alone tell too little about sensitive moments, and no answer waits for the model to load.
        embeddings.start_loading()
        return None
    environment = _environment()
    request = Request(
        agent=agent,
        environment=environment,
        now=agents.time_of(agent, environment, now=now),
        context=text,
        # A service is for programs to call, and a session needs somebody who leads it.
        ad_types=frozenset({AdUnit.Type.STATIC_OFFER.value}),
        max_results=1,
        until=until,
        placement=PLACEMENT,
        user_hash=_keyed_hash("user", user),
        key=StoredKey(_keyed_hash("request", request_name).hex(), _keyed_hash("text", text)),
    )

    def render(decision: Decision) -> dict[str, Any]:
        units = [
            unit_body(decision, placed, agent, origin=origin, is_verbose=False) for placed in decision.placed
        ]
        return {"units": units}

    units = decisions.decide(request, render)["units"]
    return Suggestion(units, environment.value) if units else None


def tell(*, kind: str, name: str, unit: dict[str, Any], environment: str, now: datetime) -> None:
    """Reports what became of a unit that was shown: `impression` or `dismiss`, once for each `name`."""
    agent = house_agent()
    book_time = agents.time_of(agent, Environment(environment), now=now)
    content = {"event_type": kind, "tracking_token": unit["tracking_token"]}
    report = Report(
        event_id=f"chat:{kind}:{name}",
        event_type=kind,
        occurred_at=book_time,
        unit_id="",
        tracking_token=unit["tracking_token"],
        metadata=None,
        content=content,
    )
    reported_events.accept(report, agent=agent, environment=Environment(environment), now=book_time)


def _environment() -> Environment:
    """Live; where nobody has ever advertised, the demonstration's ads, for which nobody pays."""
    has_live = Advertiser.objects.filter(environment=Advertiser.Environment.LIVE).exists()
    return Environment.LIVE if has_live else Environment.TEST


def _keyed_hash(purpose: str, text: str) -> bytes:
    """Cannot be turned back, and is another one for every purpose."""
    message = f"ads chat {purpose}:{text}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).digest()
