"""What happens around every request: its id and log line, and the refusal of what must not get any further."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from penguin_site import logs, metrics, web_pages
from penguin_site.core.body_limits import limit_for
from penguin_site.core.error_envelopes import envelope_at
from penguin_site.core.percent_encoding import is_clean
from penguin_site.errors import DomainError, InvalidRequest, PayloadTooLarge
from penguin_site.peers import peer_of_request

GetResponse = Callable[[HttpRequest], HttpResponse]
_BROKEN_BYTE = re.compile("%[89A-Fa-f][0-9A-Fa-f]")
access_log = logging.getLogger("penguin.access")


class BrokenAddress(InvalidRequest):
    """The path or query string is not percent-encoded UTF-8, or contains a NUL."""

    code = "invalid_address"


def request_id(get_response: GetResponse) -> GetResponse:
    """Names the request (a name that a client sends does not count), logs it, and counts it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.request_id = uuid4().hex
        token = logs.request_id.set(request.request_id)
        began = time.perf_counter()
        try:
            response = get_response(request)
            seconds = time.perf_counter() - began
            response.headers["X-Request-Id"] = request.request_id
            for name, value in getattr(request, "rate_limit_headers", {}).items():
                response.headers.setdefault(name, value)
            _log(request, response.status_code, seconds)
            metrics.count_request(request, response.status_code, seconds)
            return response
        finally:
            logs.request_id.reset(token)

    return middleware


def _log(request: HttpRequest, status: int, seconds: float) -> None:
    # The path alone: query strings carry tickets and what people search for.
    principal = getattr(request, "principal", None)
    fields = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "principal": principal.kind if principal else _page_visitor(request),
    }
    access_log.info(
        "%s %s %s %s ms %s",
        fields["method"],
        # A line break in a path must not look like a second line.
        request.path.encode("unicode_escape").decode(),
        fields["status"],
        fields["ms"],
        fields["principal"],
        extra={"fields": fields, "is_own_text": _is_own_text(request)},
    )


def _is_own_text(request: HttpRequest) -> bool:
    """Whether the client has said nothing in the line that this server does not say itself: a route without names."""
    match = request.resolver_match
    return match is not None and request.path == f"/{match.route}" and request.method in metrics.METHODS


def _page_visitor(request: HttpRequest) -> str:
    # Only if a page has looked: the log must not be what loads the session.
    user = getattr(request, "_cached_user", None)
    return "session" if user is not None and user.is_authenticated else "anonymous"


def allowed_origins(get_response: GetResponse) -> GetResponse:
    """Host and Origin, with authentication on or off; CORS headers; well-formed addresses and bodies."""

    def middleware(request: HttpRequest) -> HttpResponse:
        peer = request.peer = peer_of_request(request)
        if peer.scheme == "https":
            request.META["penguin.scheme"] = "https"  # read by SECURE_PROXY_SSL_HEADER; no client can send it
        try:
            web_pages.check_host(peer)
            _check_address(request)
            web_pages.check_origin(request.META.get("HTTP_ORIGIN"), peer, request.path)
            _measure_chunked_body(request)
        except DomainError as error:
            envelope = envelope_at(
                request.path, error.as_envelope(), status=error.status, request_id=request.request_id
            )
            return JsonResponse(envelope, status=error.status)
        if web_pages.is_open_to_all_origins(request.path):
            request.META.pop("HTTP_COOKIE", None)
        response = HttpResponse(status=204) if request.method == "OPTIONS" else get_response(request)
        web_pages.add_cors_headers(request, response)
        return response

    return middleware


def _check_address(request: HttpRequest) -> None:
    query = request.META.get("QUERY_STRING", "")
    if not is_clean(query.encode("utf-8", "surrogateescape")) or not _is_clean_path(request):
        raise BrokenAddress


def _is_clean_path(request: HttpRequest) -> bool:
    if scope := getattr(request, "scope", None):
        # Decoded by the server; bytes that were no UTF-8 have become U+FFFD by then.
        return is_clean(scope.get("raw_path", b"")) and not {"\0", "\ufffd"} & set(request.path_info)
    # Under WSGI Django has put bytes that were no UTF-8 back into percent-encoding; nothing of ours is named so.
    return "\0" not in request.path_info and not _BROKEN_BYTE.search(request.path_info)


def _measure_chunked_body(request: HttpRequest) -> None:
    """A chunked body has no Content-Length; without one Django and DRF would take it for empty."""
    if request.META.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" not in request.META:
        return
    stream: Any = request
    if environ := getattr(request, "environ", None):
        if not environ.get("wsgi.input_terminated"):
            raise InvalidRequest("The body needs a Content-Length.")
        stream = environ["wsgi.input"]
    limit = limit_for(request.path, upload_bytes=settings.PENGUIN_UPLOAD_MAX_BYTES)
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge
    request._body, request._read_started = body, True
    request.META["CONTENT_LENGTH"] = str(len(body))


_POLICIES = {
    # Answers of the API are data: nothing in them is ever run or shown as a page.
    "/api/v1": "default-src 'none'; frame-ancestors 'none'",
    # Swagger UI sets styles from its script, and has small images inside them.
    "/api/docs": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none';"
    " base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    # The theme's Alpine.js makes functions of the attributes of its elements.
    "/admin": "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; object-src 'none';"
    " base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
}
_STRICT_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none';"
    " form-action 'self'"
)


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """What a page may load and run; a view that sets its own policy keeps it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        policy = next(
            (rule for path, rule in _POLICIES.items() if request.path.startswith(path)), _STRICT_POLICY
        )
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if "text/html" in response.headers.get("Content-Type", ""):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
