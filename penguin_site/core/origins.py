"""Which web pages may talk to this server: the rules behind the Host and Origin checks."""

from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def normal_origin(text: str) -> str | None:
    """`scheme://host:port` in lower case with the port spelt out; None for anything else, `null` included."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    if parts.path or parts.query or parts.fragment:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or _DEFAULT_PORTS[parts.scheme]}"


def is_own_origin(origin: str, *, scheme: str, host: str, own_origins: Collection[str] = ()) -> bool:
    """Whether `origin` is this server, asked at `scheme://host`.

    The loopback names are one server: a page from `localhost` may talk to `127.0.0.1` on the same port.
    `own_origins` holds further normal origins (the public address).
    """
    asked, came_from = normal_origin(f"{scheme}://{host}"), normal_origin(origin)
    if came_from is None:
        return False
    if came_from == asked or came_from in own_origins:
        return True
    return asked is not None and _as_localhost(came_from) == _as_localhost(asked)


def _as_localhost(origin: str) -> str:
    scheme, _, rest = origin.partition("://")
    host, _, port = rest.rpartition(":")
    return f"{scheme}://localhost:{port}" if host in LOOPBACK_NAMES else origin
