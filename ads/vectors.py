"""The texts of units as vectors: computed once for all processes, and again when texts or model change."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import orjson
from django.db import connection, transaction

from ads.models import AdUnit, UnitVectors
from ads.wordings import positive_texts
from penguin_site import embeddings
from penguin_site.embeddings import DIMENSIONS, MODEL_VERSION, Vectors

_BATCH = 64
BYTES_A_TEXT = 2 * DIMENSIONS


@dataclass(frozen=True, slots=True)
class TextVectors:
    """A row for each text: what a unit is for, and what it must not be shown beside."""

    positive: Vectors
    negative: Vectors


def vectors_of(units: Iterable[AdUnit]) -> dict[object, TextVectors]:
    """By unit id; without those that have none yet while the model is not to be had."""
    units = list(units)
    stored = UnitVectors.objects.in_bulk([unit.pk for unit in units])
    found, missing = {}, []
    for unit in units:
        row = stored.get(unit.pk)
        if row is not None and bytes(row.fingerprint) == _fingerprint(unit):
            found[unit.pk] = unpacked(row.positive, row.negative)
        else:
            missing.append(unit)
    for start in range(0, len(missing), _BATCH):
        found |= _computed(missing[start : start + _BATCH])
    return found


def _computed(units: list[AdUnit]) -> dict[object, TextVectors]:
    texts = [text for unit in units for text in (*positive_texts(unit), *unit.negative_contexts)]
    vectors = embeddings.embed(texts)
    if vectors is None:
        return {}
    parts, at = [], 0
    for unit in units:
        middle = at + len(positive_texts(unit))
        end = middle + len(unit.negative_contexts)
        parts.append((unit, vectors[at:middle], vectors[middle:end]))
        at = end
    return store(parts)


def store(parts: Iterable[tuple[AdUnit, Vectors, Vectors]]) -> dict[object, TextVectors]:
    """Keeps the vectors of units' texts (positive, negative). They come back as stored: all score with the same."""
    rows, units = list[UnitVectors](), list[AdUnit]()
    for unit, positive, negative in parts:
        units.append(unit)
        rows.append(
            UnitVectors(
                unit_id=unit.pk,
                fingerprint=_fingerprint(unit),
                positive=positive.astype(np.float16).tobytes(),
                negative=negative.astype(np.float16).tobytes(),
            )
        )
    if not rows:
        return {}
    found = {row.pk: unpacked(row.positive, row.negative) for row in rows}
    texts = [
        (identifier, position, _as_text(vector))
        for identifier, vectors in found.items()
        for position, vector in enumerate(vectors.positive)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])
        # Several processes may compute the same units at once. The first statement lets one go first, unit by unit.
        UnitVectors.objects.bulk_create(
            sorted(rows, key=lambda row: row.pk),
            update_conflicts=True,
            unique_fields=["unit"],
            update_fields=["fingerprint", "positive", "negative"],
        )
        cursor.execute(_FORGET, [list(found)])
        cursor.execute(_STORE_TEXTS, [list(column) for column in zip(*texts, strict=True)])
        cursor.execute(_AS_OF, [[unit.pk for unit in units], [unit.changed_at for unit in units]])
    return found


def unpacked(positive: bytes, negative: bytes) -> TextVectors:
    return TextVectors(unpack(positive), unpack(negative))


def catch_up(*, most: int) -> int:
    """Computes vectors that are missing or of texts that were changed since; how many units there were."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTDATED, [most])
        units = list(AdUnit.objects.filter(pk__in=[identifier for (identifier,) in cursor.fetchall()]))
    for start in range(0, len(units), _BATCH):
        _computed(units[start : start + _BATCH])
    return len(units)


def forget_unused(*, most: int) -> int:
    """Deletes texts that no unit has any more; how many. None while texts are being stored somewhere."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if cursor.fetchone() != (True,):
            return 0
        cursor.execute(_FORGET_UNUSED, [most])
        return int(cursor.rowcount)


# Any number. Who stores texts shares the lock of this key, who deletes unused ones has it alone: a text that was there
# when it was looked for would be gone when the unit that has it too is committed.
_LOCK = 7_346_102
_FORGET = "DELETE FROM ad_text_of_unit WHERE unit_id = ANY (%s::uuid[])"
# Ordered: two that store the same new texts wait for each other in one direction.
_STORE_TEXTS = """
WITH given AS MATERIALIZED (
    SELECT unit_id, position, near, ad_text_digest(near) AS digest
    FROM (SELECT unit_id, position, near::halfvec(512) AS near
        FROM unnest(%s::uuid[], %s::smallint[], %s::text[]) AS text(unit_id, position, near)) AS text
), stored AS (
    INSERT INTO ad_text (digest, near) SELECT DISTINCT ON (digest) digest, near FROM given ORDER BY digest
    ON CONFLICT DO NOTHING
)
INSERT INTO ad_text_of_unit (unit_id, position, digest) SELECT unit_id, position, digest FROM given
"""
_FORGET_UNUSED = """
DELETE FROM ad_text WHERE digest IN (
    SELECT x.digest FROM ad_text x
    WHERE NOT EXISTS (SELECT FROM ad_text_of_unit t WHERE t.digest = x.digest) LIMIT %s
)
"""
_AS_OF = """
UPDATE ad_unit_vectors v SET unit_changed_at = p.changed_at
FROM unnest(%s::uuid[], %s::timestamptz[]) AS p(unit_id, changed_at) WHERE p.unit_id = v.unit_id
"""
_OUTDATED = """
SELECT u.id FROM ad_unit u LEFT JOIN ad_unit_vectors v ON v.unit_id = u.id
WHERE u.review = 'approved' AND v.unit_changed_at IS DISTINCT FROM u.changed_at ORDER BY u.changed_at LIMIT %s
"""


def _as_text(vector: Vectors) -> str:
    return orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _fingerprint(unit: AdUnit) -> bytes:
    texts = "\0".join([MODEL_VERSION, *positive_texts(unit), "\1", *unit.negative_contexts])
    return hashlib.sha256(texts.encode()).digest()


def unpack(data: bytes) -> Vectors:
    """A row for each text."""
    return np.frombuffer(bytes(data), dtype=np.float16).astype(np.float32).reshape(-1, DIMENSIONS)
