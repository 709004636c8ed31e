"""How live output travels between processes: compact JSON items, packed into payloads that `NOTIFY` can carry."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from conversations.core.log_events import Event, Piece

# Postgres refuses a payload of 8,000 bytes, and with it the whole transaction.
PAYLOAD_BYTES = 7_900
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# ["p", conversation, run, part, kind, offset, text, base]
# ["e", conversation, seq, run, type, payload or null, milliseconds since 1970]
# ["h", conversation]: something happened that is too long to travel
# ["d", conversation, owner, session id]: it was deleted, and no table knows it any more
Item = list[Any]


def piece_item(conversation_id: int, piece: Piece) -> Item:
    return [
        "p",
        conversation_id,
        piece.run_id,
        piece.part_id,
        piece.kind,
        piece.offset,
        piece.text,
        piece.base,
    ]


def event_item(
    conversation_id: int, seq: int, run_id: str | None, event_type: str, payload: Any, *, created_at: datetime
) -> Item:
    """`created_at` is that of the event's row: readers of the log and of the hint are told the same time."""
    return ["e", conversation_id, seq, run_id, event_type, payload, milliseconds(created_at)]


def milliseconds(moment: datetime) -> int:
    """Since 1970, rounded down, as Postgres does it where the log is read."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def deleted_item(conversation_id: int, owner_id: int, session_id: str) -> Item:
    return ["d", conversation_id, owner_id, session_id]


def item_of(raw: Item) -> Event | Piece | None:
    """The event or piece behind an item; None for a bare hint."""
    match raw:
        case ["p", _, run_id, part_id, kind, offset, text, base]:
            return Piece(run_id, part_id, kind, offset, text, base)
        case ["e", _, seq, run_id, event_type, payload, time]:
            return Event(seq, event_type, run_id, payload, time)
    return None


def _encode(item: Item) -> bytes:
    data = orjson.dumps(item)
    if len(data) + 2 <= PAYLOAD_BYTES:
        return data
    if item[0] == "e":
        return orjson.dumps([*item[:5], None, item[6]])
    return orjson.dumps(["h", item[1]])


def payloads(items: Iterable[Item]) -> Iterator[str]:
    """The items in order, as few JSON arrays as `PAYLOAD_BYTES` allows; what is too long becomes a hint."""
    batch: list[bytes] = []
    size = 1
    for item in items:
        data = _encode(item)
        if batch and size + len(data) + 1 > PAYLOAD_BYTES:
            yield (b"[" + b",".join(batch) + b"]").decode()
            batch, size = [], 1
        batch.append(data)
        size += len(data) + 1
    if batch:
        yield (b"[" + b",".join(batch) + b"]").decode()


def items(payload: str | bytes) -> list[Item]:
    """The items of a payload; those of another program on the same channel are ignored."""
    try:
        decoded = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return []
    return (
        [item for item in decoded if isinstance(item, list) and len(item) >= 2]
        if isinstance(decoded, list)
        else []
    )
