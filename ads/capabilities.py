"""Capabilities: shown units under a name of their own, with which an agent begins a session."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ads import reported_events, shown_units
from ads.core.books import book_of
from ads.core.ids import Mark, time_of
from ads.core.tokens import LIFETIME_SECONDS, TRACKING_MARK, Environment, Window
from ads.models import AdUnit, Agent
from ads.shown_units import ShownUnit
from penguin_site.errors import Forbidden, InvalidField, NotFound

GOOD_FOR = timedelta(seconds=LIFETIME_SECONDS[Window.CLICK])


@dataclass(frozen=True, slots=True)
class Capability:
    """A shown unit as it is now; `time_zone` is its advertiser's."""

    shown: ShownUnit
    unit: AdUnit
    time_zone: str


def name_of(decision_id: UUID, unit_id: UUID) -> str:
    return f"{Mark.CAPABILITY}{decision_id.hex}{unit_id.hex}"


def find(name: str, *, agent: Agent, environment: Environment, now: datetime) -> Capability:
    """What a capability's name, or the tracking token of its unit, stands for. `now` by the clock of its book."""
    decision_id, unit_id = _ids_of(name, agent, environment)
    found = shown_units.find_by_ids(decision_id, unit_id)
    if found is None:
        raise NotFound("There is no such capability.")
    shown, time_zone = found
    if shown.agent_id != agent.pk or shown.book != book_of(environment, agent.pk):
        raise Forbidden("This capability was shown to another agent or environment.")
    unit = AdUnit.objects.select_related("campaign__advertiser").get(pk=unit_id)
    if unit.ad_type != AdUnit.Type.DYNAMIC_CAPABILITY:
        raise InvalidField("capability_id", "is an offer to be clicked: it has no sessions")
    if not shown.is_running or now > time_of(decision_id) + GOOD_FOR:
        raise NotFound("This capability is not to be had any more: search again.")
    return Capability(shown, unit, time_zone)


def _ids_of(name: str, agent: Agent, environment: Environment) -> tuple[UUID, UUID]:
    if name.startswith(TRACKING_MARK):
        facts = reported_events.facts_for(name, agent, environment)
        return UUID(facts.decision_id), UUID(facts.unit_id)
    digits = name.removeprefix(Mark.CAPABILITY)
    if (
        not name.startswith(Mark.CAPABILITY)
        or len(digits) != 64
        or not set(digits) <= set("0123456789abcdef")
    ):
        raise NotFound("There is no such capability.")
    return UUID(hex=digits[:32]), UUID(hex=digits[32:])
