"""Names of placements: an agent's own identifiers are kept for its reports, anything else only as a mark of its own."""

import hashlib
import re

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}")


def kept_name(placement: str, *, secret: str) -> str:
    """What is stored of a placement. Words of a user that landed in this field by mistake cannot be read from it."""
    if not placement or _IDENTIFIER.fullmatch(placement):
        return placement
    digest = hashlib.blake2b(placement.encode(), key=secret.encode()[:64], digest_size=6)
    return f"plc_{digest.hexdigest()}"
