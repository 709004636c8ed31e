"""Advertisers' requests that make something make it once: repeated in a day, they lead to what was made first."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction

from ads.decision_records import IdempotencyMismatch
from ads.models import Advertiser, CreationKey

KEPT = timedelta(hours=24)
Made = TypeVar("Made", bound=Any)

# Whoever comes second waits here, on the unique index, until the first has committed or given up.
_CLAIM = """
INSERT INTO ad_creation_key AS kept (advertiser_id, key, body_hash, created_at) VALUES (%s, %s, %s, clock_timestamp())
ON CONFLICT (advertiser_id, key) DO UPDATE
    SET body_hash = EXCLUDED.body_hash, made_id = NULL, created_at = EXCLUDED.created_at
    WHERE kept.created_at < clock_timestamp() - %s
RETURNING id
"""


class MadeBefore(Exception):
    """The same request has made this already."""

    def __init__(self, made_id: UUID) -> None:
        super().__init__(made_id)
        self.made_id = made_id


def once(
    advertiser: Advertiser, kind: str, *, key: str | None, content: Any, make: Callable[[], Made]
) -> Made:
    """What `make` returns, a row with an id. Raises MadeBefore, or IdempotencyMismatch for a key with other content.

    Without a `key` of the client the content itself is the key.
    """
    body_hash = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    name = f"{kind}:{key}" if key else f"{kind}#{body_hash.hex()}"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [advertiser.pk, name, body_hash, KEPT])
            claimed = cursor.fetchone()
        if claimed is None:
            first = CreationKey.objects.get(advertiser=advertiser, key=name)
            if bytes(first.body_hash) != body_hash:
                raise IdempotencyMismatch
            assert first.made_id is not None
            raise MadeBefore(first.made_id)
        made = make()
        CreationKey.objects.filter(pk=claimed[0]).update(made_id=made.pk)
        return made
