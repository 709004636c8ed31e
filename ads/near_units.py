"""Candidates of an inventory that no process holds in memory: the units nearest to a question, out of Postgres.

Each text lies in an HNSW index of pgvector, once for all units that have it. The units that it finds are compared
again, with all their texts, as those of a small inventory are. Everything that keeps a unit from being shown is a
condition of the search, which goes on until it has found enough. Where few units can be shown, or the index gives up
early, all are compared.

A question that could not be embedded in time is looked for by its words (unit_words.py), under the same conditions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from ads import categories
from ads.core.auction import WEIGHTS
from ads.core.matching_texts import rarest
from ads.hot_statements import HotStatement
from ads.wordings import Wording
from penguin_site.embeddings import Vectors

# Texts: a unit whose texts are all near takes several of the places.
LOOKED_AT = 300
# The second look of a request that the first did not fill.
LOOKED_AT_WIDELY = 4_000
# Few units in the categories asked for are all compared. That takes the longer the more they are (30 us each), wading
# to enough of them through the index the longer the rarer they are: both take the same where the square of their number
# is about so many times the size of the inventory.
FEW = 100
# By words about so many texts are compared: what is in more of them says little.
COMPARED_BY_WORDS = 30_000

_WEIGHTS = " ".join(f"WHEN '{pricing.value}' THEN {weight}" for pricing, weight in WEIGHTS.items())
_SELECT = f"""
SELECT t.unit_id, c.advertiser_id, u.quality, c.bid_cents * CASE c.pricing {_WEIGHTS} END AS worth,
    (extract(epoch FROM c.created_at) * 1000000)::bigint AS seniority
"""
_UNITS_OF_TEXTS = """
JOIN ad_unit u ON u.id = t.unit_id
JOIN ad_campaign c ON c.id = u.campaign_id
JOIN ad_advertiser a ON a.id = c.advertiser_id
"""
_CAN_BE_SHOWN = f"""
    u.review = 'approved' AND NOT u.is_paused AND c.status = 'running'
    AND a.is_active AND a.environment = %(environment)s::text
    AND (c.starts_at IS NULL OR c.starts_at <= %(now)s::timestamptz)
    AND (c.ends_at IS NULL OR c.ends_at > %(now)s::timestamptz)
    AND (c.countries = '{{}}' OR EXISTS (SELECT FROM unnest(c.countries) w WHERE lower(w) = %(country)s::text))
    AND (c.languages = '{{}}' OR EXISTS (SELECT FROM unnest(c.languages) w WHERE lower(w) = %(language)s::text))
    AND (c.platforms = '{{}}' OR EXISTS (SELECT FROM unnest(c.platforms) w WHERE lower(w) = %(platform)s::text))
    AND (c.placements = '{{}}' OR EXISTS (SELECT FROM unnest(c.placements) w WHERE lower(w) = %(placement)s::text))
    AND (%(wanted)s::text[] IS NULL OR u.categories && %(wanted)s::varchar[])
    AND NOT u.categories && %(blocked)s::varchar[]
    AND a.id <> ALL (%(blocked_advertisers)s::uuid[])
    AND (%(organisation)s::text = '' OR lower(a.organisation) <> %(organisation)s::text)
    AND (%(ad_types)s::text[] IS NULL OR u.ad_type = ANY (%(ad_types)s::text[]))
    AND u.quality >= %(quality)s::int AND c.bid_cents * CASE c.pricing {_WEIGHTS} END >= %(worth)s::int
