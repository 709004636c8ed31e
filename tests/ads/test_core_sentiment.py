"""How two measurements become a reaction, and what the installed measures make of what users say."""

import pytest

from ads import sentiment
from ads.core.micros import Reaction
from ads.core.sentiment import judge
from penguin_site import embeddings

POSITIVE, NEUTRAL, NEGATIVE = Reaction.POSITIVE, Reaction.NEUTRAL, Reaction.NEGATIVE


@pytest.mark.parametrize(
    "valence, positive, neutral, negative, reaction",
    [
        (0, 8_000, 3_000, 4_000, POSITIVE),  # like praise, without a word that says so
        (0, 3_000, 2_000, 8_000, NEGATIVE),
        (0, 5_000, 2_000, 5_000, NEUTRAL),  # like both
        (3_000, 4_400, 8_500, 3_400, NEUTRAL),  # "ok": like indifference, and the word is weak
        (6_100, 5_000, 5_500, 4_000, POSITIVE),  # a strong word outweighs indifference
        (-6_000, 4_000, 4_000, 4_000, NEGATIVE),
        (3_500, 0, 0, 0, NEUTRAL),  # at the bound: not enough
        (3_501, 0, 0, 0, POSITIVE),
        (-3_501, 0, 0, 0, NEGATIVE),
    ],
)
def test_reactions(valence, positive, neutral, negative, reaction):
    likeness = {POSITIVE: positive, NEUTRAL: neutral, NEGATIVE: negative}
    assert judge(valence, likeness) is reaction


@pytest.mark.parametrize("valence, reaction", [(9_000, POSITIVE), (100, NEUTRAL), (-9_000, NEGATIVE)])
def test_words_decide_alone_without_the_model(valence, reaction):
    assert judge(valence, {}) is reaction


@pytest.mark.parametrize(
    "text, reaction",
    [
        ("That's exactly what I was looking for!", POSITIVE),
        ("yes please", POSITIVE),
        ("sounds great, I'll check it out", POSITIVE),
        ("Genau das habe ich gesucht", POSITIVE),
        ("¡Perfecto, justo lo que necesitaba!", POSITIVE),
        ("Not bad at all, I like it", POSITIVE),
        ("ok", NEUTRAL),
        ("What is the weather in Paris?", NEUTRAL),
        ("I don't know yet", NEUTRAL),
        ("How is it different from the other one?", NEUTRAL),
        ("No thanks, not interested", NEGATIVE),
        ("stop showing me ads", NEGATIVE),
        ("way too expensive", NEGATIVE),
        ("this has nothing to do with my question", NEGATIVE),
        ("Je ne suis pas intéressé", NEGATIVE),
    ],
)
def test_what_users_say(text, reaction):
    assert sentiment.read(text) is reaction


def test_without_the_model_it_is_still_read(monkeypatch):
    monkeypatch.setattr(embeddings, "embed", lambda texts, **others: None)
    assert sentiment.read("I love this, great!") is POSITIVE
    assert sentiment.read("This is terrible, I hate it") is NEGATIVE
    assert sentiment.read("What is the weather?") is NEUTRAL
