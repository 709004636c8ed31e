"""How REST requests are authenticated and what they may do."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from penguin_site import principals
from penguin_site.errors import Forbidden, NotAuthenticated
from penguin_site.models import User
from penguin_site.peers import peer_of_request
from penguin_site.principals import Principal

CHALLENGE = 'Bearer realm="penguin"'


class WrongCredentials(NotAuthenticated):
    """This key is not valid: it is unknown, revoked or expired, or may not be used from here."""


class CSRFFailed(Forbidden):
    """A request with the session cookie needs the CSRF token (X-CSRFToken) and this server's own Origin."""

    code = "csrf_failed"


class ScopeMissing(Forbidden):
    """The key lacks the scope for this."""

    code = "scope_missing"


def key_in(x_api_key: str | None, authorization: str | None) -> str | None:
    """The key in the two headers; X-API-Key counts first. None: there is none. WrongCredentials: another scheme."""
    if x_api_key is not None:
        return x_api_key.strip()
    if authorization is None:
        return None
    scheme, _, key = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise WrongCredentials("Authorization must be: Bearer <key>.")
    return key.strip()


class PenguinAuthentication(BaseAuthentication):
    """X-API-Key, `Authorization: Bearer`, or the session cookie of the browser login.

    A view with `takes_ticket = True` takes a one-time `?ticket=` too, from clients that cannot send a header.
    """

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        if not settings.PENGUIN_AUTH_ENABLED:
            found = principals.by_nothing()
        else:
            key = key_in(request.META.get("HTTP_X_API_KEY"), request.META.get("HTTP_AUTHORIZATION"))
            peer = peer_of_request(request._request)
            ticket = request.query_params.get("ticket") if _takes_ticket(request) else None
            if key is None and not ticket:
                return self._by_session(request)
            found = (
                principals.by_key(key, peer) if key is not None else principals.by_ticket(ticket or "", peer)
            )
        if found is None:
            raise WrongCredentials
        principal, user = found
        request._request.principal = principal
        return user, principal

    def _by_session(self, request: Request) -> tuple[User, Principal] | None:
        user = getattr(request._request, "user", None)
        if user is None or not user.is_authenticated or not user.is_active:
            return None
        check = CSRFCheck(lambda _: None)
        check.process_request(request._request)
        if reason := check.process_view(request._request, None, (), {}):
            raise CSRFFailed(f"{CSRFFailed().message} ({reason})")
        principal = principals.of_session(user, request._request.session.session_key)
        request._request.principal = principal
        return user, principal

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _takes_ticket(request: Request) -> bool:
    return getattr((request.parser_context or {}).get("view"), "takes_ticket", False)


class HasScope(BasePermission):
    """A view says by `required_scopes = {"GET": "read", ...}` what each of its methods needs; None: any principal.

    `required_scopes = None` on the view (with `authentication_classes = []`) makes it public.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not hasattr(view, "required_scopes"):
            raise ImproperlyConfigured(f"{type(view).__name__} does not say its required_scopes.")
        if view.required_scopes is None:
            return True
        if not isinstance(request.auth, Principal):
            raise NotAuthenticated
        method = "GET" if request.method == "HEAD" else request.method
        if method not in view.required_scopes:
            if method and hasattr(view, method.lower()) and method != "OPTIONS":
                raise ImproperlyConfigured(f"{type(view).__name__} does not say the scope of {method}.")
            return True  # answered with 405
        scope = view.required_scopes[method]
        if scope is not None and not request.auth.may(scope):
            raise ScopeMissing(f"This needs the scope {scope}.", scope=scope)
        return True
