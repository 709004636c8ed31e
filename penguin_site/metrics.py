"""`/metrics` for Prometheus: this process's requests, and the installation's runs and models from the database."""

import threading
import time
from collections import Counter as Counts
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, exposition
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from conversations.tools import registry as tool_registry
from penguin_site.authentication import HasScope
from penguin_site.peers import peer_of_request

# Scrapes of several Prometheus servers and curious people share one look at the database.
CACHE_SECONDS = 5.0
WINDOW_SECONDS = 300

registry = CollectorRegistry()
_requests = Counter(
    "penguin_http_requests",
    "Requests answered by this process.",
    ["method", "route", "status"],
    registry=registry,
)
_seconds = Histogram(
    "penguin_http_request_seconds",
    "Time to the answer; of a request that waits for a run, to its acceptance.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=registry,
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def count_request(request: HttpRequest, status: int, seconds: float) -> None:
    """By the route's template: a label per id that somebody asks for would grow without end."""
    match = request.resolver_match
    route = f"/{match.route}" if match else "unmatched"
    method = request.method if request.method in METHODS else "other"
    _requests.labels(method, route, str(status)).inc()
    _seconds.labels(method, route).observe(seconds)


# Partial indexes hold the open runs; ids are UUIDs of version 7, so that the newest calls are the end of an index.
_OPEN_RUNS = """
SELECT status, count(*),
       coalesce(extract(epoch FROM now() - min(queued_at) FILTER (WHERE status = 'queued')), 0)::float8
  FROM run WHERE status IN ('queued', 'running', 'waiting_approval', 'waiting_input', 'paused', 'cancelling')
 GROUP BY status
"""
_NEWEST = """
id >= (lpad(to_hex((extract(epoch FROM now() - make_interval(secs => %(window)s)) * 1000)::bigint), 12, '0')
       || '00000000000000000000')::uuid
"""
_ENDED_RUNS = f"""
SELECT status, count(*) FROM run
 WHERE {_NEWEST} AND status IN ('completed', 'failed', 'cancelled', 'timed_out') GROUP BY status
"""
_MODEL_CALLS = f"""
SELECT model, count(*), count(*) FILTER (WHERE status = 'failed'),
       coalesce(sum(input_tokens), 0)::float8, coalesce(sum(output_tokens), 0)::float8,
       coalesce(sum(cost_micros), 0)::float8 / 1000000,
       percentile_cont(ARRAY[0.5, 0.95, 0.99])
           WITHIN GROUP (ORDER BY extract(epoch FROM first_token_at - started_at)::float8)
  FROM model_call WHERE {_NEWEST} GROUP BY model
"""
_TOOL_CALLS = f"SELECT name, status, count(*) FROM tool_call WHERE {_NEWEST} GROUP BY name, status"
_WAITING = """
SELECT 'approval', count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
  FROM approval WHERE status = 'pending'
 UNION ALL
SELECT 'question', count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
  FROM question WHERE status = 'open'
"""
_WORKERS = """
SELECT count(*) FROM worker WHERE heartbeat_at > now() - interval '30 seconds' AND lease_expires_at > now()
"""


class _Database(Collector):
    """Figures that are alike whichever web process is asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._metrics: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._until < time.monotonic():
                self._metrics = list(_from_database())
                self._until = time.monotonic() + CACHE_SECONDS
            yield from self._metrics

    def describe(self) -> list[Metric]:
        return []  # registering must not ask the database

    def forget(self) -> None:
        self._until = 0.0


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"window": WINDOW_SECONDS})
        return cursor.fetchall()


def _from_database() -> Iterator[Metric]:
    runs = GaugeMetricFamily("penguin_runs", "Runs that have not ended, by state.", labels=["status"])
    queue_age = GaugeMetricFamily("penguin_queue_age_seconds", "Waiting time of the oldest queued run.")
    oldest = 0.0
    for status, count, age in _rows(_OPEN_RUNS):
        runs.add_metric([status], count)
        oldest = max(oldest, age)
    queue_age.add_metric([], oldest)
    ended = GaugeMetricFamily(
        "penguin_runs_ended_5m", "Runs begun in the last 5 minutes that have ended.", labels=["status"]
    )
    for status, count in _rows(_ENDED_RUNS):
        ended.add_metric([status], count)
    workers = GaugeMetricFamily("penguin_workers", "Workers with a heartbeat in the last 30 seconds.")
    workers.add_metric([], _rows(_WORKERS)[0][0])
    yield from (runs, queue_age, ended, workers)
    yield from _of_models()
    yield from _of_tools()


def _of_tools() -> Iterator[Metric]:
    calls = GaugeMetricFamily(
        "penguin_tool_calls_5m", "Tool calls made in the last 5 minutes.", labels=["tool", "status"]
    )
    known = {tool.name for tool in tool_registry.built_in()}
    counts: Counts[tuple[str, str]] = Counts()
    for name, status, count in _rows(_TOOL_CALLS):
        # A model may call what there is not: a label for each invention would grow without end.
        counts[name if name in known else "other", status] += count
    for labels, count in counts.items():
        calls.add_metric(list(labels), count)
    waiting = GaugeMetricFamily(
        "penguin_waiting_for_people", "Open approvals and questions.", labels=["kind"]
    )
    oldest = GaugeMetricFamily(
        "penguin_waiting_for_people_seconds", "Age of the oldest open one.", labels=["kind"]
    )
    for kind, count, age in _rows(_WAITING):
        waiting.add_metric([kind], count)
        oldest.add_metric([kind], age)
    yield from (calls, waiting, oldest)


def _of_models() -> Iterator[Metric]:
    calls = GaugeMetricFamily(
        "penguin_model_calls_5m", "Model calls, last 5 minutes.", labels=["model", "outcome"]
    )
    tokens = GaugeMetricFamily("penguin_model_tokens_5m", "Tokens, last 5 minutes.", labels=["model", "kind"])
    cost = GaugeMetricFamily(
        "penguin_model_cost_usd_5m", "Cost in US dollars, last 5 minutes.", labels=["model"]
    )
    latency = GaugeMetricFamily(
        "penguin_first_token_seconds", "Request to first token, last 5 minutes.", labels=["model", "quantile"]
    )
    for model, count, failed, tokens_in, tokens_out, dollars, quantiles in _rows(_MODEL_CALLS):
        calls.add_metric([model, "failed"], failed)
        calls.add_metric([model, "other"], count - failed)
        tokens.add_metric([model, "input"], tokens_in)
        tokens.add_metric([model, "output"], tokens_out)
        cost.add_metric([model], dollars)
        for name, value in zip(("0.5", "0.95", "0.99"), quantiles or (), strict=False):
            if value is not None:
                latency.add_metric([model, name], value)
    yield from (calls, tokens, cost, latency)


database = _Database()
registry.register(database)


class KeyOrThisMachine(BasePermission):
    """A scraper on this machine needs no key; behind a proxy everybody would be on this machine, so then it does."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None and peer_of_request(request._request).is_this_machine:
            return True
        return HasScope().has_permission(request, view)


class Metrics(APIView):
    permission_classes = [KeyOrThisMachine]
    required_scopes = {"GET": "read"}
    throttle_classes: list[Any] = []
    schema = None

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(exposition.generate_latest(registry), content_type=exposition.CONTENT_TYPE_LATEST)
