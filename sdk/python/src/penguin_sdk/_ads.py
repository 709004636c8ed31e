"""What can be asked of the ads marketplace, each as its steps. The document of the API describes the fields."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from logging import getLogger
from typing import Any, Unpack

from penguin_sdk._checks import checked
from penguin_sdk._steps import Memory, Spawn, Steps, ask, get, post
from penguin_sdk.errors import PenguinError, ValidationError
from penguin_sdk.types import ads

log = getLogger("penguin_sdk")
_AGENT_ID = "agent_id"


def decide_from_context(**fields: Unpack[ads.DecideFields]) -> Steps[ads.Decision]:
    """Ads that fit what a user said. Their impressions are reported beside it, each once.

    The decision is returned at once; a report that fails is tried again, and never fails the ad.
    """
    decision = yield from decide(**fields)
    if decision["units"]:
        yield Spawn(_report_impressions(decision))
    return decision


def decide(**fields: Unpack[ads.DecideFields]) -> Steps[ads.Decision]:
    """The same without the impressions: report them with `track_event` for what you have shown."""
    return ask(post("ads", "/decide", checked(ads.DecideFields, fields)))


def _report_impressions(decision: ads.Decision) -> Steps[None]:
    for unit in decision["units"]:
        try:
            yield from track_event(
                event_type="impression",
                unit_id=unit["_meta"]["unit_id"],
                tracking_token=unit["tracking_token"],
            )
        except PenguinError as error:
            log.debug("An impression of %s was not reported: %s", decision["decision_id"], error)


def track_event(**fields: Unpack[ads.EventFields]) -> Steps[ads.EventAccepted]:
    """Report what happened with an ad. It is tried again under the same `event_id`, so it counts once.

    What is left out is filled in: `event_id`, `occurred_at` (now), `agent_id` (that of the key, looked up once).
    """
    filled: dict[str, Any] = {
        "event_id": f"evt_{uuid.uuid4().hex}",
        "occurred_at": datetime.now(UTC).isoformat(),
        **fields,
    }
    checked(ads.EventFields, filled)
    if not filled.get("unit_id") and not filled.get("tracking_token"):
        raise ValidationError("unit_id is required, or tracking_token.")
    if "agent_id" not in filled:
        filled["agent_id"] = yield from _own_agent_id()
    accepted: ads.EventAccepted = yield post("ads", "/event", filled, again=True)
    return accepted


def _own_agent_id() -> Steps[str]:
    memory: dict[str, Any] = yield Memory()
    if _AGENT_ID not in memory:
        memory[_AGENT_ID] = (yield from balance())["agent_id"]
    return str(memory[_AGENT_ID])


def send_feedback(**fields: Unpack[ads.FeedbackFields]) -> Steps[ads.FeedbackReceived]:
    """How a user took an ad: your own `reaction`, or `user_response` to read it from."""
    body = checked(ads.FeedbackFields, fields)
    if not body.get("reaction") and not str(body.get("user_response", "")).strip():
        raise ValidationError("reaction is required, or user_response to read it from.")
    return ask(post("ads", "/feedback", body))


def log_service_result(**fields: Unpack[ads.ServiceResultFields]) -> Steps[ads.ServiceResult]:
    """How a service that an ad offered has ended; success is what the advertiser pays for."""
    return ask(post("ads", "/service-result", checked(ads.ServiceResultFields, fields)))


def rate_business(**fields: Unpack[ads.RatingFields]) -> Steps[ads.RatingReceived]:
    """1 to 5 for a business, after a click."""
    return ask(post("ads", "/rate-business", checked(ads.RatingFields, fields)))


def signup(**fields: Unpack[ads.SignupFields]) -> Steps[ads.Signup]:
    """A new agent and its keys, which are shown this once."""
    body = checked(ads.SignupFields, _with_sdk_type(fields))
    return ask(post("ads", "/agent-signup", body))


def _with_sdk_type(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"sdk_type": "python", **fields}


def balance() -> Steps[ads.Balance]:
    """Whose key this is, and what the agent has earned."""
    return ask(get("ads", "/balance"))


def search(**fields: Unpack[ads.SearchFields]) -> Steps[ads.SearchResult]:
    """Offers and businesses that fit a question."""
    return ask(post("ads", "/api-v1/search", checked(ads.SearchFields, fields)))


def policy() -> Steps[ads.Policy]:
    """The rules by which ads are shown."""
    return ask(get("ads", "/policy"))


def categories(**query: Unpack[ads.CategoryQuery]) -> Steps[ads.Categories]:
    """The categories that ads and requests are given."""
    return ask(get("ads", "/categories", checked(ads.CategoryQuery, query)))


# Sessions


def start_session(**fields: Unpack[ads.SessionStartFields]) -> Steps[ads.Session]:
    """Begin to talk with the business behind a capability that was found."""
    return ask(post("ads", "/api-v1/session/start", checked(ads.SessionStartFields, fields)))


def send_session_message(**fields: Unpack[ads.SessionMessageFields]) -> Steps[ads.SessionReply]:
    """Say something to the business."""
    return ask(post("ads", "/api-v1/session/message", checked(ads.SessionMessageFields, fields)))


def end_session(**fields: Unpack[ads.SessionEndFields]) -> Steps[ads.SessionEnded]:
    """End it: completed when nothing is pending, else aborted."""
    return ask(post("ads", "/api-v1/session/end", checked(ads.SessionEndFields, fields)))


def send_session_feedback(**fields: Unpack[ads.SessionFeedbackFields]) -> Steps[ads.SessionFeedbackReceived]:
    """How it went; this releases the agent's payout."""
    return ask(post("ads", "/api-v1/feedback", checked(ads.SessionFeedbackFields, fields)))
