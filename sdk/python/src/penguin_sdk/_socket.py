"""How sockets are opened, by either client."""

from typing import Any

from penguin_sdk._config import USER_AGENT, Config
from penguin_sdk.errors import APIRequestError

# Whoever offers it is told in a frame why a connection is refused.
PROTOCOL = "penguin.v1"
PING_SECONDS = 20


def socket_options(config: Config) -> dict[str, Any]:
    return {
        "additional_headers": {k: v for k, v in config.headers("agent").items() if k != "User-Agent"},
        "user_agent_header": USER_AGENT,
        "subprotocols": [PROTOCOL],
        "open_timeout": config.timeout_ms / 1000,
        "close_timeout": 1,
        "ping_interval": PING_SECONDS,
        "ping_timeout": PING_SECONDS,
        "max_size": None,
    }


def refused_handshake(status: int) -> APIRequestError:
    return APIRequestError(f"The server refused the socket with {status}.", status=status)
