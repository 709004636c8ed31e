"""From where and how a request came: the client's address and the scheme, seen through trusted proxies only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from penguin_site.core.proxies import client_address, is_within, parse_address

_FORWARDING_HEADERS = (
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "x-real-ip",
    "via",
)


_FORWARDING_META = tuple((name, f"HTTP_{name.upper().replace('-', '_')}") for name in _FORWARDING_HEADERS)


@dataclass(frozen=True, slots=True)
class Peer:
    """`address` is the client's; `scheme` http or https; `is_this_machine` when no proxy can stand between."""

    address: str
    scheme: str
    host: str
    is_this_machine: bool


def peer_of_request(request: HttpRequest) -> Peer:
    meta = request.META
    headers = {name: meta[key] for name, key in _FORWARDING_META if key in meta}
    # Not get_host(): an unusable Host is our check's to refuse, not an exception.
    host = meta.get("HTTP_HOST") or f"{meta['SERVER_NAME']}:{meta['SERVER_PORT']}"
    scheme = meta.get("wsgi.url_scheme") or getattr(request, "scope", {}).get("scheme", "http")
    return _peer(meta.get("REMOTE_ADDR", ""), scheme, host, headers)


def peer_of_socket(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Peer:
    """`headers`: names in lower case."""
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), "http")
    address = (scope.get("client") or [""])[0]
    return _peer(address, scheme, headers.get("host", ""), headers)


def _peer(address: str, scheme: str, host: str, headers: Mapping[str, str]) -> Peer:
    trusted = settings.PENGUIN_TRUSTED_PROXIES
    parsed = parse_address(address)
    forwarded = not headers.keys().isdisjoint(_FORWARDING_HEADERS)
    here = bool(parsed and parsed.is_loopback and not forwarded)
    if forwarded and is_within(parsed, trusted):
        address = client_address(address, headers.get("x-forwarded-for", ""), trusted)
        said = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        scheme = said if said in ("http", "https") else scheme
    return Peer(address=address, scheme=scheme, host=host, is_this_machine=here)
