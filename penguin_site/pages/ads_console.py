"""The test console: a real decision with the agent's test book, from a form instead of a program."""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms

from ads import agents, decisions, features
from ads.core.ids import Mark, shown
from ads.core.tokens import Environment
from ads.decisions import Decision, Request
from ads.models import Agent, FeatureSwitch
from ads.unit_bodies import unit_body
from penguin_site.errors import Forbidden
from penguin_site.pages.agent_reports import tells

MOST_RESULTS = 10


class ConsoleForm(forms.Form):
    """The fields of `/decide` that change most; the others are at their defaults."""

    context = forms.CharField(max_length=16_000, strip=False, widget=forms.Textarea(attrs={"rows": 3}))
    user_intent = forms.CharField(max_length=2_000, required=False)
    placement_id = forms.CharField(max_length=100, required=False)
    max_results = forms.IntegerField(min_value=1, max_value=MOST_RESULTS, initial=3)
    min_relevance_score = forms.FloatField(min_value=0, max_value=1, required=False)
    min_quality_score = forms.FloatField(min_value=0, max_value=1, required=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the call has answered, and the same as JSON."""

    answer: dict[str, Any]
    text: str
    tells: str
    took_ms: int


def decide(agent: Agent, given: dict[str, Any], *, origin: str, now: datetime) -> Outcome:
    """As `POST /decide` with a test key does it: it counts in the test book, and moves no money that anybody has."""
    features.require(FeatureSwitch.Feature.DECIDE)
    if agent.status == Agent.Status.SUSPENDED:
        raise Forbidden("This agent is suspended.")
    began = time.monotonic()

    def render(decision: Decision) -> dict[str, Any]:
        return _body(decision, agent, origin)

    answer = decisions.decide(_request(agent, given, now), render)
    return Outcome(
        answer=answer,
        text=json.dumps(answer, indent=2, ensure_ascii=False),
        tells=tells(answer.get("reason", "")),
        took_ms=int((time.monotonic() - began) * 1000),
    )


def _request(agent: Agent, given: dict[str, Any], now: datetime) -> Request:
    relevance = given["min_relevance_score"]
    return Request(
        agent=agent,
        environment=Environment.TEST,
        now=agents.time_of(agent, Environment.TEST, now=now),
        context=given["context"],
        user_intent=given["user_intent"],
        placement=given["placement_id"],
        max_results=given["max_results"],
        min_relevance=None if relevance is None else decisions.floor_of(relevance),
        min_quality=decisions.floor_of(given["min_quality_score"] or 0),
    )


def _body(decision: Decision, agent: Agent, origin: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "status": "no_fill" if decision.reason else "fill",
        "decision_id": shown(Mark.DECISION, decision.id),
        "units": [
            unit_body(decision, placed, agent, origin=origin, is_verbose=True) for placed in decision.placed
        ],
    }
    if decision.reason:
        body |= {"reason": decision.reason, "stages": decision.stages}
    return body


def as_request(given: dict[str, Any]) -> str:
    """The body with which a program asks the same."""
    body = {name: value for name, value in given.items() if value not in (None, "")}
    return json.dumps(body, indent=2, ensure_ascii=False)
