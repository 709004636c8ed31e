"""Under which address clients reach this server."""

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request


def origin_of(request: Request | HttpRequest) -> str:
    """What the operator says, else what the client has asked."""
    return settings.PENGUIN_PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
