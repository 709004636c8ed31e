"""Middleware that only pages and their scripts need: static files, sessions, forms, messages.

Requests of the ads API go past all of it: they come with a key and without a cookie, so none of it would find
anything to do, and looking costs a tenth of what a report of an event costs in Python.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from penguin_site.web_pages import is_open_to_all_origins


class _ForPages:
    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if is_open_to_all_origins(request.path):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class StaticFiles(_ForPages, WhiteNoiseMiddleware):
    pass


class Sessions(_ForPages, SessionMiddleware):
    pass


class Forms(_ForPages, CsrfViewMiddleware):
    pass


class Users(_ForPages, AuthenticationMiddleware):
    pass


class Messages(_ForPages, MessageMiddleware):
    pass
