"""The arithmetic of the audit chain: each row's hash covers its facts and the hash of the row before."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

GENESIS = bytes(32)


def plain(value: Any) -> Any:
    """`value` as JSON that reads back from the database exactly as it was written.

    Numbers that are no integers become text, as does everything JSON does not know.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)


def row_hash(previous: bytes, facts: Mapping[str, Any]) -> bytes:
    """SHA-256 over the hash before and the facts with sorted keys."""
    text = json.dumps(plain(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(previous + text.encode()).digest()
