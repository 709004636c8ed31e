"""The logs: one line a request, with its id, and never a secret."""

import json
import logging
import sys

import pytest
from django.test import Client

from penguin_site import logs

pytestmark = pytest.mark.django_db


def record(message, *arguments, **more) -> logging.LogRecord:
    return logging.LogRecord(
        "penguin.test", logging.INFO, __file__, 1, message, arguments, more.get("exc_info")
    )


def test_one_line_a_request_without_the_query(client_for, person, caplog):
    caplog.set_level("INFO", "penguin.access")
    response = client_for(person).get("/api/v1/conversations?search=private&ticket=abc")
    lines = [entry for entry in caplog.records if entry.name == "penguin.access"]
    assert len(lines) == 1
    assert lines[0].fields == {
        "method": "GET",
        "path": "/api/v1/conversations",
        "status": response.status_code,
        "ms": lines[0].fields["ms"],
        "principal": "key",
    }
    assert "private" not in lines[0].getMessage()


def test_a_line_break_in_a_path_makes_no_second_line(caplog):
    caplog.set_level("INFO", "penguin.access")
    Client().get("/api/v1/x%0aERROR forged")
    assert "\n" not in caplog.records[-1].getMessage()


@pytest.mark.parametrize("formatter", [logs.TextFormatter(), logs.JSONFormatter()])
def test_secrets_are_taken_out_by_value_and_by_name(formatter, settings):
    settings.PENGUIN_API_KEYS = ["my-configured-key"]
    try:
        raise ValueError("password=hunter2hunter2")
    except ValueError:
        failed = record("%s and %s", "my-configured-key", settings.SECRET_KEY, exc_info=sys.exc_info())
    text = formatter.format(failed)
    for secret in (
        "X-API-Key: pk_01234567_" + "a" * 43,
        "Authorization: Bearer abcdefghijklmnop",
        "penguin.key.pk_01234567_" + "b" * 43,
        "OPENAI_API_KEY=sk-proj-" + "c" * 40,
        "postgresql://penguin:s3cr3tpassword@127.0.0.1/db",
    ):
        text += formatter.format(record("%s", secret))
    for part in (
        "my-configured-key",
        settings.SECRET_KEY,
        "hunter2",
        "aaaa",
        "abcdefgh",
        "bbbb",
        "cccc",
        "s3cr3t",
    ):
        assert part not in text
    assert "[redacted]" in text


def test_json_lines_carry_the_request_id():
    token = logs.request_id.set("request-1")
    try:
        entry = json.loads(logs.JSONFormatter().format(record("hello\nworld")))
    finally:
        logs.request_id.reset(token)
    assert entry["request_id"] == "request-1"
    assert entry["message"] == "hello\nworld"
    assert entry["level"] == "INFO"


@pytest.mark.parametrize("format", ["text", "json"])
def test_both_formats_are_usable(format):
    configuration = logs.configuration(level="INFO", format=format)
    assert configuration["handlers"]["stderr"]["formatter"] in configuration["formatters"]
