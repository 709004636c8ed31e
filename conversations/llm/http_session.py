"""The HTTP connections to model servers: one pool for each event loop."""

import asyncio
import ssl
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
import certifi

CONNECT_SECONDS = 10
READ_IDLE_SECONDS = 120

_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()


def session() -> aiohttp.ClientSession:
    """The running loop's session. It has no limit of connections: 200 answers at once are 200 connections."""
    loop = asyncio.get_running_loop()
    found = _sessions.get(loop)
    if found is None or found.closed:
        found = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=READ_IDLE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        _sessions[loop] = found
    return found


async def close_session() -> None:
    """Closes the running loop's connections; the next request opens new ones."""
    found = _sessions.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address. (aiohttp's own way would read ~/.netrc as well.)"""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def certificates_for(url: str) -> ssl.SSLContext | bool:
    return certificates() if url.startswith("https:") else True


@cache
def certificates() -> ssl.SSLContext:
    """The machine's authorities and certifi's: slim images have none of their own."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
