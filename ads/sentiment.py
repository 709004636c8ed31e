"""What users think of an ad, read from their words. The words are not kept anywhere."""

from functools import cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from ads.core.auction import SCALE
from ads.core.micros import Reaction
from ads.core.sentiment import EXAMPLES, judge
from penguin_site import embeddings
from penguin_site.embeddings import Vectors

# The model may still be loading: then words alone decide, and nobody waits longer.
WAIT_SECONDS = 2.0
MAX_CHARACTERS = 4_000
_KINDS = [kind for kind, texts in EXAMPLES.items() for _ in texts]


@cache
def _words() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


@cache
def _examples() -> Vectors | None:
    return embeddings.embed([text for texts in EXAMPLES.values() for text in texts])


def read(text: str) -> Reaction:
    """How a user took what they were shown: by the words of their answer and by the examples it resembles."""
    text = text[:MAX_CHARACTERS]
    valence = round(_words().polarity_scores(text)["compound"] * SCALE)
    return judge(valence, _likeness(text))


def _likeness(text: str) -> dict[Reaction, int]:
    vectors = embeddings.embed([text], wait_seconds=WAIT_SECONDS)
    examples = _examples() if vectors is not None else None
    if vectors is None or examples is None:
        return {}
    likeness: dict[Reaction, int] = {}
    for kind, cosine in zip(_KINDS, examples @ vectors[0], strict=True):
        likeness[kind] = max(likeness.get(kind, -SCALE), int(cosine * SCALE))
    return likeness
