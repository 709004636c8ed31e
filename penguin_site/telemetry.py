"""Traces by OpenTelemetry, for those who set OTEL_EXPORTER_OTLP_ENDPOINT and have installed its packages."""

import logging
import os

logger = logging.getLogger("penguin.telemetry")
PACKAGES = (
    "opentelemetry-sdk, opentelemetry-exporter-otlp-proto-http, opentelemetry-instrumentation-django,"
    " opentelemetry-instrumentation-psycopg"
)
_started = False


def start() -> bool:
    """Instruments Django and psycopg once in a process; False where it is not asked for or not installed."""
    global _started
    if _started or not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return _started
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.django import DjangoInstrumentor
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        logger.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but %s is missing: install %s. No traces are sent.",
            error.name,
            PACKAGES,
        )
        return False
    provider = TracerProvider(resource=Resource.create({"service.name": "penguin"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument()
    PsycopgInstrumentor().instrument()
    _started = True
    return True
