"""Many vectors in few numbers each: good enough to tell which of them are worth comparing in full.

The directions in which the texts differ most (their principal components) are kept, the others left out. That is read
from memory six times faster than the vectors themselves, which is what a comparison of many texts costs.
"""

from dataclasses import dataclass

import numpy as np

from penguin_site.embeddings import Vectors

# So few texts are compared in full.
ENOUGH = 6_000
KEPT = 96
_SAMPLE = 4_000


@dataclass(frozen=True, slots=True)
class Outline:
    directions: Vectors  # a column each
    texts: Vectors

    def cosines(self, question: Vectors) -> Vectors:
        """About how near each text is to each of the question's vectors."""
        near: Vectors = self.texts @ (question @ self.directions).T
        return near


def outline_of(texts: Vectors) -> Outline | None:
    """None for so few texts that comparing all of them is as fast. The same texts have the same outline."""
    if len(texts) <= ENOUGH:
        return None
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    _, directions = np.linalg.eigh(sample.T @ sample)
    directions = np.ascontiguousarray(directions[:, -KEPT:], dtype=np.float32)
    return Outline(directions, texts @ directions)
