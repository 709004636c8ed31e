"""Keeps what people did that others may ask about: an append-only chain, each row with the hash of the one before."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from penguin_site import logs
from penguin_site.core.audit_chain import GENESIS, plain, row_hash
from penguin_site.models import AuditEntry, User
from penguin_site.peers import peer_of_request

# The chain has one end, so one writer at a time: not for hot paths.
_CHAIN_LOCK = 0x70656E67


def record(
    actor: User | None,
    action: str,
    object: models.Model | str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    request: Any = None,
) -> AuditEntry:
    """Adds a row to the chain, in the transaction of the change that it tells of.

    `actor` None is the system itself. `object` is a row, or a name like `policy:7`. `request` (Django's or DRF's)
    gives the request id and a keyed hash of the client's address.
    """
    facts = {
        "recorded_at": timezone.now(),
        "actor_id": actor.pk if actor else None,
        "actor": actor.get_username() if actor else "system",
        "action": action,
        "object": f"{object._meta.label_lower}:{object.pk}" if isinstance(object, models.Model) else object,
        "before": plain(before),
        "after": plain(after),
        "address_hash": _address_hash(request) if request is not None else "",
        "request_id": logs.request_id.get() if request is not None else "",
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
        last = AuditEntry.objects.order_by("-id").values_list("hash", flat=True).first()
        previous = bytes(last) if last is not None else GENESIS
        return AuditEntry.objects.create(**facts, previous_hash=previous, hash=row_hash(previous, facts))


def entries_by(actor_id: int, *, before: int | None, limit: int) -> list[AuditEntry]:
    """What somebody has done, newest first; `before` is the id of the last entry of the page before."""
    found = AuditEntry.objects.filter(actor_id=actor_id)
    if before is not None:
        found = found.filter(id__lt=before)
    return list(found.order_by("-id")[:limit])


def first_broken_entry() -> tuple[AuditEntry | None, int]:
    """The first row that does not follow from the one before it (None: the chain holds), and how many were read."""
    previous, count = GENESIS, 0
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=2000):
        count += 1
        if bytes(entry.previous_hash) != previous or bytes(entry.hash) != row_hash(previous, _facts(entry)):
            return entry, count
        previous = bytes(entry.hash)
    return None, count


def first_broken_of_newest(limit: int) -> tuple[AuditEntry | None, int]:
    """The same for the last `limit` rows: the first of them that does not follow, and how many were read."""
    newest = list(AuditEntry.objects.order_by("-id")[: limit + 1])[::-1]
    previous = GENESIS if len(newest) <= limit else bytes(newest.pop(0).hash)
    for entry in newest:
        if bytes(entry.previous_hash) != previous or bytes(entry.hash) != row_hash(previous, _facts(entry)):
            return entry, len(newest)
        previous = bytes(entry.hash)
    return None, len(newest)


def known_actions() -> list[str]:
    """Every action there is an entry of, in one look-up of the index each."""
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_ACTIONS)
        return [action for (action,) in cursor.fetchall()]


_KNOWN_ACTIONS = """
WITH RECURSIVE known AS (
    (SELECT action FROM audit_entry ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT e.action FROM audit_entry AS e WHERE e.action > known.action ORDER BY e.action LIMIT 1)
      FROM known WHERE known.action IS NOT NULL
)
SELECT action FROM known WHERE action IS NOT NULL
"""


def _facts(entry: AuditEntry) -> dict[str, Any]:
    names = (
        "recorded_at",
        "actor_id",
        "actor",
        "action",
        "object",
        "before",
        "after",
        "address_hash",
        "request_id",
    )
    return {name: getattr(entry, name) for name in names}


def _address_hash(request: Any) -> str:
    # Keyed: the four billion IPv4 addresses could be tried out against a bare hash.
    address = peer_of_request(getattr(request, "_request", request)).address
    return hmac.new(settings.SECRET_KEY.encode(), address.encode(), hashlib.sha256).hexdigest()