"""
_SEARCH = f"""
WITH setting AS MATERIALIZED (
    SELECT set_config('hnsw.ef_search', '400', true), set_config('hnsw.iterative_scan', 'relaxed_order', true)
), near AS MATERIALIZED (
{_SELECT} FROM ad_text x JOIN ad_text_of_unit t ON t.digest = x.digest {_UNITS_OF_TEXTS}
WHERE (SELECT count(*) FROM setting) = 1 AND {_CAN_BE_SHOWN}
ORDER BY (x.near <#> %(question)s::halfvec)
"""
_UNITS = """
) SELECT unit.*, v.positive, v.negative, (SELECT count(*) FROM near)
FROM (SELECT DISTINCT ON (unit_id) * FROM near) AS unit JOIN ad_unit_vectors v ON v.unit_id = unit.unit_id
"""
# Texts in the order of `overlap` (core/matching_texts.py): the rank of a text is in proportion to how many of the words
# that are asked for it has, and how many are asked for is the same for all.
_BY_WORDS = HotStatement(f"""
WITH near AS MATERIALIZED (
{_SELECT} FROM ad_unit_words t {_UNITS_OF_TEXTS}
WHERE t.words @@ %(rarest)s::tsquery AND {_CAN_BE_SHOWN}
ORDER BY ts_rank(t.words, %(words)s::tsquery) / sqrt(length(t.words)) DESC LIMIT %(most)s::int
) SELECT unit.*, u.title, u.body, u.intents, u.example_queries, u.negative_contexts, (SELECT count(*) FROM near)
FROM (SELECT DISTINCT ON (unit_id) * FROM near) AS unit JOIN ad_unit u ON u.id = unit.unit_id
""")


def by_index(most: int) -> HotStatement:
    """The search by the index. How many are wanted stands in its text: Postgres plans by it."""
    return HotStatement(f"{_SEARCH} LIMIT {most} {_UNITS}", is_binary=True)


_BY_INDEX = by_index(LOOKED_AT)
_BY_COMPARING = HotStatement(f"{_SEARCH} + 0 LIMIT %(most)s::int {_UNITS}", is_binary=True)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request wants to be shown, and to whom. `quality` and `worth` are floors."""

    environment: str
    now: datetime
    said: dict[str, str]
    organisation: str
    categories: frozenset[str] | None
    blocked_categories: frozenset[str]
    blocked_advertisers: frozenset[UUID]
    ad_types: frozenset[str] | None
    quality: int = 0
    worth: int = 0


@dataclass(frozen=True, slots=True)
class NearUnit:
    """With its vectors, or with its wording where words were looked for."""

    unit_id: UUID
    advertiser_id: UUID
    quality: int
    worth: int
    seniority: int
    positive: bytes = b""
    negative: bytes = b""
    wording: Wording | None = None


@dataclass(frozen=True, slots=True)
class Found:
    units: list[NearUnit]
    is_all: bool  # there are none beyond these


@dataclass(frozen=True, slots=True)
class Sponsor:
    pk: UUID
    name: str


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    pk: UUID
    pricing: str
    bid_cents: int
    advertiser: Sponsor


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What auction and answer need of a unit, under the names that its row has in the models."""

    pk: UUID
    title: str
    body: str
    cta: str
    landing_url: str
    ad_type: str
    quality: int
    service_endpoint: str
    service_auth: str
    service_description: str
    campaign: CampaignFacts
    begun_at: datetime
    time_zone: str


# Sixty a decision: as models they would cost more than everything else that the process does for it.
_FACTS = HotStatement("""
SELECT u.id, u.title, u.body, u.cta, u.landing_url, u.ad_type, u.quality, u.service_endpoint, u.service_auth,
    u.service_description, c.id, c.pricing, c.bid_cents, a.id, a.name, c.created_at, a.time_zone
FROM ad_unit u JOIN ad_campaign c ON c.id = u.campaign_id JOIN ad_advertiser a ON a.id = c.advertiser_id
WHERE u.id = ANY (%(units)s::uuid[])
""")


def facts_of(unit_ids: Sequence[UUID]) -> list[UnitFacts]:
    """Of those that are still there; in no order."""
    if not unit_ids:
        return []
    return [
        UnitFacts(
            *row[:10],
            CampaignFacts(row[10], row[11], row[12], Sponsor(row[13], row[14])),
            begun_at=row[15],
            time_zone=row[16],
        )
        for row in _FACTS.fetch({"units": f"{{{','.join([each.hex for each in unit_ids])}}}"})
    ]


def find(
    wish: Wish, question: Vectors, *, size: int, in_category: Mapping[str, int], widely: bool = False
) -> Found:
    """The units nearest to the question that can be shown; of `size` units so many lie in each category."""
    wanted = _wanted(wish)
    are_few = wanted is not None and sum(in_category.get(each, 0) for each in wanted) ** 2 <= FEW * size
    most = LOOKED_AT_WIDELY if widely else LOOKED_AT
    by_id: dict[UUID, NearUnit] = {}
    is_all = True
    # A question of two texts (all of it, and its end) is asked twice.
    for row in question:
        values = _values(wish, wanted) | {"question": _as_text(row), "most": most}
        rows = [] if are_few or widely else _BY_INDEX.fetch(values)
        if not _is_full(rows, most):
            rows = _BY_COMPARING.fetch(values)
        is_all = is_all and not _is_full(rows, most)
        by_id |= {row[0]: NearUnit(*row[:-1]) for row in rows}
    return Found(list(by_id.values()), is_all)


def find_by_words(
    wish: Wish, words: frozenset[str], *, counts: Mapping[str, int], widely: bool = False
) -> Found:
    """The units that can be shown with the texts that have most in common with the words.

    `counts`: how many texts a word is in. Those are looked at that have one of the words that say most.
    """
    if not words:
        return Found([], is_all=True)
    telling = rarest(words, counts, most=COMPARED_BY_WORDS)
    most = LOOKED_AT_WIDELY if widely else LOOKED_AT
    values = _values(wish, _wanted(wish)) | {
        "words": _as_query(words),
        "rarest": _as_query(telling),
        "most": most,
    }
    rows = _BY_WORDS.fetch(values)
    units = [NearUnit(*row[:5], wording=Wording(*row[5:-1])) for row in rows]
    return Found(units, is_all=telling == words and not _is_full(rows, most))


def _as_query(words: frozenset[str]) -> str:
    """One of them."""
    return " | ".join(f"'{word}'" for word in sorted(words))


def _is_full(rows: Sequence[tuple[Any, ...]], most: int) -> bool:
    """Whether as many texts were found as were wanted: their number stands in the last column."""
    return bool(rows) and rows[0][-1] == most


def _wanted(wish: Wish) -> Sequence[str] | None:
    return None if wish.categories is None else _below(wish.categories)


@lru_cache(maxsize=1_000)
def _below(category_ids: frozenset[str]) -> Sequence[str]:
    """The categories and all below them: units carry their own alone."""
    tree = categories.tree()
    return sorted(each for each in tree.by_id if not category_ids.isdisjoint(tree.ancestors(each)))


def _values(wish: Wish, wanted: Sequence[str] | None) -> dict[str, Any]:
    return {
        "environment": wish.environment,
        "now": wish.now,
        **{name: text.lower() for name, text in wish.said.items()},
        "wanted": wanted,
        "blocked": _below(wish.blocked_categories),
        "blocked_advertisers": list(wish.blocked_advertisers),
        "organisation": wish.organisation.lower(),
        "ad_types": None if wish.ad_types is None else sorted(wish.ad_types),
        "quality": wish.quality,
        "worth": wish.worth,
    }


def _as_text(vector: Any) -> str:
    return orjson.dumps(np.asarray(vector, dtype=np.float32), option=orjson.OPT_SERIALIZE_NUMPY).decode()
