"""Errors outside of REST views (unknown routes, broken requests, crashes): JSON for programs, a page for people."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from penguin_site.core.error_envelopes import envelope_at
from penguin_site.errors import PayloadTooLarge

_CODES = {400: "invalid_request", 403: "forbidden", 404: "not_found"}
_SENTENCES = {
    400: "The request is not valid.",
    403: "This is not allowed.",
    404: "There is no such address.",
    500: "Internal server error",
}
_JSON_PREFIXES = ("/api/", "/functions/", "/metrics")


def _plain_error(request: HttpRequest, status: int, code: str | None = None) -> HttpResponse:
    request_id = getattr(request, "request_id", "")
    envelope = {"detail": _SENTENCES.get(status, "The request is not valid."), "code": code or _CODES[status]}
    if status == 500:
        envelope["request_id"] = request_id
    if request.path.startswith(_JSON_PREFIXES):
        shaped = envelope_at(request.path, envelope, status=status, request_id=request_id)
        return JsonResponse(shaped, status=status)
    return render(request, "penguin_site/error.html", {"status": status, **envelope}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        request_id = getattr(request, "request_id", "")
        envelope = envelope_at(
            request.path, PayloadTooLarge().as_envelope(), status=413, request_id=request_id
        )
        return JsonResponse(envelope, status=413)
    return _plain_error(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _plain_error(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _plain_error(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Nothing of the inside is shown: the request id leads to the logged traceback."""
    return _plain_error(request, 500, "internal_error")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    envelope = {
        "detail": "The form has expired or came from elsewhere: reload the page.",
        "code": "csrf_failed",
    }
    if request.path.startswith(_JSON_PREFIXES):
        return JsonResponse(envelope, status=403)
    return render(request, "penguin_site/error.html", {"status": 403, **envelope}, status=403)
