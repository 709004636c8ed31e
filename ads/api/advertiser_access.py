"""Advertisers ask with their own keys, `av_...`, and see what is theirs and nothing else."""

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ads import keys
from ads.api.access import MissingKey, WrongKey
from ads.api.base import AdsView
from ads.core.key_texts import KeyHolder
from ads.models import Advertiser, FeatureSwitch
from penguin_site.errors import Forbidden, InvalidField, NotFound

MOST_IN_A_PAGE = 100
Row = TypeVar("Row", bound=Model)


class AdvertiserInactive(Forbidden):
    """This advertiser is not active."""


@dataclass(frozen=True, slots=True)
class AdvertiserCaller:
    """An advertiser with one of its keys."""

    advertiser: Advertiser
    key_id: int
    kind = "advertiser"

    @property
    def rate_bucket(self) -> str:
        return f"ads:advertiser:{self.advertiser.pk.hex}"


class AdvertiserKey(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[None, Any]:
        text = request.headers.get("X-AM-API-Key", "").strip()
        if not text:
            raise MissingKey
        key = keys.find(text, KeyHolder.ADVERTISER, now=timezone.now())
        if key is None or key.advertiser is None:
            raise WrongKey
        if not key.advertiser.is_active:
            raise AdvertiserInactive
        caller = AdvertiserCaller(key.advertiser, key.pk)
        request._request.principal = caller  # for the log line
        return None, caller

    def authenticate_header(self, request: Request) -> str:
        return 'ApiKey header="X-AM-API-Key"'


class _AdvertiserKeyScheme(OpenApiAuthenticationExtension):
    target_class = "ads.api.advertiser_access.AdvertiserKey"
    name = "AdvertiserKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-AM-API-Key",
            "description": "The advertiser's key, av_...",
        }


class AdvertiserView(AdsView):
    authentication_classes = [AdvertiserKey]
    feature = FeatureSwitch.Feature.ADVERTISERS


PAGE_PARAMETERS = [
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST_IN_A_PAGE, "default": 50}),
    OpenApiParameter("before", {"type": "string"}, description="`next` of the page before."),
]


def own(rows: QuerySet[Row], identifier: UUID) -> Row:
    """One of the caller's own rows; what belongs to others is not there."""
    found = rows.filter(pk=identifier).first()
    if found is None:
        raise NotFound
    return found


def page_of(rows: QuerySet[Row], request: Request) -> tuple[list[Row], str | None]:
    """A page, the newest first, and the name of the next one. Of the caller's own rows."""
    limit = request.query_params.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST_IN_A_PAGE):
        raise InvalidField("limit", f"must be from 1 to {MOST_IN_A_PAGE}")
    before = request.query_params.get("before")
    ordered = rows.order_by("-created_at", "-id")
    if before is not None:
        last = rows.filter(pk=_uuid(before)).values_list("created_at", "id").first()
        if last is None:
            raise InvalidField("before", "is not the name of a page")
        ordered = ordered.filter(created_at__lte=last[0]).exclude(created_at=last[0], id__gte=last[1])
    found = list(ordered[: int(limit) + 1])
    page = found[: int(limit)]
    return page, str(page[-1].pk) if len(found) > len(page) else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
