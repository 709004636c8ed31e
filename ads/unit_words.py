"""The words of units' texts, for questions that cannot be embedded in time, where nobody holds all units in memory.

They are the words by which `overlap` compares (core/matching_texts.py), not those of a text search configuration: what
the index of Postgres finds is what is compared afterwards.
"""

from collections.abc import Sequence

from django.db import connection, transaction

from ads.core.matching_texts import words_of
from ads.models import AdUnit
from ads.wordings import positive_texts

_BATCH = 1_000
_COUNTS = """
SELECT word, (share * texts.reltuples)::bigint
FROM pg_stats s JOIN pg_class texts ON texts.oid = 'ad_unit_words'::regclass,
    unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS common(word, share)
WHERE s.schemaname = texts.relnamespace::regnamespace::text AND s.tablename = 'ad_unit_words' AND s.attname = 'words'
    AND word IS NOT NULL
"""
_OUTDATED = """
SELECT u.id FROM ad_unit u LEFT JOIN ad_unit_words w ON w.unit_id = u.id AND w.position = 0
WHERE u.review = 'approved' AND w.unit_changed_at IS DISTINCT FROM u.changed_at ORDER BY u.changed_at LIMIT %s
"""
_SHORTEN = """
DELETE FROM ad_unit_words w USING unnest(%s::uuid[], %s::int[]) AS unit(id, texts)
WHERE w.unit_id = unit.id AND w.position >= unit.texts
"""
# Two workers may do this at once: the rows come in the order of their keys, so that neither has what the other waits
# for. Who comes last with older texts is corrected the next time.
_STORE = """
INSERT INTO ad_unit_words (unit_id, position, words, unit_changed_at)
SELECT unit_id, position, array_to_tsvector(string_to_array(words, ' ')), unit_changed_at
FROM unnest(%s::uuid[], %s::smallint[], %s::text[], %s::timestamptz[])
    AS text(unit_id, position, words, unit_changed_at)
ORDER BY unit_id, position
ON CONFLICT (unit_id, position) DO UPDATE SET words = EXCLUDED.words, unit_changed_at = EXCLUDED.unit_changed_at
"""


def counts() -> dict[str, int]:
    """In how many texts the commonest words are, as far as Postgres has counted."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS)
        return dict(cursor.fetchall())


def catch_up(*, most: int) -> int:
    """Stores the words of texts that are new or were changed since; how many units there were."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTDATED, [most])
        outdated = [identifier for (identifier,) in cursor.fetchall()]
    for start in range(0, len(outdated), _BATCH):
        store(list(AdUnit.objects.filter(pk__in=outdated[start : start + _BATCH]).order_by("pk")))
    return len(outdated)


def store(units: Sequence[AdUnit]) -> None:
    """Replaces what is stored of these units' words."""
    texts = [(unit, number, text) for unit in units for number, text in enumerate(positive_texts(unit))]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SHORTEN, [[unit.pk for unit in units], [len(positive_texts(unit)) for unit in units]])
        cursor.execute(
            _STORE,
            [
                [unit.pk for unit, _, _ in texts],
                [number for _, number, _ in texts],
                [" ".join(words_of(text)) for _, _, text in texts],
                [unit.changed_at for unit, _, _ in texts],
            ],
        )
