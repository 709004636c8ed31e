"""What of a unit is compared with what a user said."""

from dataclasses import dataclass

from ads.models import AdUnit


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts of a unit, under the names that it has them by, without the rest of it."""

    title: str
    body: str
    intents: list[str]
    example_queries: list[str]
    negative_contexts: list[str]


def positive_texts(unit: AdUnit | Wording) -> list[str]:
    """What it is for; `negative_contexts` are what it must not be shown beside."""
    return [f"{unit.title}. {unit.body}", unit.title, *unit.intents, *unit.example_queries]
