"""The browser's ways in: one-time links for the local owner, and passwords."""

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import login as start_session
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from penguin_site import audit, principals, rate_limits
from penguin_site.core.rate_limits import Limit
from penguin_site.core.secret_tokens import new_token, token_hash
from penguin_site.models import LoginLink
from penguin_site.pages.people import frame_of, person_of
from penguin_site.peers import peer_of_request

LINK_MINUTES = 15
# Attempts for one name and from one address; a forgotten password is typed a few times, a guessed one often.
ATTEMPTS_PER_NAME = Limit(10, 600, 10)
ATTEMPTS_PER_ADDRESS = Limit(60, 600, 30)


def make_login_link(*, until_restart: bool = False) -> str:
    """A link that works once, for LINK_MINUTES, from this machine; the banner's until the next start makes another."""
    token, now = new_token(), timezone.now()
    with transaction.atomic():
        LoginLink.objects.filter(expires_at__lte=now).delete()
        if until_restart:
            LoginLink.objects.filter(is_banners=True).delete()
        LoginLink.objects.create(
            token_hash=token_hash(token),
            is_banners=until_restart,
            expires_at=None if until_restart else now + timedelta(minutes=LINK_MINUTES),
        )
    host = settings.PENGUIN_HOST if settings.PENGUIN_HOST not in ("0.0.0.0", "::", "") else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.PENGUIN_PORT}/authorize?token={token}"


def _use_up(token: str) -> bool:
    # One statement: of two browsers with one link the second finds nothing.
    deleted, _ = (
        LoginLink.objects.filter(token_hash=token_hash(token))
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))
        .delete()
    )
    return bool(deleted)


@require_GET
def authorize(request: HttpRequest) -> HttpResponse:
    """Signs this machine's browser in as the local owner."""
    peer, token = peer_of_request(request), request.GET.get("token", "")
    if not peer.is_this_machine or not token or not _use_up(token):
        context = {
            "status": 403,
            "detail": "This link cannot be used: it works once, for a short time, and only on the machine that runs"
            " Penguin. Make another with: python manage.py login_link",
        }
        return render(request, "penguin_site/error.html", context, status=403)
    owner = principals.local_owner_user()
    start_session(request, owner, backend="django.contrib.auth.backends.ModelBackend")
    audit.record(owner, "login_link.used", owner, request=request)
    return redirect("/chat")


def home(request: HttpRequest) -> HttpResponse:
    """Where to go from here, as far as one may; for those who are signed in."""
    if settings.PENGUIN_AUTH_ENABLED and not request.user.is_authenticated:
        return redirect(f"{settings.LOGIN_URL}?next=/")
    person = person_of(request)
    context = frame_of(request, person) if person else {}
    return render(request, "penguin_site/home.html", context)


class PasswordLogin(LoginView):
    """Name and password, with a limit on attempts that no setting switches off."""

    template_name = "penguin_site/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = hashlib.sha256(request.POST.get("username", "").casefold().encode()).hexdigest()[:32]
        address = peer_of_request(request).address
        for key, limit in (
            (f"login-address:{address}"[:200], ATTEMPTS_PER_ADDRESS),
            (f"login-name:{name}", ATTEMPTS_PER_NAME),
        ):
            verdict = rate_limits.take(key, limit)
            if not verdict.granted:
                return _too_often(request, verdict.retry_after_seconds)
        return super().post(request, *args, **kwargs)


def _too_often(request: HttpRequest, seconds: int) -> HttpResponse:
    context = {"status": 429, "detail": f"Too many attempts: wait {seconds} seconds and try again."}
    response = render(request, "penguin_site/error.html", context, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


class Logout(LogoutView):
    """POST only. Sockets of the session are closed within seconds."""

    http_method_names = ["post", "options"]


class ChangePassword(PasswordChangeView):
    """A new password of one's own; every other session of this person ends, with its sockets, within seconds."""

    template_name = "penguin_site/password.html"
    success_url = "/password?changed=yes"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect(f"{settings.LOGIN_URL}?next=/password")
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_usable_password():
            return redirect("/password")
        # The old password could be guessed here, too.
        verdict = rate_limits.take(f"password-change:{request.user.pk}", ATTEMPTS_PER_NAME)
        if not verdict.granted:
            return _too_often(request, verdict.retry_after_seconds)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            audit.record(self.request.user, "password.changed", self.request.user, request=self.request)
        return response  # type: ignore[return-value]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        frame = frame_of(self.request, self.request.user)  # type: ignore[arg-type]
        has_one = self.request.user.has_usable_password()
        return super().get_context_data(**kwargs, **frame, has_password=has_one)


def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin has no login form of its own: there is one door, with one limit on attempts."""
    if request.user.is_authenticated and not request.user.is_staff:
        context = {"status": 403, "detail": "This account may not use the admin."}
        return render(request, "penguin_site/error.html", context, status=403)
    query = request.GET.urlencode()
    return HttpResponseRedirect(settings.LOGIN_URL + (f"?{query}" if query else ""))
