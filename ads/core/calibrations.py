"""The curves in use, one for each way of measuring. A changed curve gets a new version: decisions name it."""

from ads.core.calibration import Calibration

# Cosines of the sentence encoder, best of a unit's texts. Small talk and questions that no ad answers stay below 0.42
# against some 200 units, save for coincidences of topic; from 0.65 a unit answers just this question.
EMBEDDING = Calibration(
    "use-1",
    (
        (1_500, 0),
        (3_500, 1_000),
        (4_200, 2_500),
        (5_000, 4_500),
        (6_500, 7_500),
        (8_500, 9_500),
        (10_000, 10_000),
    ),
)
# Shared words over the geometric mean of both counts: one rare word in common says much less than a sentence.
LEXICAL = Calibration("words-1", ((0, 0), (2_500, 1_500), (3_300, 2_500), (6_000, 6_000), (10_000, 9_000)))
