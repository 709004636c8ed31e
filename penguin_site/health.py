"""Whether the installation works: the part that load balancers ask (`GET /api/v1/health`)."""

import threading
import time
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from penguin_site.version import VERSION

# Anybody may ask, so asking often must not cost more than asking once a second.
CACHE_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 2
WORKER_SILENCE_SECONDS = 30

_FACTS = """
SELECT (SELECT count(*) FROM worker
         WHERE heartbeat_at > now() - make_interval(secs => %s) AND lease_expires_at > now()),
       (SELECT extract(epoch FROM now() - min(run.queued_at))::float8
          FROM run JOIN conversation ON conversation.id = run.conversation_id
         WHERE run.status = 'queued' AND conversation.open_runs = conversation.queued_runs),
       (SELECT count(*) FROM run WHERE status = 'queued')
"""

_lock = threading.Lock()
_last: tuple[float, dict[str, Any]] | None = None


def report() -> dict[str, Any]:
    """`status` is `ok`, `degraded` (the model cannot be used) or `down` (database or worker), and why."""
    global _last
    with _lock:
        if _last is None or _last[0] < time.monotonic():
            _last = (time.monotonic() + CACHE_SECONDS, _ask())
        return _last[1]


def forget() -> None:
    """Makes the next report a fresh one."""
    global _last
    _last = None


def _ask() -> dict[str, Any]:
    components: dict[str, Any] = {"database": {"status": "ok"}}
    try:
        workers, queue_age, queued = _database_facts()
    except psycopg.Error:
        unknown = {"status": "unknown"}
        components |= {"database": {"status": "down"}, "worker": unknown, "queue": unknown}
    else:
        components["worker"] = {"status": "ok" if workers else "down", "alive": workers}
        components["queue"] = {"status": "ok", "queued": queued, "oldest_seconds": round(queue_age or 0.0, 1)}
    components |= {"model": _model(), "sandbox": _sandbox()}
    states = [component["status"] for name, component in components.items() if name != "model"]
    status = "ok" if components["model"]["status"] == "ok" else "degraded"
    return {"status": "down" if "down" in states else status, "components": components, "version": VERSION}


def _database_facts() -> tuple[int, float | None, int]:
    # A connection of its own: waiting for a free one of the pool would take longer than anybody waits for health.
    parameters = {**connection.get_connection_params(), "connect_timeout": CONNECT_TIMEOUT_SECONDS}
    with psycopg.connect(**parameters, autocommit=True) as own, own.cursor() as cursor:
        cursor.execute("SET statement_timeout = 2000")
        cursor.execute(_FACTS, [WORKER_SILENCE_SECONDS])
        return cursor.fetchone()


def _model() -> dict[str, Any]:
    from conversations.llm import registry  # here: the model libraries take a second to import
    from penguin_site.errors import DomainError

    try:
        return {"status": "ok", "name": registry.resolve(None)}
    except DomainError as error:
        return {"status": "unusable", "name": settings.PENGUIN_MODEL, "detail": error.message}


def _sandbox() -> dict[str, Any]:
    """Without one everything else works, so it changes nothing about the status of the whole."""
    from conversations import sandbox

    level = sandbox.level()
    if level == sandbox.Level.NONE and settings.PENGUIN_SANDBOX != "off":
        return {"status": "unavailable", "level": level.value, "detail": "commands are refused"}
    return {"status": "ok", "level": level.value}


class HealthOutput(serializers.Serializer):
    status = serializers.ChoiceField(["ok", "degraded", "down"])
    components = serializers.DictField(child=serializers.JSONField())
    version = serializers.CharField()


class Health(APIView):
    """Public and without secrets."""

    authentication_classes: list[Any] = []
    required_scopes = None
    throttle_classes: list[Any] = []

    @extend_schema(
        operation_id="health",
        tags=["service"],
        responses={
            200: OpenApiResponse(
                HealthOutput,
                description="Database and worker are there; `degraded` when no model can be used.",
                examples=[OpenApiExample("ok", value={"status": "ok", "components": {}, "version": "1.0.0"})],
            ),
            503: OpenApiResponse(HealthOutput, description="The database or every worker is down."),
        },
    )
    def get(self, request: Request) -> Response:
        health = report()
        return Response(health, status=503 if health["status"] == "down" else 200)
