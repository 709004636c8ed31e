"""How relevant each unit is to what a user said: by meaning, or by words when the model is not ready in time."""

import time
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ads.core.auction import SCALE
from ads.core.calibration import Calibration
from ads.core.calibrations import EMBEDDING, LEXICAL
from ads.core.matching_texts import overlap, texts_to_embed, words_of
from ads.core.sensitive_contexts import EXAMPLES, SIMILAR_ENOUGH, sensitive_phrase
from ads.snapshot import Snapshot
from ads.wordings import positive_texts
from penguin_site import embeddings
from penguin_site.embeddings import MODEL_VERSION, Vectors

# Of many units so many are compared text by text.
CLOSE_LOOK = 250
# So much of the time is left for comparing words, when the model is waited for in vain.
_FOR_WORDS_SECONDS = 0.5
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Question:
    """What a user said, as the model reads it (None: not ready in time) and as words."""

    vectors: Vectors | None
    words: frozenset[str]

    @property
    def model(self) -> str:
        return "words" if self.vectors is None else MODEL_VERSION

    @property
    def calibration(self) -> Calibration:
        return LEXICAL if self.vectors is None else EMBEDDING


def read(context: str, user_intent: str, *, until: float) -> Question:
    """The question, embedded if that can be had well before `until` (time.monotonic)."""
    texts = texts_to_embed(context, user_intent)
    left = until - time.monotonic()
    vectors = embeddings.embed(texts, wait_seconds=left - min(_FOR_WORDS_SECONDS, left / 2))
    return Question(vectors, words_of(" ".join(texts)))


def sensitive_moment(context: str, user_intent: str, question: Question) -> str | None:
    """The kind of moment in which nobody is shown an ad; None for all others."""
    if phrase := sensitive_phrase(f"{user_intent}\n{context}"):
        return phrase
    if question.vectors is None:
        return None
    kinds, examples = _sensitive_examples()
    if examples is None:
        return None
    similar = (examples @ question.vectors.T).max(axis=1)
    best = int(similar.argmax())
    return kinds[best] if similar[best] * SCALE >= SIMILAR_ENOUGH else None


def relevances(
    snapshot: Snapshot, question: Question, rows: Rows, *, all_of_them: bool = False
) -> tuple[Rows, NDArray[np.int64]]:
    """Of the units in `rows` those that may be relevant, and how much, from 0 to 10,000. The same way always.

    Of many units only the nearest are compared text by text, unless `all_of_them` are wanted.
    """
    if question.vectors is not None and snapshot.has_vectors:
        if is_too_much(snapshot, rows) and not all_of_them:
            rows = _nearest(snapshot, question.vectors, rows)
        rows, measured = _by_meaning(snapshot, question.vectors, rows)
        calibration = EMBEDDING
    else:
        measured = np.array([_by_words(snapshot, question.words, int(row)) for row in rows], dtype=np.int64)
        calibration = LEXICAL
    return rows, _curve(calibration)[np.clip(measured, 0, SCALE)]


@cache
def _curve(calibration: Calibration) -> NDArray[np.int64]:
    """Relevance of every measurement from 0 to 10,000: no curve rises before 0."""
    return np.array([calibration.relevance(measured) for measured in range(SCALE + 1)], dtype=np.int64)


def is_too_much(snapshot: Snapshot, rows: Rows) -> bool:
    """Whether only some of the units are compared text by text."""
    return snapshot.outline is not None and len(rows) > CLOSE_LOOK


def _nearest(snapshot: Snapshot, vectors: Vectors, rows: Rows) -> Rows:
    assert snapshot.outline is not None
    # The texts of a unit lie side by side, and each unit has some.
    firsts = np.searchsorted(snapshot.owner, np.arange(snapshot.size))
    rough = np.maximum.reduceat(snapshot.outline.cosines(vectors).max(axis=1), firsts)[rows]
    # Ascending, as everything else: the auction breaks ties, not the order here.
    return np.sort(rows[np.argpartition(rough, -CLOSE_LOOK)[-CLOSE_LOOK:]])


def _by_meaning(snapshot: Snapshot, vectors: Vectors, rows: Rows) -> tuple[Rows, NDArray[np.int64]]:
    best = _best_of(snapshot.texts, snapshot.owner, snapshot, rows, vectors)
    against = _best_of(snapshot.negative_texts, snapshot.negative_owner, snapshot, rows, vectors)
    cosines = best - np.maximum(against, 0) / 2
    return rows, np.rint(cosines * SCALE).astype(np.int64)


def _best_of(
    texts: Vectors, owner: Rows, snapshot: Snapshot, rows: Rows, vectors: Vectors
) -> NDArray[np.float32]:
    """The best cosine of each row's texts with any of the question's; 0 for a row without texts."""
    best = np.zeros(snapshot.size, dtype=np.float32)
    if len(texts):
        chosen: Any = slice(None)
        if len(rows) < snapshot.size:
            wanted = np.zeros(snapshot.size, dtype=bool)
            wanted[rows] = True
            chosen = np.flatnonzero(wanted[owner])
        np.maximum.at(best, owner[chosen], (texts[chosen] @ vectors.T).max(axis=1))
    return best[rows]


def _by_words(snapshot: Snapshot, words: frozenset[str], row: int) -> int:
    unit = snapshot.wording_of(row)
    best = max((overlap(words, _words_of_ad(text)) for text in positive_texts(unit)), default=0)
    against = max((overlap(words, _words_of_ad(text)) for text in unit.negative_contexts), default=0)
    return best - against // 2


@lru_cache(maxsize=100_000)
def _words_of_ad(text: str) -> frozenset[str]:
    return words_of(text)


@cache
def _embedded_examples() -> tuple[list[str], Vectors | None]:
    kinds = [kind for kind, texts in EXAMPLES.items() for _ in texts]
    return kinds, embeddings.embed([text for texts in EXAMPLES.values() for text in texts])


def _sensitive_examples() -> tuple[list[str], Vectors | None]:
    return _embedded_examples() if embeddings.is_ready() else ([], None)
