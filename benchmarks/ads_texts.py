"""Texts of made-up ads, and questions of users: the topics of the demo ads, varied as a marketplace varies them.

Each ad has a name, a place, an audience and a deal of its own. But many sell the same, and what users may ask is often
written down in the same words: `copied` is the share of wishes and questions that come from a stock of few thousand.
With 1.0 every text does, and whatever is asked, dozens of ads fit it equally well.
"""

import random
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

_TOPICS = Path(__file__).parent.parent / "ads" / "data" / "demo_ads.tsv"
_PEOPLE = ("students", "families", "beginners", "experts", "small companies", "startups", "freelancers", "pensioners",
        "teams", "schools", "commuters", "new parents")  # fmt: skip
_WHERE = ("in Toronto", "in Berlin", "near me", "online", "at home")
_STOCK = [f"for {people} {place}" for people, place in product(_PEOPLE, _WHERE)]
_CITIES = ("Toronto", "Berlin", "Lisbon", "Oslo", "Madrid", "Vienna", "Porto", "Leeds", "Denver", "Austin", "Boston",
        "Chicago", "Hamburg", "Munich", "Lyon", "Turin", "Krakow", "Prague", "Ghent", "Utrecht", "Malmo", "Bergen",
        "Dublin", "Cork", "Glasgow", "Bristol", "Seattle", "Portland", "Phoenix", "Calgary", "Ottawa", "Montreal",
        "Sydney", "Perth", "Auckland", "Nairobi", "Lagos", "Accra", "Mumbai", "Pune", "Osaka", "Kyoto", "Seoul",
        "Busan", "Taipei", "Hanoi", "Manila", "Bogota", "Lima", "Quito", "Santiago", "Cordoba", "Recife", "Tampa",
        "Memphis", "Omaha", "Tucson", "Geneva", "Zurich", "Basel")  # fmt: skip
_WITH = ("a money-back guarantee", "free delivery", "a free first month", "no contract", "good reviews",
        "a student discount", "support at night", "appointments at weekends", "everything included", "a fixed price",
        "gift cards", "payment in instalments", "a trial lesson", "a local office", "English-speaking staff",
        "same-day service")  # fmt: skip
_STARTS = ("Al", "Bel", "Cor", "Dan", "El", "Fen", "Gra", "Hel", "Is", "Jun", "Kal", "Lor", "Mar", "Nor", "Or",
        "Pel", "Quin", "Ros", "Sol", "Tar", "Um", "Val", "Wes", "Yar", "Zen")  # fmt: skip
_MIDDLES = ("a", "e", "i", "o", "u", "an", "er", "in", "or", "ul", "el", "ia")  # fmt: skip
_ENDS = ("bridge", "den", "field", "gate", "haus", "kind", "line", "mont", "nest", "port", "rise", "stead", "tide",
        "vale", "ware", "wick", "works", "yard")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Topic:
    advertiser: str
    categories: list[str]
    offer: str
    goal: str
    queries: list[str]


@dataclass(frozen=True, slots=True)
class AdTexts:
    title: str
    body: str
    intent: str
    queries: list[str]


@cache
def topics() -> list[Topic]:
    """One of each line of the demo ads, with two questions of users."""
    found = []
    for line in _TOPICS.read_text(encoding="utf-8").splitlines():
        if line and line[0] != "#":
            name, categories, offer, goal, queries = line.split("\t")
            found.append(Topic(name, categories.split(";"), offer, goal, queries.split(";")[:2]))
    return found


def texts_of(topic: Topic, random_: random.Random, *, copied: float) -> AdTexts:
    if copied >= 1:
        return AdTexts(
            title=_from_stock(topic.offer, random_)[:100],
            body="",
            intent=_from_stock(topic.goal, random_),
            queries=[_from_stock(query, random_) for query in topic.queries],
        )

    def said(text: str) -> str:
        return _from_stock(text, random_) if random_.random() < copied else _of_ones_own(text, random_)

    offer = topic.offer[0].upper() + topic.offer[1:]
    name = "".join(random_.choice(part) for part in (_STARTS, _MIDDLES, _ENDS))
    return AdTexts(
        title=f"{name}: {topic.offer}"[:100],
        body=f"{_of_ones_own(offer, random_)}, from {random_.randint(5, 900)} dollars.",
        intent=said(topic.goal),
        queries=[said(query) for query in topic.queries],
    )


def questions(count: int, *, seed: int = 7) -> list[str]:
    """What users ask, of about 100 characters; no two alike."""
    random_ = random.Random(seed)
    asked = []
    for _ in range(count):
        topic = random_.choice(topics())
        text = _from_stock(random_.choice([topic.goal, *topic.queries]), random_)
        asked.append(f"Hello, I am looking for help: {text}, any ideas?".ljust(100, "?")[:100])
    return asked


def _from_stock(text: str, random_: random.Random) -> str:
    return f"{text} {random_.choice(_STOCK)}"


def _of_ones_own(text: str, random_: random.Random) -> str:
    parts = [text]
    if random_.random() < 0.6:
        parts.append(f"for {random_.choice(_PEOPLE)}")
    parts.append(f"in {random_.choice(_CITIES)}" if random_.random() < 0.7 else random_.choice(_WHERE))
    if random_.random() < 0.6:
        parts.append(f"with {random_.choice(_WITH)}")
    return " ".join(parts)
