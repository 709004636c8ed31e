"""The rules for pages of other origins: Host, Origin, CORS headers. The same for HTTP and sockets."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host

from penguin_site.core.origins import is_own_origin, normal_origin
from penguin_site.errors import Forbidden
from penguin_site.peers import Peer

# The ads API is called from agents' pages anywhere; it takes no cookie, so nobody's session can be misused.
OPEN_PREFIX = "/functions/v1"
_ALLOWED_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
_ALLOWED_HEADERS = (
    "Content-Type, X-API-Key, X-AM-API-Key, Authorization, Idempotency-Key, Last-Event-ID, X-CSRFToken, apikey,"
    " x-client-info"
)
_EXPOSED_HEADERS = (
    "X-Request-Id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Idempotency-Replayed,"
    " Content-Disposition"
)


class ForeignHost(Forbidden):
    """This server does not answer to that Host name (PENGUIN_ALLOWED_HOSTS)."""

    code = "foreign_host"


class ForeignOrigin(Forbidden):
    """Pages of that Origin may not use this server (PENGUIN_CORS_ORIGINS)."""

    code = "foreign_origin"


def is_open_to_all_origins(path: str) -> bool:
    return path == OPEN_PREFIX or path.startswith(OPEN_PREFIX + "/")


def is_own(origin: str, peer: Peer) -> bool:
    own = normal_origin(settings.PENGUIN_PUBLIC_URL)
    return is_own_origin(origin, scheme=peer.scheme, host=peer.host, own_origins=(own,) if own else ())


def check_host(peer: Peer) -> None:
    """Against DNS rebinding: another site's name that was made to point here is not answered."""
    domain, _ = split_domain_port(peer.host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        raise ForeignHost


def check_origin(origin: str | None, peer: Peer, path: str) -> None:
    """Requests without Origin come from programs and from links; `null` is a page of nobody."""
    if origin is None or is_open_to_all_origins(path):
        return
    if not is_own(origin, peer) and normal_origin(origin) not in settings.PENGUIN_CORS_ORIGINS:
        raise ForeignOrigin


def add_cors_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Lets the page of an accepted Origin read the response; never with cookies."""
    open_to_all = is_open_to_all_origins(request.path)
    if not open_to_all:
        response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary"), "Origin"]))
    origin = request.META.get("HTTP_ORIGIN")  # `request.headers` reads all of META
    if origin is None:
        return
    response.headers["Access-Control-Allow-Origin"] = "*" if open_to_all else origin
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = _ALLOWED_METHODS
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"
