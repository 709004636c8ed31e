"""`GET /decisions/{id}/receipt` and the keys that receipts are checked with."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from ads import receipts
from ads.api.access import NoKey
from ads.api.base import AdsView
from ads.api.schema import obj, operation
from ads.core.books import book_of
from ads.core.ids import Mark, read
from ads.core.receipts import as_text, encode
from penguin_site.errors import NotFound

_UNIT = obj(
    "position unit_id campaign_id pricing bid_cents relevance quality weight pivotal_score price_cents wins_tie"
    " charge_micros share_bps payout_micros",
    position="integer",
    unit_id="string",
    campaign_id="string",
    pricing="string",
    bid_cents="integer",
    relevance={"type": "integer", "description": "0 to 10,000."},
    quality={"type": "integer", "description": "0 to 10,000."},
    weight={"type": "integer", "description": "Tenths of a click."},
    pivotal_score={
        "type": "integer",
        "description": "The score that had to be beaten; 0: the reserve was the price.",
    },
    price_cents="integer",
    wins_tie={"type": "boolean", "description": "Ranks before an equal score."},
    charge_micros="integer",
    share_bps="integer",
    payout_micros="integer",
)
_RECEIPT = obj(
    "version decision_id agent_id environment decided_at reason auction_version reserve_cents units",
    version="integer",
    decision_id="string",
    agent_id="string",
    environment="string",
    decided_at="string",
    reason="string",
    auction_version="integer",
    relevance_model="string",
    calibration="string",
    reserve_cents="integer",
    units={"type": "array", "items": _UNIT},
)
_EXAMPLE: dict[str, Any] = {
    "version": 1,
    "decision_id": "dec_0198c5d2a3b47e0f8a1b2c3d4e5f6071",
    "agent_id": "agt_0198c5d2a3b47e0f8a1b2c3d4e5f6071",
    "environment": "live",
    "decided_at": "2026-05-20T12:00:00+00:00",
    "reason": "",
    "auction_version": 1,
    "relevance_model": "use-multilingual-3",
    "calibration": "use-1",
    "reserve_cents": 5,
    "units": [
        {
            "position": 1,
            "unit_id": "7b1f6a52-13d3-4d7e-8a84-5d2f0d3a9c10",
            "campaign_id": "c1f5b0de-8c0e-4a53-9f0e-2b7a4f6f1e22",
            "pricing": "cpc",
            "bid_cents": 50,
            "relevance": 9_200,
            "quality": 8_500,
            "weight": 10,
            "pivotal_score": 27_000_000_000,
            "price_cents": 35,
            "wins_tie": True,
            "charge_micros": 350_000,
            "share_bps": 7_000,
            "payout_micros": 245_000,
        }
    ],
}


class Receipt(AdsView):
    @operation(
        "decision_receipt",
        "The signed receipt of a decision: its prices can be computed again from it",
        answer=obj(
            "receipt signed_text signature key_id algorithm",
            receipt=_RECEIPT,
            signed_text={
                "type": "string",
                "description": "The same as JSON text, byte for byte as it was signed.",
            },
            signature={"type": "string", "description": "Base64url, without padding."},
            key_id="string",
            algorithm={"type": "string", "enum": ["Ed25519"]},
        ),
        example={
            "receipt": _EXAMPLE,
            "signed_text": as_text(_EXAMPLE),
            "signature": "bmV2ZXIgc2lnbmVk",
            "key_id": "3f2a9c01b7d4e658",
            "algorithm": "Ed25519",
        },
    )
    def get(self, request: Request, decision_id: str) -> Response:
        caller = request.auth
        identifier = read(Mark.DECISION, decision_id)
        if identifier is None:
            raise NotFound
        book = book_of(caller.environment, caller.agent.pk)
        signed = receipts.receipt_of(identifier, agent_id=caller.agent.pk, book=book)
        return Response(
            {
                "receipt": signed.content,
                "signed_text": signed.text,
                "signature": signed.signature,
                "key_id": signed.key_id,
                "algorithm": "Ed25519",
            }
        )


class ReceiptKeys(AdsView):
    authentication_classes = [NoKey]

    @operation(
        "receipt_keys",
        "The public keys that receipts are checked with, the newest first",
        answer=obj(
            "keys",
            keys={
                "type": "array",
                "items": obj(
                    "key_id algorithm public_key", key_id="string", algorithm="string", public_key="string"
                ),
            },
        ),
        example={
            "keys": [
                {
                    "key_id": "3f2a9c01b7d4e658",
                    "algorithm": "Ed25519",
                    "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                }
            ]
        },
    )
    def get(self, request: Request) -> Response:
        return Response(
            {
                "keys": [
                    {"key_id": key.key_id, "algorithm": "Ed25519", "public_key": encode(key.public)}
                    for key in receipts.signing_keys()
                ]
            }
        )
