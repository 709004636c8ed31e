"""Combinations of settings that would leave the server open, refused before it listens."""

import os
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from conversations.mcp.config import McpServer, load_servers
from penguin_site.core.origins import LOOPBACK_NAMES, normal_origin
from penguin_site.core.proxies import Network, parse_address, parse_networks
from penguin_site.core.rate_limits import Limit, parse_limits


def is_loopback_host(host: str) -> bool:
    address = parse_address(host)
    return host.lower() == "localhost" or bool(address and address.is_loopback)


def refuse_open_server(host: str, *, auth_enabled: bool, allow_insecure: bool) -> None:
    """A server without authentication listens to this machine only, unless somebody insists."""
    if auth_enabled or allow_insecure or is_loopback_host(host):
        return
    raise ImproperlyConfigured(
        f"PENGUIN_AUTH_ENABLED=false on the address {host} would let everyone in: bind to 127.0.0.1,"
        " or set PENGUIN_ALLOW_INSECURE_NO_AUTH=true if that is meant."
    )


def allowed_hosts(configured: Sequence[str], *, bound_to: str, public_url: str) -> list[str]:
    """Names under which this server may be asked: the loopback names, its own address, and the configured ones."""
    hosts = [*LOOPBACK_NAMES, *(host.lower() for host in configured)]
    if (address := parse_address(bound_to)) is None:
        hosts.append(bound_to.lower())
    elif not address.is_unspecified:
        hosts.append(f"[{address}]" if address.version == 6 else str(address))
    if public_url:
        origin = normal_origin(public_url)
        if origin is None:
            raise ImproperlyConfigured(
                "PENGUIN_PUBLIC_URL must be an origin such as https://penguin.example.com."
            )
        hosts.append(origin.partition("://")[2].rpartition(":")[0])
    return list(dict.fromkeys(hosts))


def cors_origins(configured: Sequence[str]) -> frozenset[str]:
    origins = {text: normal_origin(text.rstrip("/")) for text in configured}
    for text, origin in origins.items():
        if origin is None:
            raise ImproperlyConfigured(
                f"PENGUIN_CORS_ORIGINS: {text!r} is no origin such as https://app.example.com (and * is too wide)."
            )
    return frozenset(origin for origin in origins.values() if origin)


def anon_key_required(is_required: bool, *, anon_key: str) -> bool:
    if is_required and not anon_key:
        raise ImproperlyConfigured("PENGUIN_REQUIRE_ANON_KEY=true needs a PENGUIN_ANON_KEY to compare with.")
    return is_required


def trusted_proxies(configured: Sequence[str]) -> tuple[Network, ...]:
    try:
        return parse_networks(configured)
    except ValueError as error:
        raise ImproperlyConfigured(f"PENGUIN_TRUSTED_PROXIES: {error}.") from None


def rate_limits(text: str) -> dict[str, Limit]:
    try:
        return parse_limits(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"PENGUIN_RATE_LIMITS: {error}.") from None


def mcp_servers(path: str) -> tuple[McpServer, ...]:
    """The servers of the file, read once: a change of it counts from the next start on."""
    try:
        return load_servers(Path(path).expanduser(), os.environ) if path else ()
    except ValueError as error:
        raise ImproperlyConfigured(f"PENGUIN_MCP_CONFIG: {error}") from None
