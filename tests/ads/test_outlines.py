"""What an outline picks from many texts holds those that are nearest."""

import numpy as np

from ads import outlines
from penguin_site.embeddings import DIMENSIONS


def _texts(count: int, rng: np.random.Generator) -> np.ndarray:
    """As texts are: about few subjects, each in many variants."""
    subjects = rng.normal(size=(60, DIMENSIONS))
    texts = subjects[rng.integers(60, size=count)] + 0.4 * rng.normal(size=(count, DIMENSIONS))
    return (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32)


def test_the_nearest_are_among_those_picked():
    texts = _texts(outlines.ENOUGH + 1, np.random.default_rng(1))
    outline = outlines.outline_of(texts)
    missing = 0
    for question in _texts(50, np.random.default_rng(1)):
        truth = set(np.argsort(-(texts @ question))[:50].tolist())
        picked = np.argsort(-outline.cosines(question.reshape(1, -1))[:, 0])[:250]
        missing += len(truth - set(picked.tolist()))
    assert missing <= 0.05 * 50 * 50


def test_few_texts_need_none_and_the_same_texts_have_the_same():
    texts = _texts(outlines.ENOUGH + 1, np.random.default_rng(2))
    assert outlines.outline_of(texts[:-1]) is None
    first, second = outlines.outline_of(texts), outlines.outline_of(texts.copy())
    assert np.array_equal(first.texts, second.texts)
