"""`POST /event` and the click redirect: what happened with units that were shown."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from rest_framework import serializers

from ads import clicks, reported_events
from ads.api import fields
from ads.api.access import Caller, address_of
from ads.api.base import check_agent_id, checked
from ads.api.busy_views import BusyView
from ads.api.schema import obj, operation
from ads.models import FeatureSwitch
from ads.reported_events import Report
from penguin_site.errors import DomainError, InvalidField

EVENT_TYPES = (
    "impression", "click", "conversion", "ad_shown", "ad_dismissed", "agent_call", "action", "dismiss",
    "hide_advertiser", "report", "feedback",
)  # fmt: skip
MAX_METADATA_BYTES = 8 * 1024
_BOTS = re.compile(
    r"bot\b|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|headless|curl/|wget/|python-requests|python-urllib"
    r"|scrapy|go-http-client|httpclient|lighthouse|pingdom|monitor",
    re.IGNORECASE,
)


class EventInput(serializers.Serializer):
    event_id = fields.Text(max_length=190)
    occurred_at = serializers.DateTimeField()
    agent_id = fields.Text(max_length=64)
    unit_id = fields.Text(max_length=64, allow_blank=True, default="")
    event_type = fields.Choice(EVENT_TYPES)
    tracking_token = fields.Text(max_length=2_048, allow_blank=True, default="")
    metadata = fields.Object(required=False, allow_null=True)


_SHAPE = EventInput()


class Event(BusyView):
    feature = FeatureSwitch.Feature.EVENTS

    @operation(
        "report_event",
        "Report what happened with a unit",
        request=EventInput,
        answer=obj("accepted billable", accepted="boolean", billable="boolean", reason="string"),
        sample={
            "event_id": "evt_unique_id",
            "occurred_at": "2026-05-20T12:00:00Z",
            "agent_id": "agt_0198c5d2a3b47e0f8a1b2c3d4e5f6071",
            "unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10",
            "event_type": "impression",
            "tracking_token": "trk_eyJ2Ijox",
        },
        example={"accepted": True, "billable": True},
    )
    def post(self, request: HttpRequest, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        given = checked(_SHAPE, data)
        check_agent_id(caller, given["agent_id"])
        if not given["unit_id"] and not given["tracking_token"]:
            raise InvalidField("unit_id", "is required where there is no tracking_token")
        content = {name: data.get(name) for name in _SHAPE.fields}
        if len(repr(content["metadata"])) > MAX_METADATA_BYTES:
            raise InvalidField("metadata", f"must have at most {MAX_METADATA_BYTES} bytes")
        report = Report(
            event_id=given["event_id"],
            event_type=given["event_type"],
            occurred_at=given["occurred_at"],
            unit_id=given["unit_id"],
            tracking_token=given["tracking_token"],
            metadata=given.get("metadata"),
            content=content,
        )
        return reported_events.accept(
            report, agent=caller.agent, environment=caller.environment, now=caller.now()
        )


def track_click(request: HttpRequest, token: str) -> HttpResponse:
    """Leads on to the landing page; a token that is none of ours gets a page that says so."""
    if request.method not in ("GET", "HEAD"):
        return _plain("Method not allowed.", 405)
    try:
        redirect = clicks.follow(
            token, automatic=automatic(request), address=address_of(request), now=timezone.now()
        )
    except DomainError:
        return _plain("This link is not valid.", 404)
    return _private(HttpResponseRedirect(redirect.url))


def automatic(request: HttpRequest) -> str:
    """Which program has come by instead of a person; empty for a person, as far as can be told."""
    purpose = " ".join(
        request.headers.get(name, "") for name in ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz")
    )
    if request.method == "HEAD":
        return "head"
    if re.search("prefetch|prerender|preview", purpose, re.IGNORECASE):
        return "prefetch"
    agent = request.headers.get("User-Agent", "")
    return "bot" if _BOTS.search(agent) else ""


def _plain(sentence: str, status: int) -> HttpResponse:
    return _private(HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8"))


def _private(response: Any) -> Any:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
