"""The texts of keys: `am_live_...` and `am_test_...` for agents, `av_...` for advertisers. Only hashes are kept."""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from enum import StrEnum

from ads.core.tokens import Environment

_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 40
_PREFIX_LENGTH = 8
_FORM = re.compile(r"(am|av)_(live|test)_[A-Za-z0-9_]{16,120}")


class KeyHolder(StrEnum):
    AGENT = "am"
    ADVERTISER = "av"


@dataclass(frozen=True, slots=True)
class KeyKind:
    """What the beginning of a key says of it."""

    holder: KeyHolder
    environment: Environment


def new_key(holder: KeyHolder, environment: Environment) -> tuple[str, str]:
    """A new key, and its beginning, by which people tell keys apart."""
    prefix = f"{holder}_{environment}_{''.join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_LENGTH))}"
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))}", prefix


def key_hash(key: str) -> bytes:
    # Keys are long and random: a fast hash cannot be turned back, and a slow one would cost every request.
    return hashlib.sha256(key.encode()).digest()


def kind_of(key: str) -> KeyKind | None:
    """None for what cannot be one of our keys: nobody has to be asked then."""
    match = _FORM.fullmatch(key)
    return KeyKind(KeyHolder(match[1]), Environment(match[2])) if match else None
