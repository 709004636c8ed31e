"""Tells whether a percent-encoded path or query string decodes to text that Postgres can keep."""

import re
from urllib.parse import unquote_to_bytes

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def is_clean(encoded: bytes) -> bool:
    """False for a broken escape, for bytes that are not UTF-8 (lone surrogates too), and for NUL."""
    if _BROKEN.search(encoded):
        return False
    decoded = unquote_to_bytes(encoded)
    try:
        decoded.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in decoded
