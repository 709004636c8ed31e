"""GET requests to the public web, and to nothing else: no private network, no other service of this machine.

A name is resolved once, all its addresses are judged, and the connection goes to exactly those: a name server that
says something else a moment later changes nothing. Redirects are followed here, each judged like the first address.
No credentials, cookies or proxies are used.
"""

import asyncio
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from conversations.core.public_addresses import Address, is_public, literal_address
from conversations.llm.http_session import certificates
from conversations.tools.base import ToolError

MOST_BYTES = 2 * 1024 * 1024
MOST_REDIRECTS = 5
MOST_URL_LENGTH = 4096
CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 30.0
_HEADERS = {
    "User-Agent": "Penguin (+fetch_url)",
    "Accept": "text/html, text/plain, text/markdown, application/json;q=0.9, text/*;q=0.8",
    "Accept-Encoding": "gzip, deflate",
}
# Threads of their own: a name server that never answers holds up other fetches at most.
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="web-names")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


@dataclass(frozen=True, slots=True)
class Page:
    url: str  # after redirects
    status: int
    media_type: str  # in small letters; application/octet-stream where the server names none
    charset: str | None
    body: bytes  # decompressed
    is_cut: bool  # at MOST_BYTES


async def resolve(host: str) -> list[Address]:
    """The addresses of a name, as this machine knows them."""
    lookup = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_resolvers, lookup)
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


@dataclass(frozen=True, slots=True)
class PublicWeb:
    """How the web is reached. The fields are what tests replace; nobody else does."""

    resolve: Callable[[str], Awaitable[list[Address]]] = resolve
    is_public: Callable[[Address], bool] = is_public
    ports: frozenset[int] = frozenset({80, 443})
    headers: Mapping[str, str] = field(default_factory=lambda: _HEADERS)
    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS
    most_bytes: int = MOST_BYTES

    def parse(self, text: str) -> URL:
        """The address as it would be asked for. Raises ToolError where it is none of the public web's; asks nobody."""
        if len(text) > MOST_URL_LENGTH:
            raise ToolError(f"The URL has more than {MOST_URL_LENGTH} characters.")
        if any(character.isspace() or ord(character) < 32 for character in text) or "\\" in text:
            raise ToolError("The URL holds blanks, control characters or backslashes; they must be encoded.")
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except ValueError as error:
            raise ToolError(f"The URL cannot be read: {error}") from None
        if url.scheme not in ("http", "https"):
            raise ToolError("Only http:// and https:// URLs can be fetched.")
        if url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority:
            raise ToolError("The URL must not hold a user name or password.")
        if not host:
            raise ToolError("The URL names no host.")
        if port not in self.ports:
            raise ToolError(f"Port {port} is not fetched from: only 80 and 443 are.")
        self._judge_literal(host)
        return url.with_fragment(None)

    def _judge_literal(self, host: str) -> Address | None:
        try:
            address = literal_address(host)
        except ValueError as error:
            raise ToolError(str(error)) from None
        if address is None:
            if not _NAME.fullmatch(host.lower()):
                raise ToolError(f"{host!r} is no host name.")
        elif not self.is_public(address):
            raise ToolError(f"{host} is no address on the public internet.")
        return address

    async def get(self, text: str) -> Page:
        """The page at an address, behind at most five redirects. Raises ToolError."""
        try:
            async with asyncio.timeout(self.total_seconds):
                return await self._follow(self.parse(text))
        except TimeoutError:
            raise ToolError(f"No whole answer within {self.total_seconds:g} seconds.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolError(f"The request failed: {_reason(error)}") from None

    async def _follow(self, url: URL) -> Page:
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._ask(url)
            if isinstance(found, Page):
                return found
            url = found
        raise ToolError(f"More than {MOST_REDIRECTS} redirects; the last one leads to {url}.")

    async def _ask(self, url: URL) -> Page | URL:
        """The page, or where its server sends us."""
        pinned = _Pinned(str(url.raw_host), await self._addresses(str(url.raw_host)))
        connector = aiohttp.TCPConnector(resolver=pinned, use_dns_cache=False, force_close=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.connect_seconds)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.get(
                url,
                headers=self.headers,
                allow_redirects=False,
                ssl=certificates() if url.scheme == "https" else True,
            ) as response,
        ):
            location = response.headers.get("Location")
            if location is not None and response.status in (301, 302, 303, 307, 308):
                return self.parse(str(url.join(URL(location))))
            body, is_cut = await self._read(response)
            media_type = response.content_type.lower()
            return Page(str(url), response.status, media_type, response.charset, body, is_cut)

    async def _addresses(self, host: str) -> list[Address]:
        literal = self._judge_literal(host)
        if literal is not None:
            return [literal]
        try:
            addresses = list(dict.fromkeys(await self.resolve(host)))
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise ToolError(f"{host} has no address.")
        # One bad address among good ones is a name that somebody made for this.
        if not all(self.is_public(address) for address in addresses):
            raise ToolError(f"{host} is not on the public internet.")
        return addresses

    async def _read(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """The decompressed body up to the most, and whether it goes on."""
        unpack = _unpacker(response.headers.get("Content-Encoding", ""))
        body = bytearray()
        received = 0
        async for chunk in response.content.iter_chunked(64 * 1024):
            received += len(chunk)
            body += unpack(chunk, self.most_bytes + 1 - len(body))
            if len(body) > self.most_bytes or received > self.most_bytes:
                return bytes(body[: self.most_bytes]), True
        return bytes(body), False


class _Pinned(AbstractResolver):
    """Knows one name, and of it the addresses that were judged."""

    def __init__(self, host: str, addresses: list[Address]) -> None:
        self._host, self._addresses = host, addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host.rstrip(".") != self._host.rstrip("."):
            raise OSError(None, "Another name than the one that was judged.")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Takes a chunk and how much may come out at most: a few bytes can stand for gigabytes."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ToolError(f"The answer is packed as {encoding[:40]!r}, which was not asked for.")
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def unpack(chunk: bytes, most: int) -> bytes:
        try:
            return stream.decompress(chunk, most)
        except zlib.error:
            raise ToolError("The packed answer is broken.") from None

    return unpack


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the certificate is not valid for this host."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host} ({error.os_error.strerror or type(error.os_error).__name__})."
    return (str(error) or type(error).__name__)[:300]
