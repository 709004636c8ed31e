"""Identifiers: time-ordered UUIDs for rows, readable names for conversations."""

import os
import re
import secrets
import time
from datetime import datetime
from uuid import UUID

_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# Words that stand in the same place of a route as a conversation's id.
_RESERVED = {"create", "search"}


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7): rows made together lie together in an index."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def new_session_id(now: datetime) -> str:
    """`conversation_YYYYMMDD_HHMMSS_<8 hex>`; `now` in UTC."""
    return f"conversation_{now:%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"


def is_session_id(value: str) -> bool:
    """Whether a client may name a conversation so: 1-128 letters, digits, `._:-`, a letter or digit first."""
    return bool(_SESSION_ID.fullmatch(value)) and value not in _RESERVED


def new_epoch() -> str:
    """Names one life of a conversation's log; cursors of another life are not continued."""
    return secrets.token_hex(4)
