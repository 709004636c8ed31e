"""How a user took an ad, judged from two measurements of what they said: the valence of its words, and its likeness to
examples. Small answers ("ok", a new question) are neutral: neither wins without a reason."""

from collections.abc import Mapping

from ads.core.auction import SCALE
from ads.core.micros import Reaction

EXAMPLES = {
    Reaction.POSITIVE: (
        "That is exactly what I was looking for",
        "Yes, tell me more",
        "That looks useful, how do I sign up",
        "Perfect, thank you",
        "I will try it",
        "Great suggestion, show me the link",
        "I just signed up",
        "Not bad, I like it",
        "I want to buy this",
    ),
    Reaction.NEUTRAL: (
        "Okay",
        "I am not sure",
        "Maybe later",
        "What is the weather like",
        "Let us talk about something else",
        "How does it compare to others",
        "What else is there",
        "Can you explain that",
        "Please go on with my question",
    ),
    Reaction.NEGATIVE: (
        "I am not interested",
        "No thanks, I do not need that",
        "That is not what I asked for",
        "Stop showing me ads",
        "That is useless",
        "This is spam",
        "I already have one and do not want another",
        "That is too expensive",
        "I do not like it",
    ),
}
# How much likeness to an example counts against the valence of words, and how much of both together is an opinion.
_LIKENESS_WEIGHT = 5  # halves
_OPINION = 3_500
# An example of indifference that is so much nearer than all others decides, unless the words are strong.
_NEARER = 400
_STRONG = 4_000


def judge(valence: int, likeness: Mapping[Reaction, int]) -> Reaction:
    """Both in ten-thousandths: `valence` from -SCALE (bad) to SCALE, `likeness` to the nearest example of each kind.

    Without likeness (the model is not to be had) words decide alone.
    """
    if not likeness:
        return _of(valence)
    positive, negative = likeness[Reaction.POSITIVE], likeness[Reaction.NEGATIVE]
    is_indifferent = likeness[Reaction.NEUTRAL] - max(positive, negative) > _NEARER
    if is_indifferent and abs(valence) < _STRONG:
        return Reaction.NEUTRAL
    return _of(valence + _LIKENESS_WEIGHT * (positive - negative) // 2)


def _of(opinion: int) -> Reaction:
    if abs(opinion) <= _OPINION:
        return Reaction.NEUTRAL
    return Reaction.POSITIVE if opinion > 0 else Reaction.NEGATIVE


assert _OPINION < SCALE
