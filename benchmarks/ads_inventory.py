"""Fills a database with live ads, as many as are wanted, with the real embeddings of their texts (`ads_texts.py`).

python -m benchmarks.ads_inventory --database postgresql://... --count 5000
With `--copied 1` all texts come from a small stock: many equal vectors, the hard case of an index.
"""

import argparse
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks.ads_texts import Topic, texts_of, topics

UNITS_AN_ADVERTISER, UNITS_A_CAMPAIGN = 4, 2
PRICINGS = ("cpc", "cpc", "cpc", "cpm")
COPIED = 0.5
_AT_ONCE = 5_000
_STORED_AT_ONCE = 1_000
_WALLET_MICROS = 10**15


def load(count: int, *, pricings: Sequence[str] = PRICINGS, copied: float = COPIED) -> str:
    """Brings the database to `count` live units with their vectors; the text of a live key of a new agent."""
    from django.utils import timezone

    from ads import keys
    from ads.core.tokens import Environment
    from ads.models import AdUnit, Agent

    have = AdUnit.objects.count()
    # Another seed each time, or what is added would be what is there.
    random_ = random.Random(have)
    # An index is made of all rows much faster than row by row.
    with _without_index() if count - have > _AT_ONCE else nullcontext():
        for start in range(have, count, _AT_ONCE):
            _add(min(_AT_ONCE, count - start), pricings, copied, random_)
    _run("ANALYZE")
    agent = Agent.objects.create(
        owner_email="bench@agents.example", name=f"Agent {uuid4().hex}", status=Agent.Status.ACTIVE
    )
    return keys.issue(agent, Environment.LIVE, now=timezone.now())[1]


@contextmanager
def _without_index() -> Iterator[None]:
    _run("DROP INDEX ad_text_near")
    yield
    _run("SET maintenance_work_mem = '1GB'")
    _run("CREATE INDEX ad_text_near ON ad_text USING hnsw (near halfvec_ip_ops)")


def _run(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def _add(count: int, pricings: Sequence[str], copied: float, random_: random.Random) -> None:
    from django.utils import timezone

    from ads import ledger, unit_words
    from ads.core.books import LIVE
    from ads.core.days import local_day
    from ads.models import AdUnit, Advertiser, Campaign, CampaignBudget, CampaignDay, Wallet
    from ads.vectors import store

    advertisers, campaigns, units = [], [], []
    known = topics()
    for number in range(count):
        topic = random_.choice(known)
        if number % UNITS_AN_ADVERTISER == 0:
            advertisers.append(
                Advertiser(name=f"{topic.advertiser} {number}", organisation=f"{uuid4().hex}.example")
            )
        if number % UNITS_A_CAMPAIGN == 0:
            campaigns.append(
                Campaign(
                    advertiser=advertisers[-1],
                    name=topic.advertiser,
                    status=Campaign.Status.RUNNING,
                    pricing=(pricing := random_.choice(pricings)),
                    bid_cents=random_.randint(20, 90) * (10 if pricing == "cpm" else 1),
                )
            )
        units.append(_unit(campaigns[-1], topic, copied, random_))
    Advertiser.objects.bulk_create(advertisers)
    Wallet.objects.bulk_create(
        Wallet(advertiser=advertiser, book=LIVE, cap_micros=_WALLET_MICROS) for advertiser in advertisers
    )
    ledger.post([_payment(advertiser) for advertiser in advertisers], book=LIVE, now=timezone.now())
    Campaign.objects.bulk_create(campaigns)
    CampaignBudget.objects.bulk_create(
        CampaignBudget(campaign=campaign, book=LIVE, cap_micros=None) for campaign in campaigns
    )
    # As if all had been decided on today already: the first time makes the day's rows, two statements more.
    CampaignDay.objects.bulk_create(
        CampaignDay(campaign=campaign, book=LIVE, day=local_day(timezone.now(), "UTC"), cap_micros=None)
        for campaign in campaigns
    )
    AdUnit.objects.bulk_create(units)
    for start in range(0, count, _STORED_AT_ONCE):
        store(_embedded(units[start : start + _STORED_AT_ONCE]))
    unit_words.store(units)


def _payment(advertiser: Any) -> Any:
    from ads import ledger

    return ledger.Movement(
        kind=ledger.Kind.TOP_UP,
        reference=f"benchmark:{advertiser.pk.hex}",
        amounts={ledger.CASH: -_WALLET_MICROS, ledger.wallet_of(advertiser.pk): _WALLET_MICROS},
    )


def _unit(campaign: Any, topic: Topic, copied: float, random_: random.Random) -> Any:
    from ads import categories as tree
    from ads.models import AdUnit

    texts = texts_of(topic, random_, copied=copied)
    return AdUnit(
        campaign=campaign,
        title=texts.title,
        body=texts.body,
        cta="Look",
        landing_url="https://advertiser.example/",
        intents=[texts.intent],
        example_queries=texts.queries,
        categories=sorted(tree.known_ids(topic.categories)),
        review=AdUnit.Review.APPROVED,
        approved_content={},
        quality=random_.randint(3_000, 8_000),
    )


_vectors: dict[str, np.ndarray] = {}


def _embedded(units: list[Any]) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """Each text is embedded once in all, however many units have it."""
    from ads.wordings import positive_texts
    from penguin_site import embeddings

    wanted = {unit: positive_texts(unit) for unit in units}
    missing = sorted({text for texts in wanted.values() for text in texts} - _vectors.keys())
    vectors = embeddings.embed(missing)
    assert vectors is not None
    _vectors.update(zip(missing, vectors, strict=True))
    for unit, texts in wanted.items():
        yield (
            unit,
            np.array([_vectors[text] for text in texts]),
            np.zeros((0, embeddings.DIMENSIONS), np.float32),
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", required=True, help="postgresql://... of a migrated database")
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--pricing", choices=sorted(set(PRICINGS)), help="of all campaigns; default: mixed")
    parser.add_argument(
        "--copied", type=float, default=COPIED, help="share of wishes and questions from stock"
    )
    given = parser.parse_args()
    os.environ["DATABASE_URL"] = given.database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")
    import django

    django.setup()
    pricings = [given.pricing] if given.pricing else PRICINGS
    print(load(given.count, pricings=pricings, copied=given.copied))


if __name__ == "__main__":
    main()
