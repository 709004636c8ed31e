"""Signed tokens: what a decision has fixed travels with the ad and comes back unchanged.

A token names its decision, unit, agent, environment and price, so it is checked without a look into the database. Two
kinds: one in the click address, one that the agent reports with. Both are signed with HMAC-SHA256 under the newest key
and accepted under every active one, so keys are rotated by adding a new one in front and dropping the last one later.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ads.core.micros import Pricing

TOKEN_VERSION = 1
MAX_TOKEN_LENGTH = 2_048
TRACKING_MARK = "trk_"
_SIGNATURE_BYTES = 32
_HOUR = 3_600


class Environment(StrEnum):
    LIVE = "live"
    TEST = "test"


class TokenUse(StrEnum):
    """What a token was made for: one kind is never taken for the other."""

    CLICK = "click"
    TRACK = "track"


class Window(StrEnum):
    """What may be reported with a token, each for its time after the decision."""

    IMPRESSION = "impression"
    CLICK = "click"
    FEEDBACK = "feedback"
    CONVERSION = "conversion"
    RATING = "rating"


LIFETIME_SECONDS = {
    Window.IMPRESSION: _HOUR,
    Window.CLICK: 24 * _HOUR,
    Window.FEEDBACK: 24 * _HOUR,
    Window.CONVERSION: 7 * 24 * _HOUR,
    Window.RATING: 7 * 24 * _HOUR,
}


class BadToken(ValueError):
    """The text is no token of ours, or somebody has changed it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`key_id` stands in the token and says nothing about the secret."""

    key_id: str
    secret: bytes

    @classmethod
    def of(cls, secret: str) -> "SigningKey":
        return cls(hashlib.sha256(b"ads key id:" + secret.encode()).hexdigest()[:8], secret.encode())


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token carries. Ids are hex; `price_cents` is for one `pricing`; `issued_at` is in epoch seconds."""

    environment: Environment
    agent_id: str
    decision_id: str
    unit_id: str
    pricing: Pricing
    price_cents: int
    issued_at: int

    def is_alive(self, window: Window, now: int) -> bool:
        """Up to and with the last second of the window; a token from the future is as old as now."""
        return now - self.issued_at <= LIFETIME_SECONDS[window]


def sign_click_token(facts: TokenFacts, keys: Sequence[SigningKey]) -> str:
    """`base64url(JSON object).base64url(signature)`."""
    payload = _payload(facts, TokenUse.CLICK, keys[0])
    return f"{_encode(payload)}.{_encode(_signature(payload, keys[0]))}"


def sign_tracking_token(facts: TokenFacts, keys: Sequence[SigningKey]) -> str:
    """`trk_` and one base64url text of payload and signature."""
    payload = _payload(facts, TokenUse.TRACK, keys[0])
    return TRACKING_MARK + _encode(payload + _signature(payload, keys[0]))


def read_click_token(token: str, keys: Sequence[SigningKey]) -> TokenFacts:
    """What a click token says. Raises BadToken; whether it is still alive is not looked at."""
    head, dot, tail = token.partition(".")
    if not dot or len(token) > MAX_TOKEN_LENGTH:
        raise BadToken
    return _facts(_decode(head), _decode(tail), TokenUse.CLICK, keys)


def read_tracking_token(token: str, keys: Sequence[SigningKey]) -> TokenFacts:
    """What a tracking token says. Raises BadToken; whether it is still alive is not looked at."""
    if not token.startswith(TRACKING_MARK) or len(token) > MAX_TOKEN_LENGTH:
        raise BadToken
    signed = _decode(token.removeprefix(TRACKING_MARK))
    return _facts(signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:], TokenUse.TRACK, keys)


def _payload(facts: TokenFacts, use: TokenUse, key: SigningKey) -> bytes:
    fields = {
        "v": TOKEN_VERSION,
        "k": key.key_id,
        "f": use.value,
        "e": facts.environment.value,
        "a": facts.agent_id,
        "d": facts.decision_id,
        "u": facts.unit_id,
        "m": facts.pricing.value,
        "p": facts.price_cents,
        "t": facts.issued_at,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _facts(payload: bytes, signature: bytes, use: TokenUse, keys: Sequence[SigningKey]) -> TokenFacts:
    # Nothing of the payload is believed, not even that it is JSON, before one of our keys has signed it.
    if not any(hmac.compare_digest(signature, _signature(payload, key)) for key in keys):
        raise BadToken
    fields: dict[str, Any] = json.loads(payload)
    if fields["v"] != TOKEN_VERSION or fields["f"] != use.value:
        raise BadToken
    return TokenFacts(
        environment=Environment(fields["e"]),
        agent_id=fields["a"],
        decision_id=fields["d"],
        unit_id=fields["u"],
        pricing=Pricing(fields["m"]),
        price_cents=fields["p"],
        issued_at=fields["t"],
    )


def _signature(payload: bytes, key: SigningKey) -> bytes:
    return hmac.new(key.secret, b"penguin ad token\0" + payload, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadToken from None
    # A token has one spelling: the decoder also takes characters and last bits that nobody has written.
    if _encode(data) != text:
        raise BadToken
    return data
