"""Of the 50 units that fit a question best, how many the candidates of a large inventory hold: 200 questions.

The truth is every text of every unit compared with the question. Who fits as well as the last of the best may stand in
its place: of units with the same texts no fifty are better than others. What the search misses when fifty certain ones
are asked for is told beside it. A quarter of the questions each: no filter, a category asked for, categories blocked,
advertisers blocked.

python -m benchmarks.ads_recall --database postgresql://... (of an inventory made by ads_inventory)
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.ads_texts import questions, topics
from benchmarks.report import Figure, percentile
from tests.processes import ROOT
from tests.stack import Stack

QUESTIONS, BEST = 200, 50
BAR = 0.95
# The same product of two vectors differs by so much when it is added up in another order.
_ALIKE = 1e-5
_AT_ONCE = 10_000


@dataclass(slots=True)
class Ad:
    """What the filters look at."""

    unit_id: Any
    advertiser_id: Any
    categories: frozenset[str]


def wishes(count: int) -> list[Any]:
    from django.utils import timezone

    from ads import categories
    from ads.models import Advertiser
    from ads.near_units import Wish

    random_ = random.Random(5)
    names = sorted({name for topic in topics() for name in topic.categories})
    advertisers = list(Advertiser.objects.order_by("pk").values_list("pk", flat=True)[:2_000])
    said = {"country": "", "language": "", "platform": "", "placement": ""}
    none = Wish("live", timezone.now(), said, "", None, frozenset(), frozenset(), None)

    def one(number: int) -> Wish:
        match number % 4:
            case 1:
                return replace(none, categories=categories.known_ids([random_.choice(names)]))
            case 2:
                return replace(none, blocked_categories=categories.known_ids(random_.sample(names, 4)))
            case 3:
                return replace(
                    none,
                    blocked_advertisers=frozenset(random_.sample(advertisers, min(50, len(advertisers)))),
                )
        return none

    return [one(number) for number in range(count)]


def exact(vectors: np.ndarray, asked: list[Any]) -> list[dict[Any, float]]:
    """Of each question the units that are allowed, the best BEST of them, with their cosines."""
    from ads import categories
    from ads.models import AdUnit, UnitVectors
    from ads.vectors import BYTES_A_TEXT, unpack

    tree = categories.tree()
    best: list[dict[Any, float]] = [{} for _ in asked]
    identifiers = list(AdUnit.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(identifiers), _AT_ONCE):
        part = identifiers[start : start + _AT_ONCE]
        rows = UnitVectors.objects.filter(pk__in=part).values_list(
            "pk", "positive", "unit__categories", "unit__campaign__advertiser_id"
        )
        ads, data = [], []
        for unit_id, positive, names, advertiser_id in rows:
            ads.append(Ad(unit_id, advertiser_id, tree.closure(names)))
            data.append(bytes(positive))
        counts = np.array([len(each) // BYTES_A_TEXT for each in data])
        cosines = unpack(b"".join(data)) @ vectors.T
        of_units = np.maximum.reduceat(cosines, np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
        for number, wish in enumerate(asked):
            allowed = np.flatnonzero([_is_allowed(ad, wish) for ad in ads])
            for row in allowed[np.argsort(-of_units[allowed, number])[:BEST]]:
                best[number][ads[row].unit_id] = float(of_units[row, number])
            best[number] = dict(sorted(best[number].items(), key=lambda pair: -pair[1])[:BEST])
    return best


def _is_allowed(ad: Ad, wish: Any) -> bool:
    return (
        (wish.categories is None or not ad.categories.isdisjoint(wish.categories))
        and ad.categories.isdisjoint(wish.blocked_categories)
        and ad.advertiser_id not in wish.blocked_advertisers
    )


def look(count: int = QUESTIONS) -> dict[str, Any]:
    """Recall of each question, and how long the search took."""
    from ads import near_units, snapshot
    from ads.core.tokens import Environment
    from ads.vectors import unpack
    from penguin_site import embeddings

    inventory = snapshot.build(Environment.LIVE)
    assert inventory.is_large, "this inventory is compared in memory"
    vectors = embeddings.embed(questions(count, seed=11))
    assert vectors is not None
    asked = wishes(count)
    recalls, of_certain_ones, times = [], [], []
    for vector, wish, truth in zip(vectors, asked, exact(vectors, asked), strict=True):
        began = time.perf_counter()
        near = near_units.find(
            wish, vector.reshape(1, -1), size=inventory.size, in_category=inventory.in_category
        )
        times.append((time.perf_counter() - began) * 1000)
        found = {each.unit_id: float((unpack(each.positive) @ vector).max()) for each in near.units}
        recalls.append(recall(found, truth))
        of_certain_ones.append(len(found.keys() & truth.keys()) / max(len(truth), 1))
    return {
        "recalls": recalls,
        "of_certain_ones": of_certain_ones,
        "milliseconds": times,
        "size": inventory.size,
    }


def recall(found: dict[Any, float], best: dict[Any, float]) -> float:
    """The share of the best (with their cosines) whose places are filled by units as good; 1.0 where there are none."""
    if not best:
        return 1.0
    worst = min(best.values()) - _ALIKE
    return min(1.0, sum(cosine >= worst for cosine in found.values()) / len(best))


def measure(stack: Stack) -> list[Figure]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ads_recall", "--database", stack.database_url],
        cwd=ROOT,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        timeout=3600,
        check=True,
    )
    found = json.loads(done.stdout)
    recalls, times = found["recalls"], found["milliseconds"]
    note = f"{found['size']:,} ads; by filter " + ", ".join(
        f"{name} {np.mean(recalls[start::4]):.3f}"
        for start, name in enumerate(("none", "category", "blocked categories", "blocked advertisers"))
    )
    return [
        Figure(f"candidates missing of the best {BEST}", 1 - float(np.mean(recalls)), "", 1 - BAR, note),
        Figure(
            f"the same of {BEST} certain ones, none of which another as good replaces",
            1 - float(np.mean(found["of_certain_ones"])),
            "",
        ),
        Figure("search for candidates, p50", percentile(times, 0.5), "ms"),
        Figure("search for candidates, p99", percentile(times, 0.99), "ms"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", required=True, help="postgresql://... of a large inventory")
    os.environ["DATABASE_URL"] = parser.parse_args().database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")
    import django

    django.setup()
    print(json.dumps(look()))


if __name__ == "__main__":
    main()
