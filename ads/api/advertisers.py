"""`/advertiser`, its keys and its wallet."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from ads import keys, statements
from ads.api.advertiser_access import MOST_IN_A_PAGE, PAGE_PARAMETERS, AdvertiserView
from ads.api.schema import obj, operation
from ads.core.ids import Mark, shown
from ads.core.micros import MICROS_PER_DOLLAR
from ads.ledger import Kind
from ads.models import AdKey
from penguin_site.errors import InvalidField

_TIME = {"type": "string", "format": "date-time"}
_TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}


class Account(AdvertiserView):
    @operation(
        "advertiser",
        "The advertiser of this key",
        answer=obj(
            "advertiser_id name organisation environment time_zone currency",
            advertiser_id={"type": "string", "format": "uuid"}, name="string", organisation="string",
            environment="string", time_zone="string", currency="string",
        ),
        example={
            "advertiser_id": "0b7e3c62-5d3c-4f6e-9a51-6a1f4f0c2d11", "name": "CloudTax", "organisation": "cloudtax.ca",
            "environment": "live", "time_zone": "America/Toronto", "currency": "USD",
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        advertiser = request.auth.advertiser
        return Response(
            {
                "advertiser_id": str(advertiser.pk),
                "name": advertiser.name,
                "organisation": advertiser.organisation,
                "environment": advertiser.environment,
                "time_zone": advertiser.time_zone,
                "currency": "USD",
            }
        )


KEY = obj(
    "prefix created_at expires_at last_used_at is_this_one",
    prefix="string",
    created_at=_TIME,
    expires_at=_TIME_OR_NULL,
    last_used_at=_TIME_OR_NULL,
    is_this_one="boolean",
)
_KEY_EXAMPLE = {
    "prefix": "av_live_4Fh2kQ9x",
    "created_at": "2026-05-20T12:00:00Z",
    "expires_at": None,
    "last_used_at": "2026-05-20T12:05:00Z",
    "is_this_one": True,
}


class Keys(AdvertiserView):
    @operation(
        "list_advertiser_keys",
        "The keys that work at the moment, the newest first",
        answer=obj("keys", keys={"type": "array", "items": KEY}),
        example={"keys": [_KEY_EXAMPLE]},
    )
    def get(self, request: Request) -> Response:
        usable = AdKey.objects.usable(timezone.now()).filter(advertiser=request.auth.advertiser)
        return Response(
            {"keys": [key_body(key, request.auth.key_id) for key in usable.order_by("-id")[:100]]}
        )


class RotateKey(AdvertiserView):
    @operation(
        "rotate_advertiser_key",
        "A new key in the place of the one that asks, which goes on working for a day",
        answer=obj(
            "api_key prefix old_key_expires_at message",
            api_key="string", prefix="string", old_key_expires_at=_TIME, message="string",
        ),
        example={
            "api_key": "av_live_...", "prefix": "av_live_4Fh2kQ9x", "old_key_expires_at": "2026-05-21T12:00:00Z",
            "message": "Keep the new key: it is not shown again.",
        },
        status=201,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        now = timezone.now()
        old = AdKey.objects.select_related("advertiser").get(pk=request.auth.key_id)
        key, text = keys.rotate(old, now=now)
        return Response(
            {
                "api_key": text,
                "prefix": key.prefix,
                "old_key_expires_at": now + keys.GRACE,
                "message": "Keep the new key: it is not shown again. The old one works for another day.",
            },
            status=201,
        )


def key_body(key: AdKey, asking: int) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "is_this_one": key.pk == asking,
    }


ENTRY = obj(
    "entry_id transaction_id kind amount campaign_id note occurred_at",
    entry_id="string",
    transaction_id="string",
    kind={"type": "string", "enum": [kind.value for kind in Kind]},
    amount={"type": "number", "description": "Dollars; negative for what was spent."},
    campaign_id={"type": ["string", "null"]},
    note="string",
    occurred_at=_TIME,
)


class WalletStatement(AdvertiserView):
    @operation(
        "wallet",
        "What stands in the wallet, and its movements, the newest first",
        parameters=PAGE_PARAMETERS,
        answer=obj(
            "currency balance held available paid_in spent entries next",
            currency="string", balance="number", held="number", available="number", paid_in="number", spent="number",
            entries={"type": "array", "items": ENTRY}, next={"type": ["string", "null"]},
        ),
        example={
            "currency": "USD", "balance": 99.65, "held": 0.0, "available": 99.65, "paid_in": 100.0, "spent": 0.35,
            "entries": [
                {"entry_id": "8", "transaction_id": "txn_0198c5d2a3b47e0f8a1b2c3d4e5f6071", "kind": "click",
                 "amount": -0.35, "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22", "note": "",
                 "occurred_at": "2026-05-20T12:00:00Z"},
            ],
            "next": None,
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        advertiser = request.auth.advertiser
        limit = _whole(request, "limit", most=MOST_IN_A_PAGE) or 50
        found = statements.entries(advertiser, before=_whole(request, "before", most=2**62), limit=limit + 1)
        figures = statements.figures(advertiser)
        return Response(
            {
                "currency": "USD",
                **{
                    name: getattr(figures, name) / MICROS_PER_DOLLAR
                    for name in ("balance", "held", "available", "paid_in", "spent")
                },
                "entries": [entry_body(entry) for entry in found[:limit]],
                "next": str(found[limit - 1].id) if len(found) > limit else None,
            }
        )


def entry_body(entry: statements.Entry) -> dict[str, Any]:
    return {
        "entry_id": str(entry.id),
        "transaction_id": shown(Mark.TRANSACTION, entry.transaction_id),
        "kind": entry.kind,
        "amount": entry.amount_micros / MICROS_PER_DOLLAR,
        "campaign_id": str(entry.campaign_id) if entry.campaign_id else None,
        "note": entry.note,
        "occurred_at": entry.occurred_at,
    }


def _whole(request: Request, name: str, *, most: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise InvalidField(name, f"must be a whole number from 1 to {most}")
    return int(text)
