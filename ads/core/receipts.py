"""Receipts of decisions: everything that made a price, signed so that anybody can check it without this server.

A receipt is JSON text with an Ed25519 signature over its bytes. The private keys follow from the secrets that tokens
are signed with; the public ones are published. A price is computed from the score that had to be beaten, which says
nothing of whose it was.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ads.core.auction import WEIGHT_SCALE

RECEIPT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """A pair of keys; `key_id` names the public one."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, secret: str) -> "ReceiptKey":
        return cls(
            Ed25519PrivateKey.from_private_bytes(
                hashlib.sha256(b"ads receipt key:" + secret.encode()).digest()
            )
        )

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.public).hexdigest()[:16]

    def sign(self, text: str) -> str:
        return encode(self.private.sign(text.encode()))


def as_text(receipt: Mapping[str, Any]) -> str:
    """The text that is signed."""
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"))


def is_signed(text: str, signature: str, public_key: bytes) -> bool:
    try:
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def price_from(
    *, relevance: int, quality: int, weight: int, pivotal_score: int, wins_tie: bool, reserve_cents: int
) -> int:
    """The price in cents of the campaign's own pricing, from what stands in a receipt and nothing else."""
    reserve = -(-reserve_cents * WEIGHT_SCALE // weight)
    if pivotal_score == 0:
        return reserve
    score_of_a_cent = relevance * quality * weight
    price = -(-pivotal_score // score_of_a_cent)
    if price * score_of_a_cent == pivotal_score and not wins_tie:
        price += 1
    return max(price, reserve)


def wins_tie(*, relevance: int, quality: int, weight: int, pivotal_score: int, price_cents: int) -> bool:
    """Whether the unit ranks before an equal score; told by the price that it got."""
    return (price_cents - 1) * relevance * quality * weight != pivotal_score


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
