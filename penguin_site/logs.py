"""What the logs look like: one line an event, text or JSON, with the request's id and without secrets."""

import logging
from contextvars import ContextVar
from typing import Any

import orjson
from django.conf import settings

from conversations.core.redaction import REDACTED, redact

request_id: ContextVar[str] = ContextVar("request_id", default="-")


def configuration(*, level: str, format: str) -> dict[str, Any]:
    """The value of Django's LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "penguin_site.logs.TextFormatter"},
            "json": {"()": "penguin_site.logs.JSONFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": format}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers go: everything passes the root's formatter, which takes secrets out.
            "django": {"handlers": [], "level": "NOTSET", "propagate": True},
            # Tracebacks of crashes; the access log has every 4xx already.
            "django.request": {"level": "ERROR"},
            "django.server": {"handlers": [], "propagate": True},
            "django.security": {"level": "ERROR"},
            "daphne": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            # What servers say that is no MCP: connections tell it in one line.
            "mcp": {"level": "CRITICAL"},
            "procrastinate": {"level": "WARNING"},
        },
    }


def _configured_secrets() -> list[str]:
    database = settings.DATABASES["default"]
    values = [
        settings.SECRET_KEY,
        settings.PENGUIN_AUTH_STARTUP_TOKEN,
        *settings.PENGUIN_API_KEYS,
        str(database.get("PASSWORD") or ""),
    ]
    return [value for value in values if len(value) >= 6]


def without_secrets(text: str) -> str:
    """`text` without the configured secrets and without anything that looks like a key, token or password."""
    for value in _configured_secrets():
        if value in text:
            text = text.replace(value, REDACTED)
    return redact(text)


def _shown(text: str, record: logging.LogRecord) -> str:
    # Of an access line the search costs more than all the rest; a busy endpoint's says nothing that a client has sent.
    return text if getattr(record, "is_own_text", False) else without_secrets(text)


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get()
        return _shown(super().format(record), record)


class JSONFormatter(logging.Formatter):
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "request_id": request_id.get(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _shown(orjson.dumps(entry, default=str).decode(errors="replace"), record)
