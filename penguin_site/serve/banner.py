"""What the person at the terminal is told once the server answers."""

import json
import logging
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

# How long to wait until all is well, before saying what is not.
_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.3
_HEALTH_TIMEOUT_SECONDS = 3.0
_LOGIN_LINK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Facts:
    """`startup_token` is None where keys are configured; `manage` where the login link comes from, if there is one."""

    url: str
    startup_token: str | None
    auth_enabled: bool
    model: str
    data_dir: Path
    manage: Path | None


class Banner:
    """`look()`, called again and again, prints it when the server is well, or says after a while what is wrong."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._printed = False
        self._first_look = self._next_look = 0.0

    def look(self) -> None:
        if self._printed or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._first_look = self._first_look or time.monotonic()
        status, health = _health(self._facts.url)
        if status == 200 or (status and time.monotonic() - self._first_look > _PATIENCE_SECONDS):
            self._printed = True
            print(self._text(self._login_link(), health), flush=True)

    def _login_link(self) -> str:
        # Not earlier: making it takes a second of the processor, which the start of the server needs more.
        if self._facts.manage is None:
            return ""
        command = [sys.executable, str(self._facts.manage), "login_link", "--until-restart", "--skip-checks"]
        try:
            link = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                timeout=_LOGIN_LINK_SECONDS,
                check=True,
                start_new_session=True,
            )
        except subprocess.SubprocessError as error:
            logger.error("No login link: %s", error)
            return ""
        return link.stdout.strip()

    def _text(self, link: str, health: dict[str, Any]) -> str:
        facts = self._facts
        trouble = _trouble(health)
        level = health.get("components", {}).get("sandbox", {}).get("level", "unknown")
        if not facts.auth_enabled:
            key = "none is needed: authentication is off"
        elif facts.startup_token:
            key = f"{facts.startup_token} (this machine only; for others set PENGUIN_API_KEYS)"
        else:
            key = "one of PENGUIN_API_KEYS, or one made in the admin"
        lines = [
            ("address", facts.url),
            ("chat page", f"{link} (signs you in; once, on this machine)" if link else ""),
            ("API docs", f"{facts.url}/api/docs"),
            ("API key", key),
            ("model", facts.model),
            ("sandbox", "none: no commands are run" if level == "none" else level),
            ("data dir", str(facts.data_dir)),
            ("trouble", trouble),
        ]
        shown = [f"  {name:<9} {text}" for name, text in lines if text]
        return "\n".join(
            ["", "Penguin is ready; Ctrl-C stops it." if not trouble else "Penguin runs.", *shown, ""]
        )


def _health(url: str) -> tuple[int, dict[str, Any]]:
    """The status, 0 while nobody answers, and what the server says of itself."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/health", timeout=_HEALTH_TIMEOUT_SECONDS) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            return error.code, {}
    except (OSError, ValueError):
        return 0, {}


def _trouble(health: dict[str, Any]) -> str:
    components = health.get("components")
    if not components:
        return "the server answers with errors; its log above says why"
    bad = [
        f"{name}: {component.get('detail') or component['status']}"
        for name, component in components.items()
        if component.get("status") != "ok"
    ]
    return "; ".join(bad)
