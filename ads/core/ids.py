"""Identifiers: time-ordered UUIDs inside, with a telling prefix at the edge."""

import os
from datetime import UTC, date, datetime
from enum import StrEnum
from uuid import UUID


class Mark(StrEnum):
    """What stands before the hex of an id, so that a reader knows what it names."""

    AGENT = "agt_"
    DECISION = "dec_"
    EVENT = "evt_"
    REQUEST = "req_"
    TRANSACTION = "txn_"
    SESSION = "ses_"
    CAPABILITY = "cap_"
    CLICK = "clk_"


def new_id(now: datetime) -> UUID:
    """A UUID of version 7 for something that happens at `now`; its month can be read from it again."""
    value = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def time_of(identifier: UUID) -> datetime:
    """When a time-ordered id was made, to the millisecond. ValueError for one that names no time."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def month_of(identifier: UUID) -> date:
    """The first day of the month (UTC) that a time-ordered id was made in: what belongs to a decision lies there."""
    moment = time_of(identifier)
    return date(moment.year, moment.month, 1)


def shown(mark: Mark, identifier: UUID) -> str:
    return f"{mark}{identifier.hex}"


def read(mark: Mark, text: str) -> UUID | None:
    """The id behind `dec_<32 hex>`; None for anything that we would not have written so."""
    digits = text.removeprefix(mark)
    if not text.startswith(mark) or len(digits) != 32:
        return None
    try:
        identifier = UUID(hex=digits)
    except ValueError:
        return None
    return identifier if identifier.hex == digits else None
