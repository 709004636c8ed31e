"""The base of pages for somebody who is signed in, whatever they show."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views import View

from penguin_site import principals, rate_limits
from penguin_site.errors import DomainError, TooManyRequests
from penguin_site.models import User
from penguin_site.principals import Principal

# Where the parts of the site are found, in the order of the bar at the top.
_PLACES = (("/chat", "Chat"), ("/dashboard", "Dashboard"), ("/ads", "Ads"), ("/api/docs", "API"))


def person_of(request: HttpRequest) -> User | None:
    """Who reads the page; where authentication is off everybody is the local owner."""
    if found := principals.by_nothing():
        return found[1]
    return request.user if request.user.is_authenticated else None  # type: ignore[return-value]


def frame_of(request: HttpRequest, person: User) -> dict[str, Any]:
    """What the frame of every page shows: who one is, and where one may go."""
    places = [*_PLACES, ("/admin/", "Admin")] if person.is_staff else _PLACES
    return {
        "person": person,
        "can_sign_out": request.user.is_authenticated,
        "places": [{"address": address, "name": name} for address, name in places],
    }


class PersonPage(View):
    """`self.person` is signed in. What the domain refuses is a page that says so, and so is a limit."""

    # Where one is sent who comes to an address that only takes forms.
    way_back = "/"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        person = person_of(request)
        if person is None:
            wanted = request.path if hasattr(self, "get") else self.way_back
            return redirect(f"{settings.LOGIN_URL}?next={quote(wanted)}")
        self.person = person
        try:
            rate_limits.check(self.principal, "read" if request.method in ("GET", "HEAD") else "write")
            return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]
        except DomainError as error:
            return self.refused(error)

    @property
    def principal(self) -> Principal:
        found = principals.by_nothing()
        session_key = self.request.session.session_key or ""
        return found[0] if found else principals.of_session(self.person, session_key)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "GET":
            return redirect(self.way_back)
        return super().http_method_not_allowed(request, *args, **kwargs)

    def refused(self, error: DomainError) -> HttpResponse:
        context = {**frame_of(self.request, self.person), "status": error.status, "detail": error.message}
        response = render(self.request, "penguin_site/error.html", context, status=error.status)
        if isinstance(error, TooManyRequests):
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    def show(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        frame = frame_of(self.request, self.person)
        return render(self.request, f"penguin_site/{template}", {**frame, **context}, status=status)
