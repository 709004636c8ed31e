"""Tracing is asked for by one variable, and its absence is said in one line."""

import builtins

from penguin_site import telemetry


def test_nothing_happens_unless_asked_for(monkeypatch, caplog):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert telemetry.start() is False
    assert not caplog.records


def test_missing_packages_are_named_in_one_line(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    real_import = builtins.__import__

    def without_telemetry(name, *arguments, **more):
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_telemetry)
    assert telemetry.start() is False
    assert len(caplog.records) == 1
    assert "opentelemetry-instrumentation-django" in caplog.records[0].getMessage()
