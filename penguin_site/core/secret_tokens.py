"""Keys, tickets and links: random texts of which only the hash is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

API_KEY_MARK = "pk_"


def new_api_key() -> tuple[str, str]:
    """A new key and its visible beginning: `pk_<8 hex>_<43 random characters>`, `pk_<8 hex>`."""
    prefix = API_KEY_MARK + secrets.token_hex(4)
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """SHA-256; a slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_one_of(candidate: str, secrets_: Iterable[str]) -> bool:
    """Constant-time: every secret is compared, and all comparisons are of equal length."""
    wanted, found = token_hash(candidate), False
    for secret in secrets_:
        found |= hmac.compare_digest(wanted, token_hash(secret))
    return found
