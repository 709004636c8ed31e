"""What a client was made with, checked once; where its requests go, and with which headers."""

import math
import os
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from penguin_sdk._version import VERSION
from penguin_sdk.errors import ValidationError

DEFAULT_BASE_URL = "http://127.0.0.1:9000"
Api = Literal["ads", "agent"]
PREFIXES: dict[Api, str] = {"ads": "/functions/v1", "agent": "/api/v1"}
USER_AGENT = f"penguin-sdk-python/{VERSION}"
# By these a key of the marketplace is told from one of the server.
_ADS_KEYS = ("am_", "av_")


class Config(NamedTuple):
    """Keys are in here, so its representation says nothing."""

    base_url: str
    ads_key: str | None
    chat_api_key: str | None
    anon_key: str | None
    agent_id: str | None
    timeout_ms: int
    max_retries: int
    reconnect_ms: int
    debug: bool

    def __repr__(self) -> str:
        return f"Config({self.base_url})"

    def url(self, api: Api, path: str) -> str:
        return f"{self.base_url}{PREFIXES[api]}{path}"

    def socket_url(self, path: str) -> str:
        return f"ws{self.url('agent', path).removeprefix('http')}"

    def headers(self, api: Api) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT}
        if api == "agent":
            if self.chat_api_key:
                headers["X-API-Key"] = self.chat_api_key
            return headers
        if self.ads_key:
            headers["X-AM-API-Key"] = self.ads_key
        if self.anon_key:
            headers["Authorization"] = f"Bearer {self.anon_key}"
        return headers


def make_config(
    *,
    api_key: str | None,
    chat_api_key: str | None,
    base_url: str | None,
    supabase_anon_key: str | None,
    agent_id: str | None,
    timeout_ms: int,
    max_retries: int,
    reconnect_ms: int,
    debug: bool,
) -> Config:
    """ValidationError for what cannot work. An `api_key` that is none of the marketplace is one of the server."""
    api_key, chat_api_key = _key("api_key", api_key), _key("chat_api_key", chat_api_key)
    is_ads_key = api_key is not None and api_key.startswith(_ADS_KEYS)
    return Config(
        base_url=_origin(base_url),
        ads_key=api_key if is_ads_key or chat_api_key else None,
        chat_api_key=chat_api_key or (None if is_ads_key else api_key),
        anon_key=_key("supabase_anon_key", supabase_anon_key),
        agent_id=agent_id,
        timeout_ms=_number("timeout_ms", timeout_ms, least=1),
        max_retries=_number("max_retries", max_retries, least=0),
        reconnect_ms=_number("reconnect_ms", reconnect_ms, least=0),
        debug=debug,
    )


def _origin(base_url: str | None) -> str:
    """The server, by default that of the environment. The path of one of its APIs may stand behind it."""
    if base_url is None:
        base_url = os.environ.get("PENGUIN_BASE_URL") or DEFAULT_BASE_URL
    try:
        parts = urlsplit(base_url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        is_usable = False
    if not is_usable or parts.query or parts.fragment or parts.username is not None:
        raise ValidationError("base_url must be an address like http://127.0.0.1:9000.")
    base_url = base_url.rstrip("/")
    for prefix in ("/api-v1", *PREFIXES.values()):
        base_url = base_url.removesuffix(prefix)
    return base_url


def _key(name: str, key: str | None) -> str | None:
    """A key is never shown, also not in an error."""
    if key is None:
        return None
    if not isinstance(key, str) or not key or not all("!" <= character <= "~" for character in key):
        raise ValidationError(f"{name} must be printable ASCII without spaces.")
    return key


def _number(name: str, value: int, *, least: int) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value < least
    ):
        raise ValidationError(f"{name} must be a number from {least}.")
    return int(value)
